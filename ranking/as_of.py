"""Counts as of any event position: what had happened before, never after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
    first: npt.NDArray[np.integer]
    """`[n_keys + 1]` start of each key's rows in the columns below."""
    position: npt.NDArray[np.integer]
    """`[n_events]` event positions, ascending within a key."""
    cumulative: npt.NDArray[np.float64] | None
    """`[n_events + 1]` weight of all rows before; None where every event weighs 1."""
    span: int
    """One more than the highest position."""

    @classmethod
    def of(cls, keys: npt.NDArray[np.int64], position: npt.NDArray[np.int64], weight: npt.NDArray[np.floating]) -> Self:
        """Counts of the events `[n_events]` with these keys (not negative), positions (ascending) and weights."""
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        head = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
        span = int(position[-1]) + 1 if len(position) else 1
        # A log of millions of listeners is held many times over: half as wide where that is enough.
        narrow = np.int32 if max(span, len(position)) <= np.iinfo(np.int32).max else np.int64
        return cls(
            keys=keys[head],
            first=np.append(head, len(keys)).astype(narrow),
            position=position[order].astype(narrow),
            cumulative=None if (weight == 1).all() else np.concatenate(([0.0], np.cumsum(weight[order], dtype=np.float64))),
            span=span,
        )

    @cached_property
    def _rank_and_position(self) -> npt.NDArray[np.int64]:
        """`[n_events]` rank of the key × span + position: ascending, so that a pair is one search. Who asks of now alone needs none."""
        rank = np.repeat(np.arange(len(self.keys), dtype=np.int64), np.diff(self.first))
        return rank * np.int64(self.span) + self.position

    def before(self, keys: npt.NDArray[np.int64], position: npt.NDArray[np.int64]) -> Past:
        """What each key `[n]` had done strictly before each position `[n]`."""
        if not len(self.position):
            return Past(np.zeros(len(keys)), np.full(len(keys), -1, dtype=np.int64))
        rank = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        start = self.first[rank]
        end = np.where(self.keys[rank] == keys, self._end(rank, position), start)
        last = np.where(end > start, self.position[np.maximum(end - 1, 0)], -1).astype(np.int64)
        total = end - start if self.cumulative is None else self.cumulative[end] - self.cumulative[start]
        return Past(total.astype(np.float64), last)

    def _end(self, rank: npt.NDArray[np.intp], position: npt.NDArray[np.int64]) -> npt.NDArray[np.integer]:
        if len(position) and position.min() >= self.span:  # everything is past: no second search
            return self.first[rank + 1]
        return np.searchsorted(self._rank_and_position, rank * np.int64(self.span) + np.minimum(position, self.span))
