import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_SONGS, catalogue, events_of, service

from etl.behaviours import Behaviour
from ranking.examples import examples_at_now, exposure_examples
from ranking.features import FeatureSchema
from ranking.logistic import Logistic, LogisticSettings
from ranking.places import DROPPED, N_PLACES, SITTING_SECONDS, exposure_places, place_codes, with_places
from recall.snapshot import Snapshot


def test_places_count_within_one_sitting_of_one_listener_in_one_scene() -> None:
    shown, play = Behaviour.EXPOSURE, Behaviour.PLAY
    events = events_of(
        [0, 0, 1, 0, 0, 0, 0], range(7), [shown, shown, shown, play, shown, shown, shown], [0, 0, 0, 9, SITTING_SECONDS, 9_000, 9_001]
    )
    events = dataclasses.replace(events, scene=np.array([0, 0, 0, 0, 0, 0, 1], np.int16))
    assert exposure_places(events).tolist() == [0, 1, 0, -1, 2, 0, 0]
    assert exposure_places(events, ordinal=True).tolist() == [-1] * 7
    assert exposure_places(events.take(slice(0, 0))).tolist() == []


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from([0, 0, 60, 2_000]), st.booleans()), max_size=30),
    cut=st.integers(0, 30),
)
def test_places_against_a_plain_reading_and_whatever_comes_later(rows: list[tuple[int, int, int, bool]], cut: int) -> None:
    ts = np.cumsum([row[2] for row in rows], dtype=np.int64)
    behaviour = [Behaviour.EXPOSURE if row[3] else Behaviour.PLAY for row in rows]
    events = events_of([row[0] for row in rows], [0] * len(rows), behaviour, ts)
    events = dataclasses.replace(events, scene=np.array([row[1] for row in rows], np.int16))
    open_lists: dict[tuple[int, int], tuple[int, int]] = {}
    expected = []
    for (user, scene, _, shown), now in zip(rows, ts.tolist(), strict=True):
        last, place = open_lists.get((user, scene), (-(10**9), -1))
        place = place + 1 if now - last <= SITTING_SECONDS else 0
        expected.append(place if shown else -1)
        if shown:
            open_lists[user, scene] = (now, place)
    assert exposure_places(events).tolist() == expected
    assert exposure_places(events.take(slice(0, cut))).tolist() == expected[:cut]


def test_codes_are_buckets_of_powers_of_two_and_0_is_unknown() -> None:
    assert place_codes(np.array([-1, 0, 1, 2, 3, 6, 7, 14, 10**6])).tolist() == [0, 1, 2, 2, 3, 3, 4, 4, N_PLACES]


def test_only_what_is_learned_from_has_places_and_not_all_of_that() -> None:
    house = service(n_users=4, n_exposures=2_000)
    examples = exposure_examples(house, 0, len(house.events))
    assert (examples.place == -1).all()
    placed = with_places(house, examples, seed=1)
    known = placed.place >= 0
    assert abs(known.mean() - (1 - DROPPED)) < 0.05
    assert np.array_equal(placed.place[known], exposure_places(house.events)[examples.position[known]])
    assert np.array_equal(placed.place, with_places(house, examples, seed=1).place)
    assert not np.array_equal(placed.place, with_places(house, examples, seed=2).place)
    others = examples_at_now(house, np.zeros(N_SONGS, np.int32), np.arange(N_SONGS, dtype=np.int32))
    assert (with_places(house, others).place == -1).all()


def test_the_schema_codes_the_place_as_it_is_learned_and_nothing_where_it_is_scored() -> None:
    house = service(n_users=4, n_exposures=300)
    examples = exposure_examples(house, 0, len(house.events))
    schema, features = FeatureSchema.fit(house, examples)
    column = schema.code_names.index("place")
    assert schema.code_sizes[column] == N_PLACES + 1
    assert (features.codes(examples)[:, column] == 0).all()
    placed = with_places(house, examples)
    assert np.array_equal(features.codes(placed)[:, column], place_codes(placed.place))
    assert np.array_equal(np.delete(features.codes(placed), column, 1), np.delete(features.codes(examples), column, 1))


def biased_service(n_lists: int = 400, seed: int = 0) -> Snapshot:
    """Lists of five songs: what is clicked depends on the place alone, and each song mostly stands in a place of its own."""
    rng = np.random.default_rng(seed)
    known, projection = catalogue(20)
    first = rng.permuted(np.tile(np.arange(5), (n_lists, 1)), axis=1)
    usual = np.tile(np.arange(5), (n_lists, 1))
    song = np.where(rng.random((n_lists, 1)) < 0.7, usual, first).ravel()
    clicked = rng.random(5 * n_lists) < np.tile([0.8, 0.5, 0.3, 0.15, 0.05], n_lists)
    row = np.repeat(np.arange(5 * n_lists), 1 + clicked)
    shown = np.concatenate(([True], row[1:] != row[:-1]))
    user, ts = np.repeat(rng.integers(0, 20, n_lists), 5), np.repeat(np.arange(n_lists) * 10_000, 5)
    # Within a list everything is shown before anything is clicked.
    order = np.lexsort((row, ~shown, row // 5))
    row, shown = row[order], shown[order]
    behaviour = np.where(shown, Behaviour.EXPOSURE, Behaviour.CLICK)
    events = events_of(user[row], song[row], behaviour, ts[row] + np.where(shown, 0, 30))
    return Snapshot(known, events, projection, now=n_lists * 10_000)


def test_what_owes_its_clicks_to_its_place_is_not_taken_for_better(monkeypatch: pytest.MonkeyPatch) -> None:
    house = biased_service()
    cut = int(len(house.events) * 0.8)
    parts = exposure_examples(house, 0, cut), exposure_examples(house, cut, len(house.events))
    users, songs = np.repeat(np.arange(20, dtype=np.int32), 5), np.tile(np.arange(5, dtype=np.int32), 20)

    def lead_of_the_first_song() -> float:
        ranker = Logistic(LogisticSettings(l2=(10.0,)))
        ranker.fit(house, *parts)
        by_song = ranker.score(users, songs, scene=0).reshape(20, 5).mean(axis=0)
        return float(by_song[0] - by_song[4])

    told = lead_of_the_first_song()
    monkeypatch.setattr("ranking.logistic.with_places", lambda snapshot, examples, seed: examples)
    untold = lead_of_the_first_song()
    assert untold > 1.0  # the songs are equally good
    assert told < 0.7 * untold  # what its past clicks say of it, and the examples without a place, keep some of it
