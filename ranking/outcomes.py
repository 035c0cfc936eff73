"""What followed an exposure, task by task: the labels of rankers that foresee more than one answer."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from ranking.as_of import AsOfCounts
from ranking.examples import ExposureSettings
from ranking.ranker import Examples
from ranking.utility import TASKS
from recall.snapshot import Snapshot

__all__ = ["TASKS", "TASK_BEHAVIOURS", "outcomes"]

TASK_BEHAVIOURS: Final = (Behaviour.CLICK, Behaviour.FULL_PLAY, Behaviour.COLLECT, Behaviour.SKIP)
"""The act that each of `TASKS` foresees."""


def outcomes(
    snapshot: Snapshot, examples: Examples, settings: ExposureSettings | None = None, until: int | None = None
) -> npt.NDArray[np.float32]:
    """`[n, len(TASKS)]` whether each act followed each example: 1 it did, 0 it did not, NaN not known yet.

    An act is credited as in `exposure_examples`: to the latest exposure of the song to the listener before it, if it comes in the
    window. So what follows an example is what its listener did with its song from `position` on and before the next such exposure.

    Args:
        snapshot: holds the events that came after the examples.
        examples: exposures at their own rows; of any other pair and moment it says what the listener went on to do with the song.
        settings: the window; `skip_is_negative` has no part, since the skip is a task of its own.
        until: event position that nothing is seen of from there on; None: the end of the log. Where time is ordinal there is no
            window, so examples of a training part need the position where that part ends.
    """
    window = (settings or ExposureSettings()).window_seconds
    events, n_songs = snapshot.events, max(snapshot.catalogue.n_songs, 1)
    until = len(events) if until is None else min(until, len(events))
    n = len(examples)
    known = examples.position < until
    if not snapshot.ordinal:
        end_ts = snapshot.now if until == len(events) else int(events.ts[until])
        known &= examples.ts + window <= end_ts
    result = np.full((n, len(TASKS)), np.nan, dtype=np.float32)
    if not known.any():
        return result
    asked = examples.take(known)
    last = _end_of_window(snapshot, asked, window, until)
    wanted = np.isin(events.behaviour[:until], (Behaviour.EXPOSURE, *TASK_BEHAVIOURS)) & (events.item[:until] < snapshot.catalogue.n_songs)
    rows = np.flatnonzero(wanted)
    pair = events.user[rows].astype(np.int64) * n_songs + events.item[rows]
    own = asked.user.astype(np.int64) * n_songs + asked.item
    exposed = events.behaviour[rows] == Behaviour.EXPOSURE
    last = np.minimum(last, _next(pair[exposed], rows[exposed], own, asked.position + 1, until))
    for task, behaviour in enumerate(TASK_BEHAVIOURS):
        acts = events.behaviour[rows] == behaviour
        counts = AsOfCounts.of(pair[acts], rows[acts], np.ones(int(acts.sum())))
        happened = counts.before(own, last).last >= asked.position
        result[known, task] = happened
    return result


def _end_of_window(snapshot: Snapshot, examples: Examples, window: int, until: int) -> npt.NDArray[np.int64]:
    """`[n]` position of the first event that comes too late for each example."""
    if snapshot.ordinal:
        return np.full(len(examples), until, dtype=np.int64)
    return np.searchsorted(snapshot.events.ts[:until], examples.ts + window, side="right").astype(np.int64)


def _next(
    keys: npt.NDArray[np.int64], position: npt.NDArray[np.int64], of: npt.NDArray[np.int64], since: npt.NDArray[np.int64], none: int
) -> npt.NDArray[np.int64]:
    """`[n]` first position from `since` on of each key in `of`; `none` without one. `keys` and `position` (ascending) are `[n_events]`."""
    if not len(keys):
        return np.full(len(of), none, dtype=np.int64)
    distinct, rank = np.unique(keys, return_inverse=True)
    composite = np.sort(rank * np.int64(none + 1) + position)
    wanted = np.minimum(np.searchsorted(distinct, of), len(distinct) - 1)
    row = np.searchsorted(composite, wanted * np.int64(none + 1) + np.minimum(since, none))
    found = composite[np.minimum(row, len(composite) - 1)]
    there = (row < len(composite)) & (found // (none + 1) == wanted) & (distinct[wanted] == of)
    return np.where(there, found % (none + 1), none).astype(np.int64)
