from pathlib import Path

import numpy as np
import pytest
from small_house import house, random_plays

from recall.ials import IalsRoute, IalsSettings

N_USERS, N_SONGS = 14, 17
PLAYS = [play for play in random_plays(11, 160, N_USERS, N_SONGS) if play[1] != 3]
USERS = np.arange(N_USERS, dtype=np.int32)
SETTINGS = IalsSettings(dim=5, alpha=8.0, l2=0.7, epochs=4, half_life_plays=1e12, threads=1)


def fitted(settings: IalsSettings = SETTINGS, plays: list[tuple[int, int]] = PLAYS) -> IalsRoute:
    route = IalsRoute(settings)
    route.fit(house(plays, n_users=N_USERS, n_songs=N_SONGS))
    return route


def counted() -> np.ndarray:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    return counts


def system(route: IalsRoute, user: int) -> tuple[np.ndarray, np.ndarray]:
    """A_u and the terms' factors by the definition: every song has a row of the weighted least squares."""
    y = route._index.vectors.astype(float)
    c = np.where(counted()[user] > 0, 8.0 * counted()[user], 1.0)
    return (y * c[:, None]).T @ y + 0.7 * np.eye(5), y * (c * (counted()[user] > 0))[:, None]


def test_users_are_the_solution_of_the_weighted_least_squares() -> None:
    route = fitted()
    y = route._index.vectors.astype(float)
    for user in range(N_USERS):
        matrix, terms = system(route, user)
        expected = y @ np.linalg.solve(matrix, terms.sum(axis=0))
        score = route.score(np.full(N_SONGS, user, np.int32), np.arange(N_SONGS, dtype=np.int32))
        np.testing.assert_allclose(score, expected, rtol=1e-3, atol=1e-5)


def test_the_reason_is_the_largest_of_the_terms_that_a_score_is_a_sum_of() -> None:
    route = fitted()
    found = route.recall(USERS, 6)
    paths = route.explain(found.user, found.item)
    y = route._index.vectors.astype(float)
    for row, (user, item) in enumerate(zip(found.user, found.item, strict=True)):
        matrix, terms = system(route, int(user))
        added = terms @ np.linalg.solve(matrix, y[item])
        assert added.sum() == pytest.approx(found.score[row], rel=1e-3, abs=1e-5)
        added[item] = 0
        assert paths.nodes[row, 0] == (np.argmax(added) if added.max() > 0 else -1)


def test_the_loss_falls_with_every_round() -> None:
    heard = (counted() > 0).astype(float)
    confidence = 1 + 7.0 * heard
    losses = []
    for epochs in (1, 2, 4, 12):
        route = fitted(IalsSettings(dim=5, alpha=8.0, l2=0.7, epochs=epochs, threads=1))
        y = route._index.vectors.astype(float)
        x = np.array(
            [np.linalg.solve((y * c[:, None]).T @ y + 0.7 * np.eye(5), (c * p) @ y) for c, p in zip(confidence, heard, strict=True)]
        )
        losses.append((confidence * (heard - x @ y.T) ** 2).sum() + 0.7 * ((x**2).sum() + (y**2).sum()))
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("new_only", [False, True])
def test_lists_are_the_best_positive_scores(new_only: bool) -> None:
    route = fitted()
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices((N_USERS, N_SONGS)))
    score = route.score(user, item).reshape(N_USERS, N_SONGS)
    score[(counted() > 0) & new_only] = 0
    found = route.recall(USERS, 5, new_only=new_only)
    for one in USERS:
        best = np.lexsort((np.arange(N_SONGS), -score[one]))
        assert found.item[found.user == one].tolist() == [song for song in best if score[one, song] > 0][:5]
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)


def test_one_user_alone_gets_the_rows_of_the_batch_to_the_bit() -> None:
    route = fitted()
    batch, alone = route.recall(USERS, 6), route.recall(USERS[4:5], 6)
    assert alone.item.tolist() == batch.item[batch.user == 4].tolist()
    np.testing.assert_array_equal(alone.score, batch.score[batch.user == 4])


def test_a_user_without_history_gets_nothing_and_a_song_without_plays_is_in_no_list() -> None:
    route = fitted()
    assert N_USERS - 1 not in {user for user, _ in PLAYS}
    found = route.recall(USERS, N_SONGS)
    assert N_USERS - 1 not in found.user
    assert 3 not in found.item
    assert route.explain(np.array([N_USERS - 1], np.int32), np.zeros(1, np.int32)).length.tolist() == [0]


def test_new_plays_move_the_user_without_learning() -> None:
    route = fitted()
    before = route.score(np.full(2, N_USERS - 1, np.int32), np.array([0, 5], np.int32))
    learned = route._learned.copy()
    route.observe(house([*PLAYS, (N_USERS - 1, 0)], n_users=N_USERS, n_songs=N_SONGS))
    assert before.tolist() == [0, 0]
    assert route.score(np.array([N_USERS - 1], np.int32), np.zeros(1, np.int32))[0] > 0
    np.testing.assert_array_equal(route._learned, learned)


def test_reload_finds_its_songs_by_key_and_is_the_same(tmp_path: Path) -> None:
    route = fitted()
    route.save(tmp_path)
    again = IalsRoute.load(tmp_path, house(PLAYS, n_users=N_USERS, n_songs=N_SONGS + 4))
    first, second = route.recall(USERS, 5), again.recall(USERS, 5)
    np.testing.assert_array_equal(first.item, second.item)
    np.testing.assert_allclose(first.score, second.score, rtol=1e-5)


def test_the_same_seed_learns_the_same_with_any_number_of_threads() -> None:
    two = IalsSettings(dim=5, alpha=8.0, l2=0.7, epochs=4, half_life_plays=1e12, threads=2)
    np.testing.assert_array_equal(fitted()._learned, fitted(two)._learned)
