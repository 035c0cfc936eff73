"""Who listens when, and what comes of every song heard: drawn before any song is, so that it is the same in every preset.

A service day runs from four in the morning to four: a session that starts in it ends in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from etl.simulation.catalogue import START_DAY
from etl.simulation.choosing import (
    AGAIN,
    ALBUM_SCENE,
    AT_ONCE,
    LIBRARY,
    LIST,
    PAGE_OF_MLOGS,
    PAGE_OF_MVS,
    PLAYLIST,
    SEARCH,
    STREAM,
    Sessions,
)
from etl.simulation.draws import Ints
from etl.simulation.listeners import Listeners
from etl.simulation.outcomes import Heard, draw_outcomes
from etl.simulation.refusals import ROOM
from etl.simulation.settings import DAY, SimulationSettings

FIRST_HOUR: Final = 4
"""Hour at which a service day begins."""
SLOT_START: Final = np.array([6.3, 11.0, 15.3, 19.6])
"""Hour at which sessions of the morning, noon, evening and night begin at the earliest."""
SLOT_HOURS: Final = 4.1
"""Hours within which they begin: the day is heard through, with the most plays in the evening."""
LATER: Final = np.array([0.7, 0.2, 0.0, 0.2])
"""Hours by which they begin later on a Saturday or Sunday."""
BREAK: Final = 900
"""Seconds between a session's end and the next one's start at least."""
OWN_KINDS: Final = {LIBRARY: 0.36, PLAYLIST: 0.18, ALBUM_SCENE: 0.11, SEARCH: 0.35}
SHOWN_KINDS: Final = {LIST: 0.52, STREAM: 0.40, PAGE_OF_MVS: 0.045, PAGE_OF_MLOGS: 0.035}
SHOWN: Final = {LIST: 10, PAGE_OF_MVS: 6, PAGE_OF_MLOGS: 6}
"""Songs of a list, videos of a page."""
CLICKS: Final = {LIST: 2.4, PAGE_OF_MVS: 1.3, PAGE_OF_MLOGS: 1.3}
"""Mean number of those that are clicked."""
MOST_CLICKS: Final = {LIST: 8, PAGE_OF_MVS: 4, PAGE_OF_MLOGS: 4}
MEDIAN_LENGTH, LENGTH_SPREAD, LONGEST_SESSION = 8.5, 0.85, 32
REPEAT_FACTOR: Final = {LIBRARY: 1.3, PLAYLIST: 0.8, ALBUM_SCENE: 0.7, SEARCH: 0.9}
"""A kind's factor on the listener's chance of a repeat."""
SHOWN_REPEAT: Final = 0.25
"""Chance that what the service shows is an own play again."""
AT_ONCE_CHANCE: Final = 0.24
"""Chance that a song heard to the end, of the listener's own choice, is played again at once."""


@dataclass(frozen=True)
class DayPlan:
    """The sessions of a service day and their steps: rows shown at once first, then plays, session after session."""

    sessions: Sessions
    start: Ints
    """Start of every session."""
    heard: Heard


