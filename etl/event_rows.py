"""Rows of events: by user in time order, one a listen, and the share of the song that was heard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numba
import numpy as np
import numpy.typing as npt

from etl.behaviours import PLAYED, Behaviour
from etl.events import Events

_IS_PLAYED: Final = np.isin(np.arange(len(Behaviour)), PLAYED)
Kernel = TypeVar("Kernel", bound=Callable[..., Any])
Share = TypeVar("Share", np.float32, np.float64)


def compiled(function: Kernel) -> Kernel:
    """`function` in machine code, cached on disk, run without the interpreter's lock."""
    return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]


def rows_by_user(user: npt.NDArray[np.int32], n_users: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """A stable counting sort of events by user.

    Args:
        user: `[n]` user ids below `n_users`, in time order.
        n_users: number of users.

    Returns:
        Rows `[n]`: the events of user 0 in time order, then those of user 1, …; and offsets `[n_users + 1]` of the users in them.
    """
    offsets = np.zeros(n_users + 1, dtype=np.int64)
    np.cumsum(np.bincount(user, minlength=n_users), out=offsets[1:])
    return _scatter(user, offsets), offsets


@compiled
def _scatter(user: npt.NDArray[np.int32], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    free = offsets[:-1].copy()
    rows = np.empty(len(user), dtype=np.int64)
    for row in range(len(user)):
        rows[free[user[row]]] = row
        free[user[row]] += 1
    return rows


def listens(events: Events) -> npt.NDArray[np.bool_]:
    """`[n_events]` true once a listen: a `full_play` or `skip` that follows its own `play` is the same listen as that play."""
    played = _IS_PLAYED[events.behaviour]
    same = played[1:] & played[:-1] & (events.source[1:] == events.source[:-1])
    played[1:] &= ~same
    return played


def play_shares(
    item: npt.NDArray[np.int32], play_ms: npt.NDArray[np.int32], duration_ms: npt.NDArray[np.int64], dtype: type[Share]
) -> npt.NDArray[Share]:
    """Share of the song's duration that was heard; NaN where either is unknown or the item is no song.

    Args:
        item: `[n]` entity ids.
        play_ms: `[n]` milliseconds heard, -1 unknown.
        duration_ms: `[n_songs]` milliseconds, 0 or less where unknown.
        dtype: of the result; a rule that decides by a share takes float64, so that 0.8 of a song is neither more nor less.
    """
    duration = np.append(duration_ms, 0)[np.minimum(item, len(duration_ms))].astype(dtype)
    duration[duration <= 0] = np.nan
    heard = play_ms.astype(dtype)
    heard[play_ms < 0] = np.nan
    shares: npt.NDArray[Share] = heard / duration
    return shares
