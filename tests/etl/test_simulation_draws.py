import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.simulation.catalogue import album_sizes
from etl.simulation.chance import draw_from, reseed, uniform
from etl.simulation.draws import Ints, WeightedGroups, choose
from etl.simulation.history import ITEM, LENGTH, PAUSE, Ring, decay_of_age, evidence, heard, new_ring, remember, repeat
from etl.simulation.names import DRAMA, LANGUAGES, TITLES, by_language, compose
from etl.simulation.refusals import ARTISTS, SONGS, is_refused, new_refusals, refuse

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, rows=st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 9), st.floats(0.01, 9)), max_size=30))
def test_a_draw_belongs_to_its_group(seed: int, rows: list[tuple[int, int, float]]) -> None:
    groups, values, weights = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, int),) * 3
    built = WeightedGroups.build(groups, values, weights.astype(float), 5)
    asked = np.array([-1, 0, 1, 2, 3, 4] * 3)
    drawn = built.draw(np.random.default_rng(seed), asked)
    for group, value in zip(asked, drawn, strict=True):
        members = {v for g, v, _ in rows if g == group and group >= 0}
        assert value in members if members else value == -1


def test_draws_follow_the_weights() -> None:
    built = WeightedGroups.build(np.array([1, 0, 1]), np.array([7, 5, 8]), np.array([3.0, 1.0, 1.0]), 2)
    drawn = built.draw(np.random.default_rng(0), np.ones(20_000, dtype=np.int64))
    assert (drawn == 7).mean() == pytest.approx(0.75, abs=0.02)
    assert set(drawn) == {7, 8}


def test_choose_follows_the_weights_and_knows_rows_without_any() -> None:
    weights = np.tile([[0.0, 1.0, 0.0, 3.0]], (20_000, 1))
    column = choose(np.random.default_rng(0), weights)
    assert set(column) == {1, 3}
    assert (column == 3).mean() == pytest.approx(0.75, abs=0.02)
    assert choose(np.random.default_rng(0), np.zeros((3, 2))).tolist() == [-1, -1, -1]


@given(seed=seeds, n_songs=st.integers(40, 900))
def test_albums_hold_every_song_once(seed: int, n_songs: int) -> None:
    sizes = album_sizes(np.random.default_rng(seed), n_songs)
    assert sizes.sum() == n_songs
    assert sizes.min() >= 6
    assert sizes.max() <= 14


@given(seed=seeds, n=st.integers(0, 300))
def test_names_are_unique_beyond_their_combinations(seed: int, n: int) -> None:
    names = compose(np.random.default_rng(seed), n, " ", (["a", "b", "c"], ["x", "y", ""]))
    assert len(set(names)) == n
    assert sum(name.endswith(" 2") for name in names) == min(max(n - 9, 0), 9)


def test_titles_are_in_their_language() -> None:
    languages = np.repeat(np.arange(len(LANGUAGES)), 200)
    titles = np.array(by_language(np.random.default_rng(1), languages, TITLES))
    assert all(title.isascii() for title in titles[languages == LANGUAGES.index("English")])
    assert all("の" in title for title in titles[languages == LANGUAGES.index("Japanese")])
    assert not any(title.isascii() for title in titles[languages == LANGUAGES.index("Mandarin")])
    assert len(set(compose(np.random.default_rng(1), 500, "", DRAMA))) == 500


HOUR = 3600


def ring_of(plays: list[tuple[int, int, int]], users: int = 1, user: int = 0) -> tuple[Ring, Ints]:
    """A ring with plays `(item, ts, liked)` of one listener; the events are numbered."""
    ring, n = new_ring(users)
    for event, (item, ts, liked) in enumerate(plays):
        remember(ring, n, user, item, ts, event, liked)
    return ring, n


def repeated(ring: Ring, n: Ints, now: int, times: int) -> Ints:
    state, decay, running = np.zeros(1, dtype=np.uint64), decay_of_age(30, 0.5), np.empty(LENGTH)
    return np.array([repeat(state, ring, n, 0, now, decay, running) for _ in range(times)])


