"""What the interest model learns from: per-user sequences of clicks and positive events, cut into windows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from etl.behaviours import POSITIVE, Behaviour
from recall.comments import CommentUse, Feelings
from recall.snapshot import SECONDS_PER_DAY, Snapshot

Ints = npt.NDArray[np.int64]
TOKENS = (Behaviour.CLICK, *POSITIVE)
"""Behaviours of the sequence: clicks in place of the searches of Covington et al. (a search names its own answer), and positives."""

SEARCH = "search"
"""Scene of clicks and plays that a search led to."""
NO_SCENE = -2
"""No event has it: -1 is the scene that is not known."""


@dataclass(frozen=True)
class Sequences:
    """Tokens of every user in time order; user `u` owns `offsets[u]:offsets[u + 1]`."""

    offsets: Ints
    """`[n_users + 1]`"""
    item: Ints
    """`[n_tokens]` song ids."""
    behaviour: Ints
    """`[n_tokens]` codes of `Behaviour`: the strongest where the same song follows itself."""
    positive: npt.NDArray[np.bool_]
    """`[n_tokens]` the token is evidence of taste, and may be a target."""
    repeat: npt.NDArray[np.bool_]
    """`[n_tokens]` the user has an earlier token of the same song."""
    age: npt.NDArray[np.float32]
    """`[n_tokens]` log(1 + days before `now`); 0 where time is ordinal."""
    ts: Ints
    """`[n_tokens]` Unix seconds."""
    searched: npt.NDArray[np.bool_]
    """`[n_tokens]` the song was clicked or heard from a search."""

    @classmethod
    def of(cls, snapshot: Snapshot, comments: CommentUse = "ignored") -> Self:
        """Sequences of a snapshot. A song that directly follows itself (click, full play, collect) is one token: it predicts nothing.

        A comment that counts as liking by `comments` is a positive token; a song that the user has spoken against has none at all.
        """
        feelings = Feelings.of(snapshot, comments)
        chosen = (np.isin(snapshot.events.behaviour, TOKENS) | feelings.liking) & ~feelings.refused
        events = snapshot.events.take(chosen).of_songs(snapshot.catalogue.n_songs)
        events = events.take(np.argsort(events.user, kind="stable"))
        first = np.ones(len(events), bool)
        first[1:] = (events.user[1:] != events.user[:-1]) | (events.item[1:] != events.item[:-1])
        start = np.flatnonzero(first)
        code = np.where(np.isin(events.behaviour, (*POSITIVE, Behaviour.COMMENT)), events.behaviour, Behaviour.CLICK).astype(np.int64)
        strongest = np.maximum.reduceat(code, start) if len(start) else code
        offsets = np.zeros(snapshot.catalogue.n_users + 1, np.int64)
        np.cumsum(np.bincount(events.user[start], minlength=snapshot.catalogue.n_users), out=offsets[1:])
        days = (snapshot.now - events.ts[start]) / SECONDS_PER_DAY
        age = np.zeros(len(start)) if snapshot.ordinal else np.log1p(np.maximum(days, 0))
        positive = strongest != Behaviour.CLICK
        item = events.item[start].astype(np.int64)
        repeat = _repeats(events.user[start].astype(np.int64) * snapshot.catalogue.n_songs + item)
        of_search = events.scene == (snapshot.scenes.index(SEARCH) if SEARCH in snapshot.scenes else NO_SCENE)
        searched = np.logical_or.reduceat(of_search, start) if len(start) else of_search
        return cls(offsets, item, strongest, positive, repeat, age.astype(np.float32), events.ts[start], searched)

    def __len__(self) -> int:
        return len(self.item)

    @property
    def n_users(self) -> int:
        """Number of users, those without tokens included."""
        return len(self.offsets) - 1

    @property
    def user(self) -> Ints:
        """`[n_tokens]` user of each token."""
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    def take(self, keep: npt.NDArray[np.bool_]) -> Sequences:
        """Only the tokens of a mask `[n_tokens]`."""
        offsets = np.concatenate(([0], np.cumsum(keep)))[self.offsets].astype(np.int64)
        columns = ("item", "behaviour", "positive", "repeat", "age", "ts", "searched")
        return Sequences(offsets, *(getattr(self, name)[keep] for name in columns))

    def late(self, ordinal: bool, share: float) -> npt.NDArray[np.bool_]:
        """`[n_tokens]` mask of a time-later slice of about `share`.

        It is each user's last tokens where time is ordinal (none of a user with fewer than three), else what comes after
        one moment for everybody.
        """
        if ordinal:
            n = np.diff(self.offsets)
            held = np.where(n < 3, 0, np.maximum(1, (n * share).astype(np.int64)))
            return np.arange(len(self)) >= np.repeat(self.offsets[1:] - held, n)
        return np.asarray(self.ts > np.quantile(self.ts, 1 - share)) if len(self) else np.zeros(0, bool)


def _repeats(pair: Ints) -> npt.NDArray[np.bool_]:
    """Whether the same value stands somewhere before, `[n]`."""
    repeat = np.ones(len(pair), bool)
    repeat[np.unique(pair, return_index=True)[1]] = False
    return repeat


@dataclass(frozen=True)
class Windows:
    """Consecutive tokens of one user: window `w` is `start[w]:end[w]` of the sequences' columns."""

    user: Ints
    start: Ints
    end: Ints

    def take(self, rows: Ints) -> Windows:
        """The windows `rows`."""
        return replace(self, user=self.user[rows], start=self.start[rows], end=self.end[rows])

    def __len__(self) -> int:
        return len(self.user)


def last_windows(sequences: Sequences, users: Ints, length: int) -> Windows:
    """The last `length` tokens of each of `users`: what a request sees."""
    end = sequences.offsets[users + 1]
    return Windows(users, np.maximum(sequences.offsets[users], end - length), end)


def training_windows(sequences: Sequences, length: int, max_windows: int, rng: np.random.Generator) -> Windows:
    """Windows that cover every user's latest tokens without overlap, at most `max_windows` of a user, cut at random places.

    The latest window of a user has a random length and the earlier ones `length`: from epoch to epoch each token is seen with
    more and with less before it, and a user who listens all day counts for no more than `max_windows * length` examples.
    """
    n = np.diff(sequences.offsets)
    shift = np.where(n > length, rng.integers(1, length + 1, len(n)), n)
    count = np.minimum(np.where(n > 0, 1 + -(-(n - shift) // length), 0), max_windows)
    user = np.repeat(np.arange(len(n)), count)
    place = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    end = np.where(place == 0, sequences.offsets[user + 1], sequences.offsets[user + 1] - shift[user] - (place - 1) * length)
    start = np.where(place == 0, end - shift[user], end - length)
    return Windows(user, np.maximum(start, sequences.offsets[user]), end)


def token_rows(windows: Windows, length: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Rows of the windows' tokens `[n, length]`, padded at the end, and the mask of real ones."""
    rows = windows.start[:, None] + np.arange(length)
    real = rows < windows.end[:, None]
    return np.where(real, rows, 0), real