class Schedule:
    """Draws the days one after another; keeps until when everyone is busy and how much each has refused."""

    def __init__(self, settings: SimulationSettings, listeners: Listeners, steady: Ints, rng: np.random.Generator) -> None:
        """`steady` listeners refuse nothing: their nights' background must not play what they refused."""
        n = settings.n_users
        self.listeners, self.rng, self.n_sessions = listeners, rng, 0
        self.busy = np.zeros(n, dtype=np.int64)
        self.n_refused = np.zeros((n, 2), dtype=np.int64)
        songs, artists = min(ROOM, settings.n_songs // 8), min(6, settings.n_songs // 150)
        self.most_refused = np.tile([songs, artists], (n, 1))
        self.most_refused[steady] = 0

    def day(self, day: int, away: Ints) -> DayPlan:
        """Sessions of `day` of all but the accounts `away`."""
        activity = self.listeners.activity * (self.listeners.signup_day <= day)
        activity[away] = 0.0
        slots = [self._slot(day, slot, activity) for slot in range(len(SLOT_START))]
        sessions = [part.sessions for part in slots]
        n_steps = np.concatenate([np.diff(part.first) for part in sessions])
        joined = [np.concatenate(columns) for columns in zip(*sessions, strict=True)]
        first = np.concatenate([[0], np.cumsum(n_steps)])
        whole = Sessions(joined[0], joined[1], joined[2], first, joined[4], joined[5])
        return DayPlan(whole, np.concatenate([part.start for part in slots]), Heard.joined([part.heard for part in slots]))

    def _slot(self, day: int, slot: int, activity: np.ndarray) -> DayPlan:
        """Sessions that start in one time of day, at most one a listener, in order of time."""
        rng, listeners = self.rng, self.listeners
        weekend = (START_DAY + day + 3) % 7 >= 5  # 1970-01-01 was a Thursday, 3 counted from Monday
        expected = activity * listeners.habit[:, slot] * (listeners.weekend if weekend else 1.0)
        users = np.flatnonzero(rng.random(len(activity)) < -np.expm1(-expected))
        hour = SLOT_START[slot] + weekend * LATER[slot] + SLOT_HOURS * rng.random(len(users))
        start = np.maximum(day * DAY + (hour * 3600).astype(np.int64), self.busy[users] + BREAK)
        order = np.argsort(start, kind="stable")
        users, start = users[order], start[order]
        kind, shown, plays = self._sizes(users)
        first = np.concatenate([[0], np.cumsum(shown + plays)])
        number = self.n_sessions + np.arange(len(users))
        self.n_sessions += len(users)
        sessions = Sessions(users, np.full(len(users), slot), kind, first, shown, number)
        heard, end = draw_outcomes(rng, listeners, sessions, start, self._returns(sessions), self.n_refused, self.most_refused)
        self.busy[users] = end
        return DayPlan(sessions, start, heard)

    def _sizes(self, users: Ints) -> tuple[Ints, Ints, Ints]:
        """Kind of each session, items that it shows at once, and songs or videos played."""
        rng, n = self.rng, len(users)
        organic = rng.random(n) < self.listeners.organic_share[users]
        kind = np.where(organic, _drawn(rng, OWN_KINDS, n), _drawn(rng, SHOWN_KINDS, n))
        patience = self.listeners.patience[users]
        length = np.rint(MEDIAN_LENGTH * patience * rng.lognormal(0, LENGTH_SPREAD, n)).astype(np.int64)
        plays = np.clip(length, 1, LONGEST_SESSION)
        shown = np.zeros(n, dtype=np.int64)
        for code, size in SHOWN.items():
            rows = np.flatnonzero(kind == code)
            shown[rows] = size
            plays[rows] = np.minimum(rng.poisson(CLICKS[code] * patience[rows]), MOST_CLICKS[code])
        return kind, shown, plays

    def _returns(self, sessions: Sessions) -> Ints:
        """What each step returns to, were every song heard to the end: `NEW`, `AGAIN` or `AT_ONCE`."""
        n_steps = np.diff(sessions.first)
        kind, user = np.repeat(sessions.kind, n_steps), np.repeat(sessions.user, n_steps)
        factor = np.zeros(LIST + 3)
        factor[list(REPEAT_FACTOR)] = list(REPEAT_FACTOR.values())
        chance = np.minimum(0.95, self.listeners.repeat_share[user] * factor[kind])
        chance[(kind == STREAM) | (kind == LIST)] = SHOWN_REPEAT
        again = np.where(self.rng.random(len(kind)) < chance, AGAIN, 0)
        return np.where((kind < STREAM) & (self.rng.random(len(kind)) < AT_ONCE_CHANCE), AT_ONCE + again, again)


def _drawn(rng: np.random.Generator, shares: dict[int, float], n: int) -> Ints:
    """One of the keys of `shares` for each row."""
    codes, weights = np.array(list(shares)), np.array(list(shares.values()))
    return codes[rng.choice(len(codes), n, p=weights / weights.sum())]
