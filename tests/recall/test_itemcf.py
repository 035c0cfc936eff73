from pathlib import Path

import numpy as np
import pytest
from small_house import dense_lists, house, random_plays

from recall.itemcf import ItemCfRoute, ItemCfSettings

N_USERS, N_SONGS = 9, 14
PLAYS = random_plays(3, 120, N_USERS, N_SONGS)
USERS = np.arange(N_USERS, dtype=np.int32)


def dense_history(half_life: float) -> np.ndarray:
    history = np.zeros((N_USERS, N_SONGS))
    for user in range(N_USERS):
        songs = [song for who, song in PLAYS if who == user]
        for place, song in enumerate(songs):
            history[user, song] += 0.5 ** ((len(songs) - 1 - place) / half_life)
    return history


def dense_cosine() -> np.ndarray:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    damped = np.log1p(counts)
    norm = np.maximum(np.linalg.norm(damped, axis=0), 1e-30)
    similar = damped.T @ damped / norm / norm[:, None]
    np.fill_diagonal(similar, 0)
    return similar


def dense_window(window: int, damping: float) -> np.ndarray:
    together = np.zeros((N_SONGS, N_SONGS))
    for user in range(N_USERS):
        songs = [song for who, song in PLAYS if who == user]
        for i, first in enumerate(songs):
            for j, second in enumerate(songs):
                if first != second and 0 < abs(i - j) <= window:
                    together[first, second] += 1 / abs(i - j)
    plays = np.maximum(np.bincount([song for _, song in PLAYS], minlength=N_SONGS), 1).astype(float)
    return together / plays**damping / plays[:, None] ** damping


@pytest.mark.parametrize(
    ("settings", "similar"),
    [
        (ItemCfSettings(similarity="cosine", neighbours=N_SONGS, half_life_plays=7), dense_cosine()),
        (ItemCfSettings(similarity="window", neighbours=N_SONGS, half_life_plays=7, window=3, damping=0.5), dense_window(3, 0.5)),
    ],
    ids=["cosine", "window"],
)
def test_scores_are_those_of_the_direct_dense_computation(settings: ItemCfSettings, similar: np.ndarray) -> None:
    route = ItemCfRoute(settings)
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    expected = dense_history(7) @ similar
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(expected.shape))
    np.testing.assert_allclose(route.score(user, item), expected.ravel(), rtol=1e-5, atol=1e-7)
    found = route.recall(USERS, 4, new_only=True)
    played = dense_history(7) > 0
    scores = route.score(user, item).reshape(expected.shape)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == dense_lists(scores, USERS, 4, played)


def test_only_the_nearest_neighbours_are_kept() -> None:
    route = ItemCfRoute(ItemCfSettings(similarity="cosine", neighbours=1, half_life_plays=1e9))
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    similar = dense_cosine()
    for song in range(N_SONGS):
        row = route.model.similar[[song]]
        if similar[song].max() > 0:
            assert row.data.tolist() == pytest.approx([similar[song].max()])
        else:
            assert row.nnz == 0


def test_a_window_never_crosses_users() -> None:
    route = ItemCfRoute(ItemCfSettings(window=5))
    route.fit(house([(0, 0), (1, 1), (0, 2), (1, 3)], n_users=2, n_songs=4))
    assert route.recall(np.array([0, 1], np.int32), 9).item.tolist() == [0, 2, 1, 3]


def test_long_histories_are_cut_to_their_latest_events() -> None:
    route = ItemCfRoute(ItemCfSettings(max_history=2, half_life_plays=1e9))
    route.fit(house([(0, 0), (0, 1), (0, 2)], n_users=1, n_songs=3))
    assert sorted(route.recall(np.zeros(1, np.int32), 9).item.tolist()) == [1, 2]


def test_the_reason_is_the_song_that_adds_most() -> None:
    route = ItemCfRoute(ItemCfSettings(window=1, damping=0, half_life_plays=1))
    route.fit(house([(0, 0), (0, 1), (1, 3), (1, 2), (2, 0), (2, 2), (2, 2)], n_users=3, n_songs=5))
    paths = route.explain(np.array([0, 0], np.int32), np.array([2, 4], np.int32))
    assert paths.length.tolist() == [2, 0]
    assert paths.nodes[0].tolist() == [0, 2]
    assert paths.step_names[paths.steps[0, 0]] == "HEARD_WITH"


def test_reload_is_the_same(tmp_path: Path) -> None:
    snapshot = house(PLAYS, n_users=N_USERS, n_songs=N_SONGS)
    route = ItemCfRoute(ItemCfSettings(window=2))
    route.fit(snapshot)
    route.save(tmp_path)
    again = ItemCfRoute.load(tmp_path, snapshot).recall(USERS, 5)
    np.testing.assert_array_equal(again.item, route.recall(USERS, 5).item)
