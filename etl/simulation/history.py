"""What each listener heard last, in one ring buffer for all: evidence, repeats, and what recent plays match."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etl.simulation.draws import Floats, Ints, Mask, choose

LENGTH = 128
"""Plays kept for each listener; older ones no longer cause anything."""
PAUSE = 0.25
"""Hours in which a song does not return."""


class History:
    """Last plays of every listener: `item, ts, event` and how much each was liked, `[n_users, LENGTH]`; item -1 is empty."""

    def __init__(self, n_users: int) -> None:
        self.item: npt.NDArray[np.int32] = np.full((n_users, LENGTH), -1, dtype=np.int32)
        self.ts: Ints = np.zeros((n_users, LENGTH), dtype=np.int64)
        self.event: Ints = np.full((n_users, LENGTH), -1, dtype=np.int64)
        self.liked: Floats = np.zeros((n_users, LENGTH))
        self.n: Ints = np.zeros(n_users, dtype=np.int64)

    def add(self, users: Ints, items: Ints, ts: Ints, events: Ints, liked: Floats) -> None:
        """One play for each of `users`, which are distinct."""
        at = self.n[users] % LENGTH
        self.item[users, at], self.ts[users, at] = items, ts
        self.event[users, at], self.liked[users, at] = events, liked
        self.n[users] += 1

    def repeat(self, rng: np.random.Generator, users: Ints, now: Ints, decay: float) -> tuple[Ints, Ints]:
        """A song heard before and the event of that play; -1 without a history.

        A play of age t is drawn by `liked * t^-decay`, so a song by its ACT-R base level, the sum over its plays
        (Anderson and Schooler 1991). Ages are in hours; a song heard in the last `PAUSE` does not return.
        """
        hours = (now[:, None] - self.ts[users]) / 3600.0
        items = self.item[users]
        fresh = (hours < PAUSE) & (items >= 0)
        weight = self.liked[users] * (items >= 0) * np.maximum(hours, PAUSE) ** -decay
        drawn, event = self._at(users, choose(rng, weight))
        too_soon = (fresh & (items == drawn[:, None])).any(axis=1)
        return np.where(too_soon, -1, drawn), np.where(too_soon, -1, event)

    def evidence(self, rng: np.random.Generator, users: Ints, now: Ints, useful: Mask) -> tuple[Ints, Ints]:
        """A recent liked song that is `useful` `[n_songs]` for some link, and the event of its play; -1 without one.

        Only plays before `now` count: a friend's session may already be ahead.
        """
        items = np.where(self.ts[users] < now[:, None], self.item[users], -1)
        recency = 0.93 ** ((self.n[users][:, None] - 1 - np.arange(LENGTH)) % LENGTH)
        return self._at(users, choose(rng, recency * self.liked[users] * ((items >= 0) & useful[items])))

    def recent(self, users: Ints, n: int) -> tuple[Ints, Floats]:
        """Last `n` songs, newest first, `[len(users), n]`, -1 where there are fewer; and their liking with decay."""
        back = self.n[users][:, None] - 1 - np.arange(n)
        items = np.where(back >= 0, self.item[users[:, None], back % LENGTH], -1).astype(np.int64)
        liked = self.liked[users[:, None], back % LENGTH] * 0.93 ** np.arange(n)
        return items, np.where(items >= 0, liked, 0.0)

    def _at(self, users: Ints, column: Ints) -> tuple[Ints, Ints]:
        found = column >= 0
        items, events = self.item[users, column], self.event[users, column]
        return np.where(found, items, -1).astype(np.int64), np.where(found, events, -1)
