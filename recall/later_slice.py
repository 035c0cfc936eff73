"""A snapshot cut once more: what a route that learns from what came next may look at, and what came next."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from etl.behaviours import POSITIVE
from etl.events import Events
from recall.histories import played_songs
from recall.snapshot import Snapshot


class LaterSlice(NamedTuple):
    """What stood at an earlier moment, and the songs that users took up afterwards."""

    before: Snapshot
    user: npt.NDArray[np.int32]
    """`[n]` users of distinct pairs, ascending."""
    item: npt.NDArray[np.int32]
    """`[n]` songs with a positive event in the slice that the user had not played before."""


def later_slice(snapshot: Snapshot, share: float) -> LaterSlice:
    """Hold back about `share` of the events: what comes after one moment for everybody, or, where time is ordinal, each user's last.

    What is derived from an event stays with it. Facts that became known in the slice are not in `before`. A user with fewer than three
    events has none in an ordinal slice.
    """
    events = snapshot.events
    late = _last_of_each(events, share) if snapshot.ordinal else _after_one_moment(events, share)
    now = snapshot.now if snapshot.ordinal or not late.any() else int(events.ts[late].min())
    projection = snapshot.projection if snapshot.ordinal else snapshot.projection.as_of(now)
    before = replace(snapshot, events=events.take(~late), projection=projection, now=now, vectors=None)
    taken = events.take(late).of(*POSITIVE).of_songs(snapshot.catalogue.n_songs)
    played = played_songs(before)
    known = np.repeat(np.arange(played.shape[0], dtype=np.int64), np.diff(played.indptr)) << 32 | played.indices
    pairs = np.setdiff1d(taken.user.astype(np.int64) << 32 | taken.item, known)
    return LaterSlice(before, (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32))


def _after_one_moment(events: Events, share: float) -> npt.NDArray[np.bool_]:
    """`[n_events]` events at or after the moment at which the last `share` begins; one moment is never cut."""
    if not len(events):
        return np.zeros(0, dtype=bool)
    return np.asarray(events.ts >= max(int(np.quantile(events.ts, 1 - share, method="lower")), int(events.ts[0]) + 1))


def _last_of_each(events: Events, share: float) -> npt.NDArray[np.bool_]:
    """`[n_events]` each user's last `max(1, share of them)` events of the source, with what is derived from them."""
    source, first, group = np.unique(events.source, return_index=True, return_inverse=True)
    order = np.lexsort((first, events.user[first]))  # by user, then time: an event is where its source row stands first
    user = events.user[first][order]
    n = np.bincount(user, minlength=int(user.max(initial=-1)) + 1)
    from_end = (np.cumsum(n) - 1)[user] - np.arange(len(source))
    held = np.where(n < 3, 0, np.maximum(1, (n * share).astype(np.int64)))
    late = np.empty(len(source), dtype=bool)
    late[order] = from_end < held[user]
    return late[group]
