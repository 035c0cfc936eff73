"""What each listener heard last: a ring of plays, the only memory from which causes and repeats are drawn."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.simulation.chance import State, compiled, constants, uniform
from etl.simulation.draws import Floats, Ints

Ring = npt.NDArray[np.int32]
"""Last plays of every listener, `[n_users, LENGTH, 4]`: columns `ITEM, TS, EVENT, LIKED`."""
LENGTH: Final = 128
"""Plays kept for each listener; older ones no longer cause anything."""
ITEM, TS, EVENT, LIKED = constants(0, 4)
PAUSE: Final = 900
"""Seconds in which a song does not return, unless it is played again at once."""
DEPTH: Final = 64
"""Plays among which evidence is sought, newest first."""
FADING: Final = 0.93
"""What each later play leaves of an older one's weight as evidence."""
TENTHS: Final = 10
"""`LIKED` counts tenths: 10 is a song heard to the end."""
_FADED: Final = FADING ** np.arange(LENGTH)


def new_ring(n_users: int) -> tuple[Ring, Ints]:
    """Empty rings, and how many plays each listener has made, `[n_users]`."""
    return np.full((n_users, LENGTH, 4), -1, dtype=np.int32), np.zeros(n_users, dtype=np.int64)


def decay_of_age(days: int, d: float) -> Floats:
    """Weight t^-d of a play by its age in minutes, up to `days`; t in hours (Anderson and Schooler 1991: d = 0.5)."""
    minutes = np.arange(days * 1440 + 1)
    return np.asarray(np.maximum(minutes / 60, PAUSE / 3600) ** -d)


@compiled
def remember(ring: Ring, n: Ints, user: int, item: int, ts: int, event: int, liked: int) -> None:
    """Add one play to the listener's ring."""
    row = ring[user, n[user] % LENGTH]
    row[ITEM], row[TS], row[EVENT], row[LIKED] = item, ts, event, liked
    n[user] += 1


@compiled
def heard(ring: Ring, n: Ints, user: int, item: int) -> bool:
    """Whether the song is among the plays kept."""
    at, end = 0, min(n[user], LENGTH)
    while at < end and ring[user, at, ITEM] != item:
        at += 1
    return bool(at < end)


@compiled
def heard_just_now(ring: Ring, n: Ints, user: int, item: int, now: int) -> bool:
    """Whether the song was heard within the last `PAUSE`."""
    for back in range(1, min(n[user], LENGTH) + 1):
        row = ring[user, (n[user] - back) % LENGTH]
        if now - row[TS] >= PAUSE:
            return False
        if row[ITEM] == item:
            return True
    return False


@compiled
def repeat(state: State, ring: Ring, n: Ints, user: int, now: int, decay: Floats, running: Floats) -> int:
    """Place in the ring of a play to repeat; -1 without one. `running` is room for `LENGTH` sums.

    A play of age t is drawn by `liked * t^-d`, so a song by its ACT-R base level, the sum over its plays.
    """
    total = 0.0
    for at in range(min(n[user], LENGTH)):
        total += ring[user, at, LIKED] * decay[(now - ring[user, at, TS]) // 60]
        running[at] = total
    for _ in range(4):
        if total <= 0:
            return -1
        at = int(np.searchsorted(running[: min(n[user], LENGTH)], uniform(state) * total, side="right"))
        if not heard_just_now(ring, n, user, ring[user, at, ITEM], now):
            return at
    return -1


@compiled
def evidence(state: State, ring: Ring, n: Ints, user: int, now: int, facets: Ints, column: int) -> int:
    """Place in the ring of a recent liked play whose song has a facet in `column` of `facets` `[n_songs, n]`; -1 without one.

    Only plays before `now` count: a friend's session may already be ahead.
    """
    depth = min(n[user], DEPTH)
    total = 0.0
    for back in range(depth):
        row = ring[user, (n[user] - 1 - back) % LENGTH]
        if row[TS] < now and facets[row[ITEM], column] >= 0:
            total += row[LIKED] * _FADED[back]
    if total <= 0:
        return -1
    target, found = uniform(state) * total, -1
    for back in range(depth):
        at = (n[user] - 1 - back) % LENGTH
        row = ring[user, at]
        if row[TS] < now and row[LIKED] > 0 and facets[row[ITEM], column] >= 0:
            found = at
            target -= row[LIKED] * _FADED[back]
            if target < 0:
                break
    return found
