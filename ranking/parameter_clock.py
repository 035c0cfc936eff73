"""Bounded staleness (stale synchronous parallel; Ho et al., NIPS 2013): how far workers may run ahead of each other."""

from __future__ import annotations

import asyncio


class StalenessClock:
    """Every worker counts its batches; none may begin one while it is more than `staleness` batches ahead of the slowest."""

    def __init__(self, n_workers: int, staleness: int) -> None:
        self.staleness = staleness
        self.widest = 0
        """The largest lead that a worker has begun a batch with."""
        self._done = dict.fromkeys(range(n_workers), 0)
        self._changed = asyncio.Condition()

    async def reached(self, worker: int, done: int) -> int:
        """Say that `worker` has `done` batches behind it; returns its lead over the slowest once it may begin the next."""
        async with self._changed:
            self._done[worker] = done
            self._changed.notify_all()
            await self._changed.wait_for(lambda: done - min(self._done.values()) <= self.staleness)
            lead = done - min(self._done.values())
            self.widest = max(self.widest, lead)
            return lead

    async def leave(self, worker: int) -> int:
        """`worker` has no more batches: nobody waits for it. The widest lead so far."""
        async with self._changed:
            del self._done[worker]
            self._changed.notify_all()
            return self.widest