def test_repeats_follow_the_power_of_age() -> None:
    ring, n = ring_of([(5, 0, 10), (6, HOUR * 12, 10)])
    places = repeated(ring, n, HOUR * 16, 20_000)
    # ages of 16 and 4 hours weigh 1/4 and 1/2
    assert (ring[0, places, ITEM] == 6).mean() == pytest.approx(2 / 3, abs=0.02)
    assert set(places) == {0, 1}


def test_a_skipped_song_does_not_repeat_and_a_heart_counts_twice() -> None:
    ring, n = ring_of([(5, 0, 0), (6, 0, 10), (7, 0, 20)])
    items = ring[0, repeated(ring, n, HOUR, 20_000), ITEM]
    assert set(items) == {6, 7}
    assert (items == 7).mean() == pytest.approx(2 / 3, abs=0.02)


def test_a_song_of_this_quarter_of_an_hour_does_not_repeat() -> None:
    ring, n = ring_of([(5, 0, 10)])
    assert set(repeated(ring, n, 600, 20)) == {-1}
    assert set(repeated(ring, n, PAUSE, 20)) == {0}
    assert set(repeated(*new_ring(1), 600, 3)) == {-1}


def test_evidence_is_useful_and_liked() -> None:
    ring, n = ring_of([(1, 0, 10), (2, 1, 0), (3, 2, 10)], users=2, user=1)
    facets, state = np.array([[-1], [7], [7], [-1]]), np.zeros(1, dtype=np.uint64)
    assert evidence(state, ring, n, 1, 9, facets, 0) == 0
    assert evidence(state, ring, n, 0, 9, facets, 0) == -1
    assert evidence(state, ring, n, 1, 0, facets, 0) == -1
    assert {evidence(state, ring, n, 1, 9, np.ones_like(facets), 0) for _ in range(50)} == {0, 2}


def test_only_the_last_plays_are_remembered() -> None:
    ring, n = ring_of([(item, item, 10) for item in range(LENGTH + 5)])
    assert n.tolist() == [LENGTH + 5]
    assert not heard(ring, n, 0, 4)
    assert heard(ring, n, 0, 5)
    assert heard(ring, n, 0, LENGTH + 4)


@given(seed=seeds, rows=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.floats(0.01, 9)), min_size=1, max_size=30))
def test_compiled_draws_belong_to_their_group(seed: int, rows: list[tuple[int, int, float]]) -> None:
    groups, values, weights = (np.array(column) for column in zip(*rows, strict=True))
    built = WeightedGroups.build(groups, values, weights.astype(float), 5)
    state = np.array([seed], dtype=np.uint64)
    for group in range(5):
        members = {v for g, v, _ in rows if g == group} or {-1}
        assert draw_from(state, built.offsets, built.values, built.running, group) in members


def test_compiled_draws_follow_the_weights() -> None:
    built = WeightedGroups.build(np.array([1, 0, 1]), np.array([7, 5, 8]), np.array([3.0, 1.0, 1.0]), 2)
    state = np.zeros(1, dtype=np.uint64)
    drawn = np.array([draw_from(state, built.offsets, built.values, built.running, 1) for _ in range(20_000)])
    assert (drawn == 7).mean() == pytest.approx(0.75, abs=0.02)


def test_uniform_numbers_are_uniform_and_depend_on_the_session() -> None:
    state, other = np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64)
    reseed(state, np.uint64(1), 5)
    reseed(other, np.uint64(1), 6)
    numbers = np.array([uniform(state) for _ in range(20_000)])
    assert 0 <= numbers.min() < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(numbers[1:], numbers[:-1])[0, 1] == pytest.approx(0, abs=0.02)
    assert uniform(other) != numbers[0]


def test_refusals_are_of_songs_and_of_either_singer() -> None:
    refused = new_refusals(2)
    refuse(refused, 1, SONGS, 4)
    refuse(refused, 1, ARTISTS, 9)
    assert [is_refused(refused, 1, *song) for song in ((4, 0, -1), (5, 9, -1), (5, 0, 9), (5, 0, -1))] == [True, True, True, False]
    assert not is_refused(refused, 0, 4, 9, 9)
