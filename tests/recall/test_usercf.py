from pathlib import Path

import numpy as np
from small_house import dense_lists, house, random_plays

from recall.usercf import UserCfRoute, UserCfSettings

N_USERS, N_SONGS = 9, 14
PLAYS = random_plays(5, 100, N_USERS, N_SONGS)
USERS = np.arange(N_USERS, dtype=np.int32)
FOREVER = UserCfSettings(half_life_plays=1e12, include_self=False)


def fitted(settings: UserCfSettings = FOREVER) -> UserCfRoute:
    route = UserCfRoute(settings)
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    return route


def dense_unit() -> np.ndarray:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    damped = np.log1p(counts)
    return damped / np.maximum(np.linalg.norm(damped, axis=1), 1e-30)[:, None]


def test_scores_are_those_of_the_direct_dense_computation() -> None:
    unit = dense_unit()
    alike = unit @ unit.T
    np.fill_diagonal(alike, 0)
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(unit.shape))
    for settings, near in ((FOREVER, alike), (UserCfSettings(half_life_plays=1e12), alike + np.diag((unit > 0).any(axis=1)))):
        route = fitted(settings)
        score = route.score(user, item)
        np.testing.assert_allclose(score, (near @ unit).ravel(), rtol=1e-5, atol=1e-7)
        found = route.recall(USERS[::-1], 4, new_only=True)
        expected = dense_lists(score.reshape(unit.shape), USERS[::-1], 4, unit > 0)
        assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == expected


def test_one_user_alone_gets_the_rows_of_the_batch() -> None:
    route = fitted()
    batch = route.recall(USERS, 5)
    alone = route.recall(np.array([4], np.int32), 5)
    assert alone.item.tolist() == batch.item[batch.user == 4].tolist()
    np.testing.assert_array_equal(alone.score, batch.score[batch.user == 4])


def test_the_reason_is_a_song_shared_with_the_neighbour() -> None:
    route = UserCfRoute(FOREVER)
    route.fit(house([(0, 0), (0, 1), (1, 1), (1, 2), (2, 3)], n_users=3, n_songs=4))
    paths = route.explain(np.array([0, 0], np.int32), np.array([2, 3], np.int32))
    assert paths.length.tolist() == [2, 0]
    assert paths.nodes[0].tolist() == [1, 2]
    assert paths.step_names == ("HEARD_BY_SIMILAR",)


def test_reload_is_the_same(tmp_path: Path) -> None:
    route = fitted(UserCfSettings(neighbours=3))
    route.save(tmp_path)
    again = UserCfRoute.load(tmp_path, house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    np.testing.assert_array_equal(again.recall(USERS, 5).item, route.recall(USERS, 5).item)
