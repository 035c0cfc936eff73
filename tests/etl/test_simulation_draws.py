import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.simulation.catalogue import album_sizes
from etl.simulation.draws import WeightedGroups, choose
from etl.simulation.history import LENGTH, History
from etl.simulation.names import DRAMA, LANGUAGES, TITLES, by_language, compose

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


def add(history: History, user: int, items: list[int], ts: list[int], liked: list[float]) -> None:
    for event, (item, at, like) in enumerate(zip(items, ts, liked, strict=True)):
        history.add(np.array([user]), np.array([item]), np.array([at]), np.array([event]), np.array([like]))


def test_repeats_follow_the_power_of_age() -> None:
    history = History(1)
    add(history, 0, [5, 6], [0, 3600 * 12], [1.0, 1.0])
    now = np.full(20_000, 3600 * 16)
    items, events = history.repeat(np.random.default_rng(0), np.zeros(20_000, dtype=np.int64), now, 0.5)
    # ages of 16 and 4 hours weigh 1/4 and 1/2
    assert (items == 6).mean() == pytest.approx(2 / 3, abs=0.02)
    assert (events[items == 6] == 1).all()


def test_a_song_of_this_quarter_of_an_hour_does_not_repeat() -> None:
    history = History(1)
    add(history, 0, [5], [0], [1.0])
    assert history.repeat(np.random.default_rng(0), np.array([0]), np.array([600]), 0.5)[0].tolist() == [-1]
    assert history.repeat(np.random.default_rng(0), np.array([0]), np.array([6000]), 0.5)[0].tolist() == [5]


def test_evidence_is_useful_and_liked() -> None:
    history = History(2)
    add(history, 1, [1, 2, 3], [0, 1, 2], [1.0, 0.0, 1.0])
    useful = np.array([False, True, True, False])
    items, events = history.evidence(np.random.default_rng(0), np.array([1, 1, 0]), np.array([9, 9, 9]), useful)
    assert items.tolist() == [1, 1, -1]
    assert events.tolist() == [0, 0, -1]
    assert history.evidence(np.random.default_rng(0), np.array([1]), np.array([0]), useful)[0].tolist() == [-1]


def test_recent_is_newest_first_after_the_ring_is_full() -> None:
    history = History(1)
    n = LENGTH + 5
    add(history, 0, list(range(n)), list(range(n)), [1.0] * n)
    items, weight = history.recent(np.array([0]), 3)
    assert items.tolist() == [[n - 1, n - 2, n - 3]]
    assert weight[0] == pytest.approx([1, 0.93, 0.93**2])
