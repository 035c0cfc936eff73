"""Per-user, time-ordered behaviour sequences, ragged: values and offsets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events

PADDING = -1
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class BehaviourSequences:
    """The songs of one behaviour domain, per user in time order. User `u` owns `offsets[u]:offsets[u + 1]` of every column.

    Because `event` grows within a user, "what was known before event position p" is a binary search, never a scan.
    """

    offsets: npt.NDArray[np.int64]
    """`[n_users + 1]`"""
    item: npt.NDArray[np.int32]
    """`[n]` song ids."""
    ts: npt.NDArray[np.int64]
    """`[n]` Unix seconds."""
    scene: npt.NDArray[np.int16]
    """`[n]` scene codes, -1 unknown."""
    event: npt.NDArray[np.int64]
    """`[n]` row in the `Events` that the sequences come from, ascending within a user."""

    @classmethod
    def of(cls, events: Events, n_users: int, *behaviours: Behaviour, n_songs: int) -> Self:
        """Sequences of `behaviours` (one domain, merged in time order) on songs; all behaviours where none is named."""
        chosen = events.item < n_songs
        if behaviours:
            chosen &= np.isin(events.behaviour, behaviours)
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(events.user[rows], kind="stable")]
        offsets = np.zeros(n_users + 1, dtype=np.int64)
        np.cumsum(np.bincount(events.user[rows], minlength=n_users), out=offsets[1:])
        return cls(offsets, events.item[rows], events.ts[rows], events.scene[rows], rows.astype(np.int64))

    @property
    def n_users(self) -> int:
        """Number of users, those without a sequence included."""
        return len(self.offsets) - 1

    def __len__(self) -> int:
        return len(self.item)

    def end(self, users: npt.NDArray[np.integer], before: npt.NDArray[np.integer] | None = None) -> npt.NDArray[np.int64]:
        """`[n]` exclusive end, in the columns, of what each user had done strictly before event position `before` (None: everything)."""
        if before is None:
            ends: npt.NDArray[np.int64] = self.offsets[users + 1]
            return ends
        # (user, event) pairs are sorted lexicographically, so one key per pair makes the search of all rows one searchsorted.
        wanted = users.astype(np.int64) * self._span + np.clip(before, 0, self._span - 1)
        found: npt.NDArray[np.int64] = np.searchsorted(self._key, wanted).astype(np.int64)
        return found

    @cached_property
    def _span(self) -> int:
        return int(self.event.max()) + 2 if len(self.event) else 1

    @cached_property
    def _key(self) -> npt.NDArray[np.int64]:
        owner = np.repeat(np.arange(self.n_users, dtype=np.int64), np.diff(self.offsets))
        return owner * self._span + self.event

    def last_rows(
        self, users: npt.NDArray[np.integer], length: int, before: npt.NDArray[np.integer] | None = None
    ) -> npt.NDArray[np.int64]:
        """`[n, length]` rows of the columns: each user's last `length` entries before `before`, oldest first, left-padded with -1."""
        rows = self.end(users, before)[:, None] + np.arange(-length, 0, dtype=np.int64)[None, :]
        return np.where(rows >= self.offsets[users][:, None], rows, PADDING)

    def last(
        self, users: npt.NDArray[np.integer], length: int, before: npt.NDArray[np.integer] | None = None
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        """The last `length` songs of each of `users` `[n]` strictly before event positions `before` `[n]` (None: up to the end).

        Returns:
            Songs `[n, length]`, oldest first, left-padded with -1; and the mask `[n, length]`, true where there is a song.
        """
        rows = self.last_rows(users, length, before)
        return self.take(self.item, rows), rows != PADDING

    @staticmethod
    def take(column: npt.NDArray[Scalar], rows: npt.NDArray[np.int64]) -> npt.NDArray[Scalar]:
        """`column` at `rows` of any shape; -1 where a row is padding."""
        if len(column) == 0:
            return np.full(rows.shape, PADDING, dtype=column.dtype)
        return np.where(rows == PADDING, np.asarray(PADDING, dtype=column.dtype), column[rows])
