from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_house import dense_lists, house, random_plays

from recall.ease import EaseRoute, EaseSettings

N_USERS, N_SONGS = 12, 16
# Songs 14 and 15 have no plays: the model must leave them out and keep the ids of the others.
PLAYS = [(user, song if song < 5 else song + 1) for user, song in random_plays(7, 130, N_USERS, N_SONGS - 3)]
USERS = np.arange(N_USERS, dtype=np.int32)
SETTINGS = EaseSettings(l2=3.0, half_life_plays=1e12)


def fitted() -> EaseRoute:
    route = EaseRoute(SETTINGS)
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    return route


def dense_scores() -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    x = (counts > 0).astype(float)
    inverse = np.linalg.inv(x.T @ x + 3.0 * np.eye(N_SONGS))
    weights = np.eye(N_SONGS) - inverse @ np.diag(1 / np.diag(inverse))
    return counts @ weights, counts


def test_scores_are_those_of_the_direct_dense_computation() -> None:
    expected, counts = dense_scores()
    route = fitted()
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(expected.shape))
    score = route.score(user, item)
    np.testing.assert_allclose(score, expected.ravel(), rtol=1e-4, atol=1e-5)
    for new_only, left_out in ((False, None), (True, counts > 0)):
        found = route.recall(USERS, 6, new_only=new_only)
        np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
        wanted = dense_lists(score.reshape(expected.shape), USERS, 6, left_out)
        assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == wanted


def test_no_song_recommends_itself() -> None:
    assert np.all(np.diag(fitted().weights) == 0)


def local(neighbours: int) -> EaseRoute:
    route = EaseRoute(replace(SETTINGS, max_songs=3, neighbours=neighbours))
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    return route


def test_a_neighbourhood_of_everything_is_the_dense_model() -> None:
    # One listener of every song: no two songs are without a common listener, so that a neighbourhood can hold all others.
    everything = house([*PLAYS, *((N_USERS, song) for song in range(N_SONGS))], n_users=N_USERS + 1, n_songs=N_SONGS)
    dense, whole = EaseRoute(SETTINGS), EaseRoute(replace(SETTINGS, max_songs=0, neighbours=N_SONGS))
    for route in (dense, whole):
        route.fit(everything)
    np.testing.assert_allclose(whole.weights.toarray(), dense.weights, rtol=1e-3, atol=1e-5)


def test_a_song_is_regressed_on_its_neighbourhood_alone() -> None:
    route = local(4)
    x = (dense_scores()[1][:, route.songs] > 0).astype(float)
    gram = x.T @ x
    near = gram / np.sqrt(np.sqrt(np.outer(np.diag(gram), np.diag(gram))))
    np.fill_diagonal(near, 0)
    weights = route.weights.toarray()
    for song in range(len(route.songs)):
        around = np.lexsort((np.arange(len(near)), -near[song].astype(np.float32)))[:4]
        expected = np.zeros(len(near))
        expected[around] = np.linalg.solve(gram[np.ix_(around, around)] + 3.0 * np.eye(len(around)), gram[around, song])
        np.testing.assert_allclose(weights[:, song], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("new_only", [False, True])
def test_lists_of_the_local_model_are_its_best_scores(new_only: bool) -> None:
    route, counts = local(6), dense_scores()[1]
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(counts.shape))
    score = route.score(user, item).reshape(counts.shape)
    np.testing.assert_allclose(score[:, route.songs], counts[:, route.songs] @ route.weights.toarray(), rtol=1e-4, atol=1e-5)
    found = route.recall(USERS, 6, new_only=new_only)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == dense_lists(
        score, USERS, 6, counts > 0 if new_only else None
    )


def test_the_local_model_is_reloaded_in_a_grown_and_in_a_shrunk_catalogue(tmp_path: Path) -> None:
    route = local(5)
    route.save(tmp_path)
    grown = EaseRoute.load(tmp_path, house(PLAYS, n_users=N_USERS, n_songs=N_SONGS + 5))
    np.testing.assert_array_equal(grown.recall(USERS, 5).score, route.recall(USERS, 5).score)
    fewer = EaseRoute.load(tmp_path, house([play for play in PLAYS if play[1] < 3], n_users=N_USERS, n_songs=3))
    np.testing.assert_array_equal(fewer.weights.toarray(), route.weights.toarray()[:3, :3])


def test_nobody_asked_nobody_answered() -> None:
    for route in (fitted(), local(4)):
        assert len(route.recall(USERS[:0], 5)) == 0
        assert len(route.score(USERS[:0], USERS[:0])) == 0


def test_the_reason_is_the_song_with_the_largest_contribution() -> None:
    route = fitted()
    _, counts = dense_scores()
    found = route.recall(USERS, 3)
    paths = route.explain(found.user, found.item)
    column = np.searchsorted(route.songs, found.item)
    known = np.zeros((N_SONGS, len(route.songs)))
    known[route.songs] = route.weights
    for row, (user, col) in enumerate(zip(found.user, column, strict=True)):
        assert paths.nodes[row, 0] == np.argmax(counts[user] * known[:, col])


def test_reload_finds_its_songs_by_key_in_a_grown_catalogue(tmp_path: Path) -> None:
    route = fitted()
    route.save(tmp_path)
    grown = house(PLAYS, n_users=N_USERS, n_songs=N_SONGS + 5)
    again = EaseRoute.load(tmp_path, grown)
    first, second = route.recall(USERS, 5), again.recall(USERS, 5)
    np.testing.assert_array_equal(first.item, second.item)
    np.testing.assert_array_equal(first.score, second.score)


def test_a_song_that_left_the_catalogue_is_dropped(tmp_path: Path) -> None:
    route = fitted()
    route.save(tmp_path)
    left = [(user, song) for user, song in PLAYS if song < 3]
    again = EaseRoute.load(tmp_path, house(left, n_users=N_USERS, n_songs=3))
    assert again.songs.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(again.weights, route.weights[:3, :3])
