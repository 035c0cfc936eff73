"""Listeners of a simulated service who answer to songs that somebody else chooses: skipped, left, heard to the end, hearted.

In the simulation what happens in a step is drawn first, and then a song is found that fits: of two candidates a song that is wanted by d
more than the other is the one played to the end with odds exp(d / NOISE), and the one skipped with odds exp(-d / NOISE). Turned round by
Bayes' rule, that song shown beside a usual one is skipped with

    log odds = those of a step of a stream - d / NOISE

where d is how much more it is wanted now than what the service's own stream usually shows. So a stream that shows what is usual is
skipped as often as those of the log. A heart follows a full play of a new song, with its chance of the log times
sigmoid(2 d / NOISE) / sigmoid(d / NOISE): candidates of hearted steps are told apart with half the noise.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from etl.simulation.affinity import Minds, want
from etl.simulation.catalogue import START_DAY
from etl.simulation.causes import Live, by_cause, interest_of
from etl.simulation.chance import compiled, draw_column, reseed
from etl.simulation.choosing import FULL, LIKING, NOISE, PARTIAL, SKIP
from etl.simulation.draws import Floats, sigmoid
from etl.simulation.engine import Engine
from etl.simulation.history import TENTHS, heard, remember
from etl.simulation.outcomes import FATIGUE, GLAD, PARTIAL_SHARE, SKIP_LOGIT, TIRED
from etl.simulation.settings import DAY, SimulationSettings

N_USUAL: Final = 64
"""Songs of the service's own stream that say what is usual."""
SECONDS: Final = 200
"""A song takes so long."""


class Answer(NamedTuple):
    """What a listener did with a song."""

    outcome: int
    """`SKIP`, `PARTIAL` or `FULL`."""
    heart: bool
    chance_of_skip: float


class Audience:
    """The listeners after the last day of a simulated service, with the tastes and the memory that they have then."""

    def __init__(self, settings: SimulationSettings) -> None:
        engine = _Kept(settings)
        for _ in engine.days():
            pass
        minds = engine.live.minds
        interests = engine.listeners.interests.on(settings.n_days - 1)
        self.live: Live = engine.live._replace(minds=Minds(interests, minds.preference, minds.disliked))
        self.engine: Engine = engine

    def session(self, user: int, slot: int, seed: int) -> Listening:
        """A session of one listener at a time of day; the same seed has the same luck, whatever is shown."""
        return Listening(self, user, slot, seed)


class Listening:
    """One session, which nobody else sees: what is heard in it changes only its own listener's mood."""

    def __init__(self, audience: Audience, user: int, slot: int, seed: int) -> None:
        live = audience.live
        # The memory of all is copied, so that the friends whom a cause may ask are there.
        self._live = live._replace(ring=live.ring.copy(), n=live.n.copy(), state=np.zeros(1, dtype=np.uint64))
        self._user, self._step = user, 0
        n_days = audience.engine.settings.n_days
        self._now = n_days * DAY
        self._luck = np.random.default_rng([seed, user])
        self._listeners = audience.engine.listeners
        self._interest, wanted = _mood(self._live, user, slot, self._now, START_DAY + n_days - 1, seed * 1_000_003 + user)
        self._usual = float(wanted.mean())

    def answer(self, song: int) -> Answer:
        """What the listener does with `song`, which is remembered."""
        better = (_want(self._live, self._user, self._interest, song) - self._usual) / NOISE
        haste = float(self._listeners.haste[self._user])
        of_skip = float(sigmoid(np.array(SKIP_LOGIT["stream"] + haste + FATIGUE * min(self._step, TIRED) - better)))
        gladness = GLAD["collect"] * self._listeners.warmth[self._user] * sigmoid(np.array(2 * better)) / sigmoid(np.array(better))
        skipped, left, warm = self._luck.random(3)
        outcome = SKIP if skipped < of_skip else PARTIAL if left < PARTIAL_SHARE else FULL
        new = not heard(self._live.ring, self._live.n, self._user, song)
        heart = bool(outcome == FULL and new and warm < gladness)
        remember(self._live.ring, self._live.n, self._user, song, self._now, -1, int(LIKING[outcome]) + TENTHS * heart)
        self._step, self._now = self._step + 1, self._now + SECONDS
        return Answer(outcome, heart, of_skip)


class _Kept(Engine):
    """An engine that keeps what is alive in it."""

    live: Live

    def _live(self) -> Live:
        self.live = super()._live()
        return self.live


@compiled
def _mood(live: Live, user: int, slot: int, now: int, today: int, number: int) -> tuple[int, Floats]:
    """The interest of the moment, and how much what the service usually shows is wanted with it, `[N_USUAL]`."""
    reseed(live.state, np.uint64(7), number)
    interest = interest_of(live, user, slot)
    wanted = np.empty(N_USUAL)
    for k in range(N_USUAL):
        item = -1
        for _ in range(20):
            item = by_cause(live, draw_column(live.state, live.links.shown), user, interest, now, today)
            if item >= 0:
                break
        wanted[k] = want(live.links, live.minds, live.ring, live.n, user, interest, max(item, 0))
    return interest, wanted


@compiled
def _want(live: Live, user: int, interest: int, item: int) -> float:
    return want(live.links, live.minds, live.ring, live.n, user, interest, item)
