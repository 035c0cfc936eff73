"""What a listener's own order of plays says of a song: how it comes back, and whether it tends to follow what was heard last.

Songs come back in rhythms (Anderson, Kumar, Tomkins and Vassilvitskii, "The dynamics of repeat consumption", WWW 2014), and hearing one
brings others to mind that were heard beside it: the spreading activation of ACT-R, beside its base level (Tran et al., RecSys 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt

from etl.events import Events

COLUMNS: Final = (
    "song first",
    "song gap",
    "song latest gap",
    "song gaps since",
    "song share of plays",
    "song after latest",
    "repeats of last 10",
    "repeats of last 30",
)
"""Ages and gaps in plays of the listener: age of the first play, mean and latest gap between two plays of the song, age of the latest play
in mean gaps; share of all plays; how often the song was heard soon after what was heard last; share of the last plays that were repeats."""
LATEST: Final = 20
"""Latest plays after whose songs others are looked for, each weighed by `FADING` to the number of later plays."""
FADING: Final = 0.9
SOON: Final = 5
"""Plays at most so many places later are soon after; by the inverse of their distance."""


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


@dataclass(frozen=True)
class OwnSequence:
    """Every user's plays in time order."""

    offsets: npt.NDArray[np.int64]
    """`[n_users + 1]`"""
    item: npt.NDArray[np.int32]
    """`[n_plays]`"""

    @classmethod
    def of(cls, plays: Events, n_users: int) -> Self:
        """The plays of all users, from events in time order."""
        offsets = np.zeros(n_users + 1, dtype=np.int64)
        np.cumsum(np.bincount(plays.user, minlength=n_users), out=offsets[1:])
        return cls(offsets, plays.item[np.argsort(plays.user, kind="stable")])

    def columns(self, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """`[len(COLUMNS), n]` of pairs that come grouped by user; NaN where the listener has not heard the song, or not twice."""
        out = np.full((len(COLUMNS), len(user)), np.nan, dtype=np.float32)
        _columns(self.offsets, self.item, user, item, out)
        return out


@_jit
def _columns(offsets, plays, user, item, out):  # type: ignore[no-untyped-def]
    start = 0
    while start < len(user):
        end = start + 1
        while end < len(user) and user[end] == user[start]:
            end += 1
        own = plays[offsets[user[start]] : offsets[user[start] + 1]]
        _of_user(own, item[start:end], out[:, start:end])
        start = end


@_jit
def _of_user(own, item, out):  # type: ignore[no-untyped-def]
    """The columns of one user, whose plays are `own`. Songs stand in a table of open addressing."""
    n, size = len(own), 16
    while size < 2 * n:
        size *= 2
    song, place = np.full(size, -1, np.int32), np.empty(n, np.int64)
    count, first, last, before = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    after = np.zeros(size)
    for p in range(n):
        at = _slot(song, own[p])
        if song[at] < 0:
            song[at], first[at] = own[p], p
        else:
            before[at] = last[at]
        last[at], place[p] = p, at
        count[at] += 1
    for q in range(n):
        latest = last[place[q]]
        # The latest play itself says nothing yet: what follows it is what is asked for.
        if latest < n - LATEST or latest == q:
            continue
        for p in range(q + 1, min(q + SOON + 1, n)):
            if place[p] != place[q]:
                after[place[p]] += FADING ** (n - 1 - latest) / (p - q)
    of_ten, of_thirty = _repeats(place, first, 10), _repeats(place, first, 30)
    for j in range(len(item)):
        out[6, j], out[7, j] = of_ten, of_thirty
        at = _slot(song, item[j])
        if song[at] < 0:
            continue
        out[0, j], out[4, j], out[5, j] = n - 1 - first[at], count[at] / n, after[at]
        if count[at] > 1:
            gap = (last[at] - first[at]) / (count[at] - 1)
            out[1, j], out[2, j], out[3, j] = gap, last[at] - before[at], (n - 1 - last[at]) / gap


@_jit
def _slot(song, wanted):  # type: ignore[no-untyped-def]
    """Where `wanted` stands in the table, or would."""
    at = (wanted * 2654435761) & (len(song) - 1)
    while song[at] >= 0 and song[at] != wanted:
        at = (at + 1) & (len(song) - 1)
    return at


@_jit
def _repeats(place, first, n):  # type: ignore[no-untyped-def]
    """Share of the last `n` plays whose song had been heard before; NaN without plays."""
    if len(place) == 0:
        return np.nan
    begin = max(len(place) - n, 0)
    repeated = 0
    for p in range(begin, len(place)):
        if first[place[p]] < p:
            repeated += 1
    return repeated / (len(place) - begin)
