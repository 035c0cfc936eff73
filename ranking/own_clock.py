"""Time as decay counts it: seconds, or, where a source's times give order only, a listener's own events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ranking.as_of import AsOfCounts
from recall.snapshot import Snapshot


class OwnClock:
    """What a listener's clock shows at any moment of one snapshot."""

    def __init__(self, snapshot: Snapshot, ticks: npt.NDArray[np.integer]) -> None:
        """`ticks` are the rows (ascending) of what moves the clock in ordinal time; what is derived from an event counts with it."""
        self._events = snapshot.events
        self._own: AsOfCounts | None = None
        if snapshot.ordinal:
            rows = ticks[np.diff(self._events.source[ticks], prepend=-1) != 0]
            self._own = AsOfCounts.of(self._events.user[rows].astype(np.int64), rows.astype(np.int64), np.ones(len(rows)))

    def of(self, user: npt.NDArray[np.integer], position: npt.NDArray[np.integer], ts: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """`[n]` what the clock of each user shows just before event position `position`, whose second is `ts`."""
        if self._own is None:
            return ts.astype(np.int64)
        return self._own.before(user.astype(np.int64), position.astype(np.int64)).total.astype(np.int64)

    def of_rows(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """`[n]` the same at events."""
        return self.of(self._events.user[rows], rows, self._events.ts[rows])
