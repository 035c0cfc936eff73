from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_house import dense_lists, house, random_plays

from etl.errors import UserError
from recall.neighbours import NeighboursRoute, NeighboursSettings
from recall.snapshot import Snapshot

N_USERS, N_SONGS = 9, 13
PLAYS = random_plays(17, 70, N_USERS, N_SONGS)
USERS = np.arange(N_USERS, dtype=np.int32)
VECTORS = np.random.default_rng(2).normal(size=(N_SONGS + 4, 3)).astype(np.float32)
VECTORS[5] = 0
WHOLE = NeighboursSettings(neighbours=N_SONGS, sharpness=2.0, popularity_power=0.5, half_life_plays=1e12, repeat_power=1.0)


def snapshot(plays: list[tuple[int, int]] = PLAYS) -> Snapshot:
    return replace(house(plays, n_users=N_USERS, n_songs=N_SONGS, albums=[song // 4 for song in range(N_SONGS)]), vectors=VECTORS)


def fitted(settings: NeighboursSettings = WHOLE) -> NeighboursRoute:
    route = NeighboursRoute(settings)
    route.fit(snapshot())
    return route


def counted() -> np.ndarray:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    return counts


def dense_near(sharpness: float, popularity_power: float) -> np.ndarray:
    """`[seed, song]` by the definition; vectors of nodes that are no songs take no part."""
    unit = VECTORS[:N_SONGS] / np.maximum(np.linalg.norm(VECTORS[:N_SONGS], axis=1, keepdims=True), 1e-30)
    near = np.maximum(unit @ unit.T, 0) ** sharpness * (1 + (counted() > 0).sum(axis=0)) ** popularity_power
    np.fill_diagonal(near, 0)
    return near


@pytest.mark.parametrize("new_only", [False, True])
def test_scores_and_lists_are_those_of_the_direct_dense_computation(new_only: bool) -> None:
    expected, route = counted() @ dense_near(2.0, 0.5), fitted()
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(expected.shape))
    score = route.score(user, item)
    np.testing.assert_allclose(score, expected.ravel(), rtol=1e-4, atol=1e-6)
    found = route.recall(USERS, 4, new_only=new_only)
    wanted = dense_lists(score.reshape(expected.shape), USERS, 4, counted() > 0 if new_only else None)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == wanted
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)


def test_only_the_nearest_songs_of_a_seed_are_scored() -> None:
    route = fitted(replace(WHOLE, neighbours=2, popularity_power=0.0))
    route.recall(USERS, 1)
    near = dense_near(2.0, 0.0)
    for seed in np.flatnonzero(route._found):
        kept = {song for song, weight in zip(route._near[seed].tolist(), route._weight[seed].tolist(), strict=True) if weight > 0}
        best = np.argsort(-near[seed])[:2]
        assert kept == set(best[near[seed][best] > 0].tolist())


def test_one_user_alone_gets_the_rows_of_the_batch_to_the_bit() -> None:
    batch, alone = fitted().recall(USERS, 6), fitted().recall(USERS[3:4], 6)
    assert alone.item.tolist() == batch.item[batch.user == 3].tolist()
    np.testing.assert_array_equal(alone.score, batch.score[batch.user == 3])


def test_each_seed_brings_its_own_neighbours() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0.1], [0.1, 1], [1, 1]], np.float32)
    route = NeighboursRoute(NeighboursSettings(sharpness=20.0, popularity_power=0.0))
    route.fit(replace(house([(0, 0), (0, 1)], n_users=1, n_songs=5), vectors=vectors))
    # The song between both tastes is nearest to their mean and comes last.
    assert route.recall(np.zeros(1, np.int32), 9, new_only=True).item.tolist()[-1] == 4


def test_the_reason_is_the_seed_that_adds_most() -> None:
    route = fitted()
    found = route.recall(USERS, 3)
    paths = route.explain(found.user, found.item)
    terms = counted()[found.user] * dense_near(2.0, 0.5)[:, found.item].T
    np.testing.assert_allclose(terms[np.arange(len(found)), paths.nodes[:, 0]], terms.max(axis=1), rtol=1e-4)
    assert paths.step_names == ("SIMILAR_TO",)


def test_no_history_no_list_and_no_vector_no_evidence() -> None:
    route = NeighboursRoute(WHOLE)
    route.fit(snapshot([(0, 5)]))
    assert len(route.recall(np.array([0, 1], np.int32), 5)) == 0
    assert route.score(np.array([1], np.int32), np.array([2], np.int32)).tolist() == [0.0]
    assert route.explain(np.array([1], np.int32), np.array([2], np.int32)).length.tolist() == [0]
    assert len(route.recall(USERS[:0], 5)) == 0


def test_without_vectors_there_is_one_line_that_says_so() -> None:
    bare = replace(snapshot(), vectors=None)
    why = NeighboursRoute().obstacle(bare)
    assert why is not None
    assert "\n" not in why
    assert NeighboursRoute().obstacle(replace(bare, vectors=np.zeros((N_SONGS, 2), np.float32))) == why
    assert NeighboursRoute().obstacle(snapshot()) is None
    with pytest.raises(UserError, match="embed"):
        NeighboursRoute().fit(bare)


def test_a_setting_that_makes_no_sense_is_named() -> None:
    with pytest.raises(UserError, match="sharpness"):
        NeighboursSettings(sharpness=0)


def test_reload_is_the_same(tmp_path: Path) -> None:
    route = fitted(replace(WHOLE, neighbours=3))
    route.save(tmp_path)
    again = NeighboursRoute.load(tmp_path, snapshot())
    np.testing.assert_array_equal(again.recall(USERS, 5).score, route.recall(USERS, 5).score)
