"""The days of a simulated service: who listens when, in which mood, and whether by own choice.

All listeners of a time of day go through their session together, one step at a time: a step is a few column operations.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from etl.simulation.catalogue import START_DAY, World
from etl.simulation.causes import Causes, Moment
from etl.simulation.draws import choose
from etl.simulation.facts import Facts
from etl.simulation.history import History
from etl.simulation.listeners import Listeners, Tastes
from etl.simulation.log import EventLog
from etl.simulation.own_sessions import OwnSessions
from etl.simulation.playback import Playback
from etl.simulation.refusals import Refusals
from etl.simulation.settings import DAY, START_TS, SimulationSettings
from etl.simulation.shown_sessions import ShownSessions

SLOT_START: Final = np.array([6.5, 11.5, 17.0, 20.8])
"""Hour at which sessions of the morning, noon, evening and night begin at the earliest; they begin within two hours."""
SLOT_SHARE: Final = np.array([0.2, 0.2, 0.27, 0.33])
WEEKEND = 1.35
"""Sessions of a Saturday or Sunday, against a weekday."""


def run_days(
    settings: SimulationSettings, world: World, facts: Facts, tastes: Tastes, listeners: Listeners, rng: np.random.Generator
) -> EventLog:
    """Every day and every time of day in turn; `listeners` drift on the way."""
    history, log = History(listeners.n_users), EventLog()
    causes = Causes(world, facts, tastes, listeners, history, settings.repeat_decay)
    playback = Playback(causes, listeners, settings.strengths, Refusals(listeners.n_users, world), log, rng)
    own, shown = OwnSessions(playback), ShownSessions(playback)
    for day in range(settings.n_days):
        listeners.drift(rng)
        causes.start_day(START_DAY + day, listeners.on(day))
        for slot in range(len(SLOT_START)):
            moment = _arrivals(listeners, causes, day, slot, rng)
            organic = rng.random(len(moment.users)) < listeners.organic_share[moment.users]
            own.run(moment.take(np.flatnonzero(organic)))
            shown.run(moment.take(np.flatnonzero(~organic)))
    return log


def _arrivals(listeners: Listeners, causes: Causes, day: int, slot: int, rng: np.random.Generator) -> Moment:
    """Who starts a session in this time of day (at most one each), when, and with which interest in mind."""
    weekday = (START_DAY + day + 3) % 7  # 1970-01-01 was a Thursday, 3 counted from Monday
    expected = listeners.activity * SLOT_SHARE[slot] * (WEEKEND if weekday >= 5 else 1.0) * (listeners.signup_day <= day)
    users = np.flatnonzero(rng.random(listeners.n_users) < -np.expm1(-expected))
    hour = SLOT_START[slot] + 2 * rng.random(len(users))
    start = START_TS + day * DAY + (hour * 3600).astype(np.int64)
    active = causes.interests.style[users] >= 0
    preference = np.where(active, np.exp(listeners.preference[users, slot]), 0.0)
    return Moment(users, choose(rng, preference), start)
