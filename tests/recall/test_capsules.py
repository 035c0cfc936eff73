from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import route_laws
import torch
from small_house import house
from tastes import N_SONGS, share_of_own_artist, tastes, with_histories_swapped

from recall.capsules import CapsuleRoute, CapsuleSettings
from recall.snapshot import Snapshot

TINY = CapsuleSettings(
    dim=16, length=8, max_interests=3, hidden=32, n_negatives=32, batch_windows=8, learning_rate=1e-2, max_epochs=3, horizon=2, threads=1
)


@pytest.fixture(scope="module")
def fitted() -> tuple[CapsuleRoute, Snapshot]:
    snapshot = tastes(cold_songs=True)
    route = CapsuleRoute(TINY, epochs=30)
    route.fit(snapshot)
    return route, snapshot


def test_learns_the_tastes_of_a_handful_of_users(fitted: tuple[CapsuleRoute, Snapshot]) -> None:
    assert share_of_own_artist(fitted[0], np.arange(22)) > 0.95


def test_users_without_history_are_served_by_their_profile(fitted: tuple[CapsuleRoute, Snapshot]) -> None:
    route, _ = fitted
    found = route.recall(np.array([22, 23], np.int32), 10)
    assert np.bincount(found.user, minlength=24)[22:].tolist() == [10, 10]
    assert share_of_own_artist(route, np.array([22, 23])) > 0.9
    assert route.interests(np.array([22, 23, 0])).sizes.tolist() == [1, 1, 3]


def test_recall_is_ordered_distinct_and_independent_of_who_else_asks(fitted: tuple[CapsuleRoute, Snapshot]) -> None:
    route_laws.lists_stand_alone(fitted[0], np.array([5, 2, 23, 9], np.int32), 15)


def test_score_is_the_number_of_recall_and_the_largest_of_the_interests(fitted: tuple[CapsuleRoute, Snapshot]) -> None:
    route, _ = fitted
    users = np.array([7, 3, 22], np.int32)
    found = route.recall(users, N_SONGS)
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
    interests = route.interests(users)
    for place, user in enumerate(users):
        mine = interests.vectors[interests.offsets[place] : interests.offsets[place + 1]]
        expected = (mine @ route._index.vectors.T).max(axis=0) / TINY.temperature
        songs = found.item[found.user == user]
        np.testing.assert_allclose(found.score[found.user == user], expected[songs], rtol=1e-5, atol=1e-5)


def test_new_only_leaves_out_what_was_played(fitted: tuple[CapsuleRoute, Snapshot]) -> None:
    route_laws.new_only_lists_all_that_was_not_played(*fitted, N_SONGS)


def test_explains_by_the_song_that_the_speaking_interest_is_made_of(fitted: tuple[CapsuleRoute, Snapshot]) -> None:
    route, snapshot = fitted
    heard = snapshot.plays.item[snapshot.plays.user == 0]
    users, items = np.array([0, 0, 22], np.int32), np.array([17, heard[-1], 5], np.int32)
    paths = route.explain(users, items)
    assert paths.length.tolist() == [2, 1, 2]
    assert [paths.step_names[step] if step >= 0 else None for step in paths.steps[:, 0]] == ["SIMILAR_TO", None, "PROFILE"]
    assert paths.from_profile is not None
    assert paths.from_profile.tolist() == [False, False, True]
    assert paths.nodes[1].tolist() == [heard[-1], -1]
    assert paths.nodes[2].tolist() == [-1, 5]
    songs, count, weights = route.assignments(np.array([0]))
    capsule = np.argmax(route.interests(np.array([0])).vectors @ route._index.vectors[17])
    loud = weights[0, : count[0], capsule] * (route._index.vectors[songs[0, : count[0]]] @ route._index.vectors[17])
    assert paths.nodes[0].tolist() == [songs[0, np.argmax(loud)], 17]


def test_observe_follows_new_history_and_keeps_what_was_learned(fitted: tuple[CapsuleRoute, Snapshot], tmp_path: Path) -> None:
    route, snapshot = fitted
    route.save(tmp_path)
    moved = CapsuleRoute.load(tmp_path, with_histories_swapped(snapshot, 1, 22))
    # User 22, whose profile says artist 0, has now the history of user 1, who hears artist 1.
    users, songs = np.full(20, 22, np.int32), np.arange(20, 40, dtype=np.int32)
    assert (moved.score(users, songs) > route.score(users, songs)).all()
    assert torch.equal(moved._table, route._table)


def test_saved_and_loaded_give_the_same_rows(fitted: tuple[CapsuleRoute, Snapshot], tmp_path: Path) -> None:
    route, snapshot = fitted
    route.save(tmp_path)
    loaded = CapsuleRoute.load(tmp_path, replace(snapshot, seed=5))
    users = np.arange(24, dtype=np.int32)
    route_laws.same_rows(route.recall(users, 20), loaded.recall(users, 20))
    assert loaded.epochs_found == 30


def test_same_seed_same_scores_and_other_seed_not() -> None:
    route_laws.the_seed_decides(lambda: CapsuleRoute(TINY, epochs=2), tastes(10, 6))


def test_early_stopping_finds_epochs() -> None:
    route = CapsuleRoute(TINY)
    route.fit(tastes())
    assert 1 <= route.epochs_found <= TINY.max_epochs
    assert len(route.metrics) >= route.epochs_found


@pytest.mark.parametrize("plays", [[], [(0, 2)], [(0, 2), (1, 1)]])
def test_hardly_any_events(plays: list[tuple[int, int]]) -> None:
    route_laws.serves_a_house_of_hardly_any_events(CapsuleRoute(TINY), plays)


def test_one_song() -> None:
    route_laws.serves_a_house_of_one_song(CapsuleRoute(TINY))


def test_fifty_users_are_learned_by_heart() -> None:
    """What a user heard after eight songs was a target of training, so the first eight must call it up."""
    rng = np.random.default_rng(0)
    songs = [rng.permutation(600)[:12] for _ in range(50)]
    snapshot = house([(user, int(songs[user][n])) for n in range(12) for user in range(50)], n_users=50, n_songs=600)
    settings = replace(TINY, dim=32, length=12, horizon=4, learning_rate=3e-3, id_dropout=0.0, history_dropout=0.0, n_negatives=256)
    route = CapsuleRoute(settings, epochs=40)
    route.fit(snapshot)
    route.observe(replace(snapshot, events=snapshot.events.take(np.arange(8 * 50))))
    found = route.recall(np.arange(50, dtype=np.int32), 4, new_only=True)
    hits = [item in songs[user][8:] for user, item in zip(found.user, found.item, strict=True)]
    assert np.mean(hits) > 0.9
