import numpy as np
import pytest
from small_house import house, random_plays

from recall.clusters import ClusterRoute
from recall.graph import GraphRoute
from recall.ials import IalsRoute, IalsSettings
from recall.latest import FEW_USERS, Latest
from recall.lifted import LiftedRoute
from recall.neighbours import NeighboursRoute
from recall.ppr import PprRoute
from recall.route import RecallRoute
from recall.usercf import UserCfRoute

N_USERS, N_SONGS = 20, 60


def test_what_was_just_found_is_found_once_and_others_anew() -> None:
    asked = []
    latest = Latest(lambda users: asked.append(users.tolist()) or users.sum())
    users = np.array([3, 1], np.int32)
    assert latest.of(users) == latest.of(np.array([3, 1])) == 4
    users[0] = 5  # what is held is a copy
    assert latest.of(users) == 6
    assert latest.of(users[::-1]) == 6
    assert asked == [[3, 1], [5, 1], [1, 5]]


@pytest.mark.parametrize(
    "route", [GraphRoute(), PprRoute(), UserCfRoute(), LiftedRoute(), NeighboursRoute(), ClusterRoute(), IalsRoute(IalsSettings(threads=1))]
)
def test_one_user_alone_gets_what_comes_in_a_large_batch_in_whatever_order_things_are_asked(route: RecallRoute) -> None:
    plays = random_plays(3, 500, N_USERS - 1, N_SONGS)
    groups = {"albums": [i // 3 for i in range(N_SONGS)], "artists": [i // 9 for i in range(N_SONGS)]}
    snapshot = house(plays, n_users=N_USERS, n_songs=N_SONGS, **groups)
    vectors = np.random.default_rng(0).standard_normal((snapshot.projection.n_nodes, 8)).astype(np.float32)
    object.__setattr__(snapshot, "vectors", vectors)
    route.fit(snapshot)
    users = np.arange(N_USERS, dtype=np.int32)
    assert len(users) > FEW_USERS
    whole = {new: route.recall(users, 9, new_only=new) for new in (False, True)}
    score = route.score(whole[True].user, whole[True].item)
    np.testing.assert_array_equal(score, whole[True].score)
    for user in (0, 7, N_USERS - 1, 7):
        for new in (True, False, True):
            found, mine = route.recall(users[user : user + 1], 9, new_only=new), whole[new].user == user
            np.testing.assert_array_equal(found.item, whole[new].item[mine])
            np.testing.assert_array_equal(found.score, whole[new].score[mine])
            np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
