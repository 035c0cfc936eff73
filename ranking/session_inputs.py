"""A listener's sequence as sessions, at any moment: which sessions lay behind an example, and the packed acts of the distinct ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etl.sequences import BehaviourSequences
from ranking.ranges import packed, times_covered

NO_HISTORY: Final = -1
Ints = npt.NDArray[np.int64]


class SessionBatch(NamedTuple):
    """What `b` examples look back on: `m` distinct histories of `n` distinct sessions, `f` of them to be encoded from `p` acts."""

    act: Tensor
    """`[p]` row of the act among the songs of the batch; as made here, the song itself."""
    owner: Tensor
    """`[p]` session of the act among the `f`, ascending."""
    unit: Tensor
    """`[p]` place of the act in its session, 0 the first."""
    place: Tensor
    """`[f]` place of the session in its history, 0 the latest."""
    slots: Tensor
    """`[m + 1, s]` sessions of each history, oldest first, then n where there are no more; the last row is of who has no history."""
    length: Tensor
    """`[m]` sessions of each history, at least 1."""
    history: Tensor
    """`[b]` history of each example, m for none."""


class Divided(NamedTuple):
    """The distinct histories and sessions of some examples, before any act is looked at."""

    keys: Ints
    """`[n]` distinct sessions at their moments: `end * s + place`, ascending."""
    slots: Ints
    """`[m + 1, s]` index into `keys`, n where there is none."""
    length: Ints
    """`[m]`"""
    history: Ints
    """`[b]`"""


@dataclass(frozen=True)
class SessionHistories:
    """A sequence of acts, divided by its `session` column.

    A session at a moment is known by one number: the row in the sequence where it ends then. A session that is over ends in the same row
    at every later moment, the open one ends where the listener is now. So what lies behind an example is again one number, the end of its
    latest session, and distinct histories and sessions are distinct numbers.
    """

    sequences: BehaviourSequences
    n_sessions: int
    """Sessions of a history: the latest."""
    n_acts: int
    """Acts of a session: the latest."""

    def ends(self, users: npt.NDArray[np.integer], before: npt.NDArray[np.integer]) -> Ints:
        """`[n]` row where the history of each user before event position `before` ends; -1 where there is none."""
        end = self.sequences.end(users, before)
        return np.where(end > self.sequences.offsets[users], end, NO_HISTORY)

    def divided(self, ends: Ints) -> Divided:
        """The distinct histories and sessions of examples whose histories end at `ends` `[b]`."""
        s = self.n_sessions
        distinct, history = np.unique(ends, return_inverse=True)
        known = distinct[distinct != NO_HISTORY]
        history = np.where(ends == NO_HISTORY, len(known), history - (len(distinct) - len(known)))
        latest_first = self._walk(known)
        there = latest_first != NO_HISTORY
        length = there.sum(axis=1)
        keys, of_slot = np.unique((latest_first * s + np.arange(s))[there], return_inverse=True)
        slots = np.full((len(known) + 1, s), len(keys), dtype=np.int64)
        row, column = np.nonzero(there)
        slots[row, length[row] - 1 - column] = of_slot
        return Divided(keys, slots, length, history)

    def batch(self, ends: Ints, divided: Divided | None = None, known: npt.NDArray[np.bool_] | None = None) -> SessionBatch:
        """The batch of examples whose histories end at `ends` `[b]`.

        `known` `[n]` marks those of the `divided` sessions whose vectors are at hand: their acts are left out, and they come first
        among the n.
        """
        divided = self.divided(ends) if divided is None else divided
        slots, keys = divided.slots, divided.keys
        if known is not None:
            order = np.append(np.argsort(~known, kind="stable"), len(keys))
            place_of = np.empty_like(order)
            place_of[order] = np.arange(len(order))
            slots, keys = place_of[slots], keys[~known]
        end, place = keys // self.n_sessions, keys % self.n_sessions
        start = self._start(end)
        owner, rows = packed(start, end)
        columns = (self.sequences.item[rows].astype(np.int64), owner, rows - start[owner], place, slots, divided.length, divided.history)
        return SessionBatch(*(torch.from_numpy(column) for column in columns))

    def counts(self, ends: Ints, n_songs: int) -> npt.NDArray[np.float64]:
        """`[n_songs]` how often each song stands in the histories of the examples `[b]`."""
        distinct, times = np.unique(ends[ends != NO_HISTORY], return_counts=True)
        sessions = self._walk(distinct)
        of_history, column = np.nonzero(sessions != NO_HISTORY)
        end = sessions[of_history, column]
        covered = times_covered(self._start(end), end, len(self.sequences), times[of_history].astype(np.float64))
        return np.asarray(np.bincount(self.sequences.item, weights=covered, minlength=n_songs), dtype=np.float64)

    def _walk(self, ends: Ints) -> Ints:
        """`[m, s]` end of each session of histories that end at `ends` `[m]`, the latest first; -1 where there are no more."""
        sessions = np.full((len(ends), self.n_sessions), NO_HISTORY, dtype=np.int64)
        rows, end = np.arange(len(ends)), ends
        for column in range(self.n_sessions):
            sessions[rows, column] = end
            begin = self._begin[end - 1]
            more = ~self._opens[begin]
            rows, end = rows[more], begin[more]
        return sessions

    def _start(self, end: Ints) -> Ints:
        """First row of the sessions that end at `end` `[n]`, shortened to their latest acts."""
        return np.maximum(self._begin[end - 1], end - self.n_acts)

    @cached_property
    def _begin(self) -> Ints:
        """`[n_rows]` first row of the session that each row is in."""
        session = self.sequences.session
        begins = np.ones(len(session), dtype=bool)
        begins[1:] = session[1:] != session[:-1]
        begins |= self._opens
        return np.maximum.accumulate(np.where(begins, np.arange(len(session)), 0)) if len(session) else np.zeros(0, dtype=np.int64)

    @cached_property
    def _opens(self) -> npt.NDArray[np.bool_]:
        """`[n_rows]` true at the first row of each user."""
        opens = np.zeros(len(self.sequences) + 1, dtype=bool)
        opens[self.sequences.offsets] = True
        return opens[:-1]
