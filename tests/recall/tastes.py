"""Listeners of two tastes that their profiles tell apart, for the tests of routes with a profile tower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
from small_house import house

from recall.route import RecallRoute
from recall.snapshot import Snapshot

N_SONGS = 40


def tastes(n_users: int = 24, plays: int = 20, *, cold_songs: bool = False) -> Snapshot:
    """Even users hear songs of artist 0 (songs 0..19), odd users of artist 1; the last two users hear nothing. Gender tells them apart.

    With `cold_songs` nobody has heard the last four songs of each artist.
    """
    rng = np.random.default_rng(0)
    last = 16 if cold_songs else 20
    acts = [(user, int(20 * (user % 2) + rng.integers(0, last))) for _ in range(plays) for user in range(n_users - 2)]
    snapshot = house(acts, n_users=n_users, n_songs=N_SONGS, artists=[song // 20 for song in range(N_SONGS)])
    users = snapshot.catalogue.users.with_columns(gender=pl.Series(["f" if user % 2 == 0 else "m" for user in range(n_users)]))
    return replace(snapshot, catalogue=replace(snapshot.catalogue, users=users))


def share_of_own_artist(route: RecallRoute, users: npt.NDArray[np.integer], k: int = 10) -> float:
    """Share of the users' lists that is sung by the artist whom each of them hears."""
    found = route.recall(users.astype(np.int32), k)
    return float((found.item // 20 == found.user % 2).mean())


def with_histories_swapped(snapshot: Snapshot, one: int, two: int) -> Snapshot:
    """The snapshot in which users `one` and `two` have each other's events."""
    user = snapshot.events.user
    swapped = np.where(user == one, two, np.where(user == two, one, user)).astype(np.int32)
    return replace(snapshot, events=replace(snapshot.events, user=swapped))
