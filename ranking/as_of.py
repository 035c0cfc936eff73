"""Counts as of any event position: what had happened before, never after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt


class Past(NamedTuple):
    """What one key had done before one position, as columns `[n]`."""

    total: npt.NDArray[np.float64]
    """Summed weight of the key's events."""
    last: npt.NDArray[np.int64]
    """Position of its latest event, -1 without any."""


@dataclass(frozen=True)
class AsOfCounts:
    """Events of each key (a song, a user, a pair of both) in time order, answering "how often before position p?".

    Two binary searches answer any column of (key, position) pairs: one finds the key, one the position among its events.
    """

    keys: npt.NDArray[np.int64]
    """`[n_keys]` distinct keys, ascending."""
    first: npt.NDArray[np.int64]
    """`[n_keys + 1]` start of each key's rows in the columns below."""
    position: npt.NDArray[np.int64]
    """`[n_events]` event positions, ascending within a key."""
    rank_and_position: npt.NDArray[np.int64]
    """`[n_events]` rank of the key × span + position: ascending, so that a pair is one search."""
    cumulative: npt.NDArray[np.float64]
    """`[n_events + 1]` weight of all rows before."""
    span: int
    """One more than the highest position."""

    @classmethod
    def of(cls, keys: npt.NDArray[np.int64], position: npt.NDArray[np.int64], weight: npt.NDArray[np.floating]) -> Self:
        """Counts of the events `[n_events]` with these keys (not negative), positions (ascending) and weights."""
        order = np.argsort(keys, kind="stable")
        distinct, rank, n_of_key = np.unique(keys[order], return_inverse=True, return_counts=True)
        span = int(position[-1]) + 1 if len(position) else 1
        return cls(
            keys=distinct,
            first=np.concatenate(([0], np.cumsum(n_of_key))).astype(np.int64),
            position=position[order],
            rank_and_position=rank * np.int64(span) + position[order],
            cumulative=np.concatenate(([0.0], np.cumsum(weight[order], dtype=np.float64))),
            span=span,
        )

    def before(self, keys: npt.NDArray[np.int64], position: npt.NDArray[np.int64]) -> Past:
        """What each key `[n]` had done strictly before each position `[n]`."""
        if not len(self.position):
            return Past(np.zeros(len(keys)), np.full(len(keys), -1, dtype=np.int64))
        rank = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        start = self.first[rank]
        end = np.where(self.keys[rank] == keys, self._end(rank, position), start)
        last = np.where(end > start, self.position[np.maximum(end - 1, 0)], -1)
        return Past(self.cumulative[end] - self.cumulative[start], last)

    def _end(self, rank: npt.NDArray[np.intp], position: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if len(position) and position.min() >= self.span:  # everything is past: no second search
            return self.first[rank + 1]
        return np.searchsorted(self.rank_and_position, rank * np.int64(self.span) + np.minimum(position, self.span)).astype(np.int64)
