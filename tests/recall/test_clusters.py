from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rand_index import adjusted_rand_index
from scipy.cluster.hierarchy import fcluster, linkage
from small_house import house

from recall.clusters import ClusterRoute, ClusterSettings, cluster_medoids, unit
from recall.snapshot import Snapshot
from recall.ward import ward_clusters

N_SONGS = 60


def planted(n_users: int = 8, plays: int = 24) -> Snapshot:
    """Songs of three directions, 20 each; user u hears the directions u % 3 and (u + 1) % 3, the first twice as often; the last nothing."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3, 8), 20, axis=0) + 0.1 * rng.standard_normal((N_SONGS, 8))
    acts = []
    for n in range(plays):
        acts += [(user, 20 * ((user + (n % 3 == 0)) % 3) + int(rng.integers(20))) for user in range(n_users - 1)]
    return replace(house(acts, n_users=n_users, n_songs=N_SONGS), vectors=vectors.astype(np.float32))


@pytest.fixture(scope="module")
def fitted() -> tuple[ClusterRoute, Snapshot]:
    snapshot = planted()
    route = ClusterRoute()
    route.fit(snapshot)
    return route, snapshot


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 14), min_size=1, max_size=4), st.floats(0.1, 6.0))
def test_clusters_are_those_of_scipy(seed: int, sizes: list[int], threshold: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((50, 3)).astype(np.float32)
    rows = np.concatenate([rng.permutation(50)[:size] for size in sizes]).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    found = ward_clusters(vectors, offsets, rows, threshold)
    for start, end in pairwise(offsets):
        if end - start < 2:
            assert (found[start:end] == 0).all()
            continue
        expected = fcluster(linkage(vectors[rows[start:end]].astype(np.float64), "ward"), threshold, "distance")
        assert adjusted_rand_index(found[start:end], expected) == 1
        first = [int(np.flatnonzero(found[start:end] == number)[0]) for number in range(found[start:end].max() + 1)]
        assert first == sorted(first)


def test_threshold_zero_joins_equal_vectors_alone_and_a_large_one_everything() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 0], [5, 5]], np.float32)
    rows, offsets = np.arange(4), np.array([0, 4])
    assert ward_clusters(vectors, offsets, rows, 0.0).tolist() == [0, 1, 0, 2]
    assert ward_clusters(vectors, offsets, rows, 1e9).tolist() == [0, 0, 0, 0]


def test_a_medoid_is_nearest_to_its_cluster_and_importance_sums() -> None:
    vectors = np.array([[0.0], [1.0], [5.0], [9.0], [9.0]], np.float32)
    offsets, songs = np.array([0, 3, 3, 5]), np.arange(5)
    owner, song, importance = cluster_medoids(vectors, offsets, songs, np.array([0, 0, 0, 0, 0]), np.array([1.0, 2, 3, 4, 5]))
    assert owner.tolist() == [0, 2]
    assert song.tolist() == [1, 3]
    assert importance.tolist() == [6.0, 9.0]


def test_planted_interests_are_found(fitted: tuple[ClusterRoute, Snapshot]) -> None:
    route, _ = fitted
    medoids = route.medoids(np.arange(8))
    for user in range(7):
        mine = medoids.song[medoids.interests.offsets[user] : medoids.interests.offsets[user + 1]]
        assert (mine // 20).tolist() == [user % 3, (user + 1) % 3]
    assert medoids.interests.sizes[7] == 0


def test_recall_is_ordered_distinct_and_independent_of_who_else_asks(fitted: tuple[ClusterRoute, Snapshot]) -> None:
    route, _ = fitted
    users = np.array([5, 2, 7, 3], np.int32)
    found = route.recall(users, 15)
    assert found.user.tolist() == np.repeat([5, 2, 3], 15).tolist()
    for user in (5, 2, 3):
        mine = found.user == user
        assert (np.diff(found.score[mine]) <= 0).all()
        assert len(set(found.item[mine].tolist())) == 15
        assert set((found.item[mine] // 20).tolist()) <= {user % 3, (user + 1) % 3}
        alone = route.recall(np.array([user], np.int32), 15)
        np.testing.assert_array_equal(alone.item, found.item[mine])
        np.testing.assert_array_equal(alone.score, found.score[mine])


def test_score_is_the_number_of_recall_and_nothing_without_history(fitted: tuple[ClusterRoute, Snapshot]) -> None:
    route, _ = fitted
    found = route.recall(np.array([6, 1], np.int32), N_SONGS)
    assert len(found) == 2 * N_SONGS
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
    assert route.score(np.array([7], np.int32), np.array([3], np.int32)).tolist() == [0.0]


def test_new_only_leaves_out_what_was_played(fitted: tuple[ClusterRoute, Snapshot]) -> None:
    route, snapshot = fitted
    played = set(zip(snapshot.plays.user.tolist(), snapshot.plays.item.tolist(), strict=True))
    found = route.recall(np.arange(7, dtype=np.int32), N_SONGS, new_only=True)
    pairs = set(zip(found.user.tolist(), found.item.tolist(), strict=True))
    assert not pairs & played
    assert len(pairs) == 7 * N_SONGS - len(played)


def test_explains_by_the_medoid(fitted: tuple[ClusterRoute, Snapshot]) -> None:
    route, _ = fitted
    medoid = route.medoids(np.array([0])).song
    other = int(next(song for song in range(20, 40) if song not in medoid))
    paths = route.explain(np.array([0, 0, 7], np.int32), np.array([other, medoid[0], 4], np.int32))
    assert paths.length.tolist() == [2, 1, 0]
    assert paths.nodes.tolist() == [[medoid[1], other], [medoid[0], -1], [-1, -1]]
    assert paths.steps[:, 0].tolist() == [0, -1, -1]


def test_importance_decays_by_day_and_orders_what_is_served() -> None:
    """Nine plays of one direction a year ago weigh less than one of yesterday, and more than none."""
    vectors = np.repeat(np.eye(2, 4), 10, axis=0).astype(np.float32)
    acts = [(0, song) for song in range(9)] + [(0, 15)]
    snapshot = replace(house(acts, n_users=1, n_songs=20, days_ago=[365.0] * 9 + [1.0], ordinal=False), vectors=vectors)
    route = ClusterRoute(ClusterSettings(importance_power=1.0))
    route.fit(snapshot)
    medoids = route.medoids(np.array([0]))
    assert medoids.song.tolist() == [15, 0]
    weight = np.linalg.norm(medoids.interests.vectors, axis=1)
    np.testing.assert_allclose(weight, [1.0, 9 * np.exp(-3.65) / np.exp(-0.01)], rtol=1e-5)
    only = ClusterRoute(ClusterSettings(max_interests=1))
    only.fit(snapshot)
    assert only.medoids(np.array([0])).song.tolist() == [15]


def test_saved_and_loaded_give_the_same_rows(fitted: tuple[ClusterRoute, Snapshot], tmp_path: Path) -> None:
    route, snapshot = fitted
    route.save(tmp_path)
    loaded = ClusterRoute.load(tmp_path, snapshot)
    users = np.arange(8, dtype=np.int32)
    one, two = route.recall(users, 20), loaded.recall(users, 20)
    np.testing.assert_array_equal(one.item, two.item)
    np.testing.assert_array_equal(one.score, two.score)


@pytest.mark.parametrize("plays", [[], [(0, 2)], [(0, 2), (0, 2), (1, 1)]])
def test_hardly_any_events(plays: list[tuple[int, int]]) -> None:
    route = ClusterRoute()
    route.fit(replace(house(plays, n_users=3, n_songs=5), vectors=np.eye(5, dtype=np.float32)))
    found = route.recall(np.arange(3, dtype=np.int32), 2)
    assert sorted(set(found.user.tolist())) == sorted({user for user, _ in plays})
    assert np.isfinite(found.score).all()
    assert len(route.explain(found.user, found.item).length) == len(found)


def test_needs_vectors() -> None:
    snapshot = house([(0, 1)], n_users=1, n_songs=3)
    assert ClusterRoute().obstacle(snapshot) is not None
    with pytest.raises(ValueError, match="vectors"):
        ClusterRoute().observe(snapshot)


def test_unit_keeps_zero() -> None:
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)), [[0.6, 0.8], [0.0, 0.0]])
