"""What each user has heard of each group of songs (a song, an artist, an album), found in one pass over the plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt

from etl.events import Events

Floats = npt.NDArray[np.float64]


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


@dataclass(frozen=True)
class Heard:
    """How often and how recently each user has heard each group, keyed by user and group."""

    key: npt.NDArray[np.int64]
    """`[n]` user << 32 | group, ascending."""
    count: Floats
    last: Floats
    """Age of the latest play."""
    songs: npt.NDArray[np.int32]
    """Distinct songs of the group that were heard."""

    @classmethod
    def by(cls, plays: Events, group: npt.NDArray[np.int32], age: Floats, n_users: int) -> Self:
        """Plays `[n]` by their user and group; a play of group -1 is left out."""
        key, count, last, songs = _heard(plays.user, group, plays.item, plays.count, age, n_users)
        return cls(key, count, last, songs)

    def of(self, user: npt.NDArray[np.int32], group: npt.NDArray[np.int32]) -> tuple[Floats, Floats, npt.NDArray[np.float64]]:
        """Count, age of the latest play (NaN if never) and distinct songs of each pair, `[n]`."""
        code = user.astype(np.int64) << 32 | np.maximum(group, 0)
        row = np.minimum(np.searchsorted(self.key, code), max(len(self.key) - 1, 0))
        if len(self.key) == 0:
            return np.zeros(len(user)), np.full(len(user), np.nan), np.zeros(len(user))
        found = (self.key[row] == code) & (group >= 0)
        songs = np.where(found, self.songs[row], 0).astype(np.float64)
        return np.where(found, self.count[row], 0), np.where(found, self.last[row], np.nan), songs


@_jit
def _heard(user, group, item, count, age, n_users):  # type: ignore[no-untyped-def]
    """Plays are laid out by user, each user's sorted by group and song, and equal ones summed."""
    start = np.zeros(n_users + 1, np.int64)
    for i in range(len(user)):
        if group[i] >= 0:
            start[user[i] + 1] += 1
    start = np.cumsum(start)
    place, row = start[:-1].copy(), np.empty(start[n_users], np.int64)
    for i in range(len(user)):
        if group[i] >= 0:
            row[place[user[i]]] = i
            place[user[i]] += 1
    n = 0
    keys = np.empty(len(row), np.int64)
    counts, lasts, songs = np.empty(len(row)), np.empty(len(row)), np.empty(len(row), np.int32)
    for u in range(n_users):
        own = row[start[u] : start[u + 1]]
        pair = np.empty(len(own), np.int64)
        for j in range(len(own)):
            pair[j] = (np.int64(group[own[j]]) << 32) | item[own[j]]
        order = np.argsort(pair)
        for j in range(len(own)):
            i, code = own[order[j]], pair[order[j]]
            if j == 0 or code >> 32 != pair[order[j - 1]] >> 32:
                keys[n], counts[n], lasts[n], songs[n] = (np.int64(u) << 32) | group[i], 0.0, np.inf, 0
                n += 1
            if j == 0 or code != pair[order[j - 1]]:
                songs[n - 1] += 1
            counts[n - 1] += count[i]
            lasts[n - 1] = min(lasts[n - 1], age[i])
    return keys[:n].copy(), counts[:n].copy(), lasts[:n].copy(), songs[:n].copy()
