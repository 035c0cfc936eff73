"""What holds for every route that trains and lists every song: checks that the tests of each route call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from small_house import house

from recall.candidates import Candidates
from recall.route import RecallRoute
from recall.snapshot import Snapshot


def lists_stand_alone(route: RecallRoute, users: npt.NDArray[np.int32], k: int) -> None:
    """Lists of `k` songs are ordered and distinct, a user alone gets the same, and `score` gives the numbers of `recall`."""
    found = route.recall(users, k)
    assert found.user.tolist() == np.repeat(users, k).tolist()
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
    for user in users:
        mine = found.user == user
        assert (np.diff(found.score[mine]) <= 0).all()
        assert len(set(found.item[mine].tolist())) == k
        same_rows(route.recall(np.array([user], np.int32), k), Candidates(found.user[mine], found.item[mine], found.score[mine]))


def same_rows(one: Candidates, two: Candidates) -> None:
    """Both hold the same lists, to the bit."""
    np.testing.assert_array_equal(one.user, two.user)
    np.testing.assert_array_equal(one.item, two.item)
    np.testing.assert_array_equal(one.score, two.score)


def new_only_lists_all_that_was_not_played(route: RecallRoute, snapshot: Snapshot, n_songs: int) -> None:
    """Of each user every one of the `n_songs` that the route can list, but those played."""
    n_users = snapshot.catalogue.n_users
    played = set(zip(snapshot.plays.user.tolist(), snapshot.plays.item.tolist(), strict=True))
    found = route.recall(np.arange(n_users, dtype=np.int32), snapshot.catalogue.n_songs, new_only=True)
    pairs = set(zip(found.user.tolist(), found.item.tolist(), strict=True))
    assert not pairs & played
    assert len(pairs) == n_users * n_songs - len(played)


def the_seed_decides(route: Callable[[], RecallRoute], snapshot: Snapshot) -> None:
    """The same seed gives the same scores, another one does not."""
    users = np.arange(snapshot.catalogue.n_users, dtype=np.int32)

    def scores(seed: int) -> bytes:
        fitted = route()
        fitted.fit(replace(snapshot, seed=seed))
        return fitted.recall(users, 20).score.tobytes()

    assert scores(1) == scores(1)
    assert scores(1) != scores(2)


def serves_a_house_of_hardly_any_events(route: RecallRoute, plays: list[tuple[int, int]], *, ordinal: bool = True) -> None:
    """Three users and five songs: everybody gets every song, with a finite score and a path."""
    route.fit(house(plays, n_users=3, n_songs=5, ordinal=ordinal))
    found = route.recall(np.arange(3, dtype=np.int32), 10)
    assert np.bincount(found.user).tolist() == [5, 5, 5]
    assert np.isfinite(found.score).all()
    assert route.explain(found.user, found.item).length.min() >= 1


def serves_a_house_of_one_song(route: RecallRoute) -> None:
    """Both users get it."""
    route.fit(house([(0, 0), (0, 0), (1, 0)], n_users=2, n_songs=1))
    assert route.recall(np.array([1, 0], np.int32), 5).item.tolist() == [0, 0]
