from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import route_laws
import torch
from small_house import house

from recall.sasrec import SasRecRoute, SasRecSettings
from recall.snapshot import Snapshot

TINY = SasRecSettings(
    dim=16,
    length=12,
    layers=1,
    heads=2,
    dropout=0.0,
    widening=2,
    batch_tokens=96,
    precision="float32",
    learning_rate=2e-2,
    decay=0.97,
    max_epochs=3,
    threads=1,
)
N_SONGS = 40
"""Songs 30 .. 39 are heard by nobody."""


def circles(n_users: int = 24, plays: int = 20) -> Snapshot:
    """Even users go round songs 0 .. 14 and odd users round 15 .. 29, one up each time; the last two users hear nothing."""
    acts = [(user, 15 * (user % 2) + (user + at) % 15) for at in range(plays) for user in range(n_users - 2)]
    return house(acts, n_users=n_users, n_songs=N_SONGS)


@pytest.fixture(scope="module")
def fitted() -> tuple[SasRecRoute, Snapshot]:
    snapshot = circles()
    route = SasRecRoute(TINY, epochs=14)
    route.fit(snapshot)
    return route, snapshot


def following(user: int, plays: int = 20) -> int:
    return 15 * (user % 2) + (user + plays) % 15


def test_foretells_the_next_song(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route, _ = fitted
    users = np.arange(22, dtype=np.int32)
    found = route.recall(users, 1)
    assert found.item.tolist() == [following(user) for user in range(22)]
    assert (found.score > 15).all()


def test_songs_that_training_has_not_met_are_never_listed_and_score_nothing(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route, _ = fitted
    found = route.recall(np.arange(24, dtype=np.int32), N_SONGS)
    assert set(found.item.tolist()) == set(range(30))
    assert (found.score > 0).all()
    assert route.score(np.array([0, 0, 23], np.int32), np.array([30, 39, 35], np.int32)).tolist() == [0, 0, 0]


def test_scores_are_lifts_over_a_uniform_draw(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route, _ = fitted
    users = np.repeat(np.array([3, 23], np.int32), 30)
    score = route.score(users, np.tile(np.arange(30, dtype=np.int32), 2)).reshape(2, 30)
    np.testing.assert_allclose(score.mean(1), 1, rtol=1e-4)


def test_recall_is_ordered_distinct_and_independent_of_who_else_asks(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route, snapshot = fitted
    users = np.array([5, 2, 23, 9], np.int32)
    found = route.recall(users, 12)
    assert found.user.tolist() == np.repeat(users, 12).tolist()
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
    for user in users:
        mine = found.user == user
        assert (np.diff(found.score[mine]) <= 0).all()
        assert len(set(found.item[mine].tolist())) == 12
        route.observe(snapshot)
        alone = route.recall(np.array([user], np.int32), 12)
        np.testing.assert_array_equal(alone.item, found.item[mine])
        np.testing.assert_array_equal(alone.score, found.score[mine])


def test_new_only_leaves_out_what_was_played(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route_laws.new_only_lists_all_that_was_not_played(*fitted, 30)


def test_observes_a_live_sequence_without_training_anew(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route, snapshot = fitted
    try:
        route.observe(circles(plays=23))
        assert route.recall(np.array([4], np.int32), 1).item.tolist() == [following(4, 23)]
        # A song that training has not met is no token: the user stands where the last known song left them.
        acts = [(4, song) for song in (5, 6, 7, 39, 38)]
        route.observe(house(acts, n_users=24, n_songs=N_SONGS))
        assert route.recall(np.array([4], np.int32), 1).item.tolist() == [8]
    finally:
        route.observe(snapshot)


def test_explains_by_a_song_of_the_window_or_not_at_all(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    route, snapshot = fitted
    heard = int(snapshot.plays.item[snapshot.plays.user == 0][-1])
    paths = route.explain(np.array([0, 0, 23, 0], np.int32), np.array([20, heard, 5, 35], np.int32))
    assert paths.length.tolist() == [2, 1, 0, 0]
    assert paths.nodes[0, 0] in range(15)
    assert paths.nodes[0, 1] == 20
    assert paths.nodes[1].tolist() == [heard, -1]
    assert (paths.nodes[2:] == -1).all()
    assert paths.step_names[paths.steps[0, 0]] == "SIMILAR_TO"


def test_saved_and_loaded_it_lists_the_same(fitted: tuple[SasRecRoute, Snapshot], tmp_path: Path) -> None:
    route, snapshot = fitted
    route.save(tmp_path)
    loaded = SasRecRoute.load(tmp_path, snapshot)
    assert loaded.settings == route.settings
    assert loaded.epochs_found == 14
    users = np.arange(24, dtype=np.int32)
    for before, after in zip(vars(route.recall(users, 9)).values(), vars(loaded.recall(users, 9)).values(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_fit_is_deterministic_and_stops_by_itself() -> None:
    snapshot = circles(plays=14)
    first, second = SasRecRoute(TINY), SasRecRoute(TINY)
    first.fit(snapshot)
    second.fit(snapshot)
    assert 1 <= first.epochs_found <= 3
    assert len(first.metrics) >= first.epochs_found
    users = np.arange(24, dtype=np.int32)
    np.testing.assert_array_equal(first.recall(users, 9).score, second.recall(users, 9).score)


@pytest.mark.parametrize("acts", [[], [(0, 3)], [(0, 3), (0, 4)]])
def test_houses_with_next_to_nothing(acts: list[tuple[int, int]]) -> None:
    route = SasRecRoute(replace(TINY, max_epochs=1))
    route.fit(house(acts, n_users=2, n_songs=5))
    found = route.recall(np.array([0, 1], np.int32), 5)
    assert sorted(set(found.item.tolist())) == sorted({song for _, song in acts})
    assert np.isfinite(found.score).all()
    assert route.explain(found.user, found.item).length.tolist() == [int(user == 0) for user in found.user]


def test_bfloat16_learns_the_same(fitted: tuple[SasRecRoute, Snapshot]) -> None:
    snapshot = fitted[1]
    route = SasRecRoute(replace(TINY, precision="bfloat16"), epochs=14)
    route.fit(snapshot)
    found = route.recall(np.arange(22, dtype=np.int32), 1)
    assert found.item.tolist() == [following(user) for user in range(22)]
    assert route._network.items.dtype == torch.float32
