"""Per-user, time-ordered behaviour sequences, ragged: values and offsets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.event_rows import play_shares, rows_by_user
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
    """`[n]` song ids; beside them ids of blocked artists (`n_songs` or more) where they were asked for."""
    ts: npt.NDArray[np.int64]
    """`[n]` Unix seconds."""
    scene: npt.NDArray[np.int16]
    """`[n]` scene codes, -1 unknown."""
    event: npt.NDArray[np.int64]
    """`[n]` row in the `Events` that the sequences come from, ascending within a user."""
    behaviour: npt.NDArray[np.int8]
    """`[n]` codes of `Behaviour`: which of the domain's types each entry is."""
    play_share: npt.NDArray[np.float32]
    """`[n]` share of the song that was heard, NaN unknown."""
    session: npt.NDArray[np.int32]
    """`[n]` session numbers (`etl.sessions`), -1 where none were given."""
    sentiment: npt.NDArray[np.float32]
    """`[n]` what a comment says of its song, from -1 (dislike) to 1; NaN unknown, or no comment."""

    @classmethod
    def of(
        cls,
        events: Events,
        n_users: int,
        *behaviours: Behaviour,
        n_songs: int,
        blocked_artists: bool = False,
        details: EventDetails | None = None,
    ) -> Self:
        """Sequences of `behaviours` (one domain, merged in time order) on songs; all behaviours where none is named.

        Args:
            events: events in time order.
            n_users: number of users.
            behaviours: the domain.
            n_songs: items below are songs.
            blocked_artists: hold the artists of `block_artist` too. Their ids are entities, not songs.
            details: what is known of each event beyond its own columns.
        """
        chosen = events.item < n_songs
        if blocked_artists:
            chosen |= events.behaviour == Behaviour.BLOCK_ARTIST
        if behaviours:
            chosen &= np.isin(events.behaviour, behaviours)
        rows = np.flatnonzero(chosen)
        order, offsets = rows_by_user(events.user[rows], n_users)
        rows = rows[order].astype(np.int64)
        known = details or EventDetails()
        return cls(
            offsets,
            events.item[rows],
            events.ts[rows],
            events.scene[rows],
            rows,
            events.behaviour[rows],
            known.play_shares(events, rows),
            _known(known.session, rows, np.int32(PADDING)),
            _known(known.sentiment, rows, np.float32(np.nan)),
        )

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


@dataclass(frozen=True)
class EventDetails:
    """What is known of each event beyond its own columns; None: unknown."""

    duration_ms: npt.NDArray[np.int64] | None = None
    """`[n_songs]` milliseconds, 0 or less where unknown: gives the play share."""
    session: npt.NDArray[np.int32] | None = None
    """`[n_events]` session numbers, `Sessions.of_event`."""
    sentiment: npt.NDArray[np.float32] | None = None
    """`[n_events]` sentiment of comments from -1 to 1, NaN elsewhere."""

    def play_shares(self, events: Events, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """`[n]` share of the song that was heard at `rows` `[n]`, NaN unknown."""
        if self.duration_ms is None:
            return np.full(len(rows), np.nan, dtype=np.float32)
        return play_shares(events.item[rows], events.play_ms[rows], self.duration_ms, np.float32)


def _known(column: npt.NDArray[Scalar] | None, rows: npt.NDArray[np.int64], unknown: Scalar) -> npt.NDArray[Scalar]:
    return np.full(len(rows), unknown) if column is None else column[rows]
