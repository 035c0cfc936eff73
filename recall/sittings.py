"""Where the short side of a listener ends and the long side begins: the sitting under way, and everything before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from etl.session_rules import SessionRules
from etl.sessions import Sessions
from recall.interest_sequences import Ints, Sequences, training_windows
from recall.snapshot import Snapshot


@dataclass(frozen=True)
class Sides:
    """Of `n` requests the tokens of either side. They never share one: the long side ends before the session of the short one begins."""

    user: Ints
    short_start: Ints
    short_end: Ints
    """Tokens `short_start[i]:short_end[i]` of the sequences: the latest of the session."""
    long_start: Ints
    long_end: Ints
    """Tokens `long_start[i]:long_end[i]`, `long_end[i] <= short_start[i]`."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints) -> Sides:
        """The requests `rows`."""
        return Sides(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Sittings:
    """Sequences in sessions. Where time is ordinal there is no clock to cut by: the short side is then the last so many tokens."""

    sequences: Sequences
    first: Ints
    """`[n_tokens]` row of the first token of each token's session; of its user where time is ordinal."""
    ordinal: bool
    live_until: Ints
    """`[n_users]` Unix seconds until which an act would still belong to the user's latest session."""

    @classmethod
    def of(cls, snapshot: Snapshot, rules: SessionRules) -> Self:
        """The sittings of a snapshot's sequences, as `etl.sessions` cuts all events: an act without a token keeps a session alive too."""
        sequences = Sequences.of(snapshot)
        n_users = snapshot.catalogue.n_users
        last = sequences.offsets[1:] - 1
        if snapshot.ordinal:
            return cls(sequences, sequences.offsets[sequences.user], True, np.full(n_users, np.iinfo(np.int64).max))
        sessions = Sessions.of(snapshot.events, rules, n_users)
        session = _session_of(sequences, sessions)
        new = np.ones(len(sequences), bool)
        new[1:] = session[1:] != session[:-1]
        first = np.flatnonzero(new)[np.cumsum(new) - 1] if len(new) else np.zeros(0, np.int64)
        live = np.full(n_users, np.iinfo(np.int64).min)
        some = np.diff(sequences.offsets) > 0
        live[some] = _live_until(sessions, session[last[some]], rules)
        return cls(sequences, first, False, live)

    def take(self, keep: npt.NDArray[np.bool_]) -> Sittings:
        """Only the tokens of a mask `[n_tokens]`."""
        before = np.concatenate(([0], np.cumsum(keep)))
        # The first kept token of a session begins it: as many kept tokens lie before it as before the session.
        return replace(self, sequences=self.sequences.take(keep), first=before[self.first[keep]].astype(np.int64))

    def latest(self, users: Ints, short_length: int, long_length: int, now: int | None = None) -> Sides:
        """What a request of each of `users` sees. With `now` only a session that still goes on then is short; an ended one is long."""
        offsets = self.sequences.offsets
        end = offsets[users + 1]
        session = np.where(end > offsets[users], self.first[np.maximum(end - 1, 0)] if len(self.first) else 0, end)
        if now is not None and not self.ordinal:
            session = np.where(self.live_until[users] >= now, session, end)
        return self._sides(users, session, end, short_length, long_length)

    def training(self, short_length: int, long_length: int, max_tokens: int, rng: np.random.Generator) -> Sides:
        """Pieces of sessions that cover every user's latest `max_tokens` tokens: each place of a piece is a request of its own.

        A piece is a session, or a part of `short_length` tokens of a longer one; where time is ordinal, a window cut at a random place.
        """
        if self.ordinal:
            windows = training_windows(self.sequences, short_length, max(1, max_tokens // short_length), rng)
            return self._sides(windows.user, windows.start, windows.end, short_length, long_length)
        place = np.arange(len(self.first)) - self.first
        start = np.flatnonzero(place % short_length == 0)
        end = np.append(start[1:], len(self.first))
        user = self.sequences.user[start]
        recent = self.sequences.offsets[user + 1] - end < max_tokens
        start, end, user = start[recent], end[recent], user[recent]
        sides = self._sides(user, self.first[start], end, short_length, long_length)
        return replace(sides, short_start=start)

    def _sides(self, user: Ints, session: Ints, end: Ints, short_length: int, long_length: int) -> Sides:
        """Sides of requests whose session began at token `session` and whose last token is the one before `end`."""
        begin = np.maximum(end - short_length, session)
        # Of an ordinal source the session is the whole past: what the short side does not hold is long.
        long_end = begin if self.ordinal else session
        return Sides(user, begin, end, np.maximum(long_end - long_length, self.sequences.offsets[user]), long_end)


def _session_of(sequences: Sequences, sessions: Sessions) -> Ints:
    """Number of the session of each token: the user's last that began at or before it, since a second is never parted."""
    if not len(sequences):
        return np.zeros(0, np.int64)
    origin = int(sessions.start.min())
    span = int(max(sequences.ts.max(), sessions.start.max())) - origin + 1
    began = sessions.user.astype(np.int64) * span + (sessions.start - origin)
    return np.searchsorted(began, sequences.user * span + (sequences.ts - origin), side="right") - 1


def _live_until(sessions: Sessions, session: Ints, rules: SessionRules) -> Ints:
    forever = np.full(len(session), np.iinfo(np.int64).max)
    by_gap = sessions.end[session] + rules.gap if rules.gap else forever
    by_length = sessions.start[session] + rules.max_duration if rules.max_duration else forever
    return np.minimum(by_gap, by_length)
