"""User profiles kept one act at a time: an update touches the facets of its song and nothing else.

Each mass is stored with the moment that it was last brought to. An act of time s brings it there (`mass * 0.5 ** (gap / half-life)`)
and adds its own; a reading at t decays what it shows. That is the sum of `user_profile.py` with its terms regrouped, so both agree
after every act. A common exponent for all masses of a user would spare the moments, but overflows once a listener has been around
for 1,024 half-lives; here no factor exceeds 1. An act that comes in late is decayed before it is added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events
from etl.facets import ALWAYS, SongFacets
from etl.mass_table import Acts, Facts, Masses, read_user, take_act, take_acts
from etl.profile_rules import DEFAULT_RULES, ProfileRules
from etl.user_profile import Profile, UserProfiles, facet_item

ROOM = 1024
"""Slots and users to begin with."""


class LiveProfiles:
    """Profiles of a growing log. After any events they equal `UserProfiles.of` those events.

    Args:
        facets: facts with their dates; an event takes those of its own time.
        rules: weights and half-life.
        ordinal: the source's times give order only: decay counts the user's own later events.
    """

    def __init__(self, facets: SongFacets, rules: ProfileRules = DEFAULT_RULES, *, ordinal: bool = False) -> None:
        self.facets, self.ordinal = facets, ordinal
        self._rules, self._weights = rules, rules.weights.tolist()
        self._half_life = rules.half_life(ordinal=ordinal)
        known = facets.timeless() if ordinal else facets
        self._facts = Facts(known.offsets, known.value, known.weight, known.valid_from)
        self._most = max(1, int(np.diff(facets.offsets).max(initial=1)))
        self._masses = self._with_room(Masses.empty(ROOM))
        self._acts = Acts.none(ROOM, self._start)

    @property
    def n_users(self) -> int:
        """Number of users that there is room for; it grows with their ids."""
        return len(self._acts.clock)

    def update(
        self, user: int, item: int, behaviour: Behaviour, ts: int, *, count: float = 1.0, sentiment: float = 0.0, source: int = -1
    ) -> None:
        """Take in one event.

        Args:
            user: user id.
            item: entity id.
            behaviour: what the user did.
            ts: Unix seconds. An event older than others counts as if it had come in time.
            count: how many times the event stands for.
            sentiment: of a comment, in [-1, 1].
            source: `Events.source`: equal ones in a row are one act. Negative: an act of its own.
        """
        self._widen(user + 1)
        self._masses = self._with_room(self._masses)
        mass = self._weights[behaviour] * count * (sentiment if behaviour == Behaviour.COMMENT else 1.0)
        target = self._target(item, behaviour)
        take_act(self._masses, self._acts, self._facts, user, target, mass, ts, source, self._half_life, self.ordinal)

    def extend(self, events: Events, sentiment: npt.NDArray[np.floating] | None = None) -> None:
        """Take in a log `[n_events]`, with the sentiment `[n_events]` of its comments (NaN unknown)."""
        self._widen(int(events.user.max(initial=-1)) + 1)
        columns = (events.user, facet_item(events, self.facets), self._rules.signals(events, sentiment), events.ts, events.source)
        row = 0
        while row < len(events):
            self._masses = self._with_room(self._masses)
            row = take_acts(self._masses, self._acts, self._facts, *columns, row, self._most, self._half_life, self.ordinal)

    def user(self, user: int, at: int | None = None) -> Profile:
        """A user's profile at `at` (Unix seconds; None, where time is ordinal: after the user's last event).

        Raises:
            ValueError: `at` is before an event of the user's that has been taken in: the past is read from the log.
        """
        if user >= self.n_users:
            return Profile(np.empty(0, np.int32), np.empty(0), np.empty(0))
        now = self._now(slice(user, user + 1), at)[0]
        value, positive, negative = read_user(self._masses, self._acts.latest[user], now, self._half_life)
        order = np.argsort(value)
        return Profile(value[order], positive[order], negative[order])

    def profiles(self, n_users: int, at: int | None = None) -> UserProfiles:
        """The profiles at `at` of users `0 .. n_users - 1`; raises as `user` does."""
        self._widen(n_users)
        slots = self._masses.taken
        user, value = slots["user"], slots["value"]
        left = np.exp2(-(self._now(slice(None), at)[user] - slots["moment"]) / self._half_life)
        order = np.lexsort((value, user))
        offsets = np.searchsorted(user[order], np.arange(n_users + 1)).astype(np.int64)
        kept = order[: offsets[-1]]
        positive, negative = ((slots[sign] * left)[kept] for sign in ("positive", "negative"))
        return UserProfiles(self.facets, offsets, value[kept], positive, negative)

    @property
    def _start(self) -> int:
        return 0 if self.ordinal else ALWAYS

    def _with_room(self, masses: Masses) -> Masses:
        """`masses`, doubled until the facets of any song find room."""
        while masses.room < self._most:
            masses = masses.doubled()
        return masses

    def _widen(self, n_users: int) -> None:
        if n_users > self.n_users:
            self._acts = self._acts.widened(max(n_users, 2 * self.n_users), self._start)

    def _target(self, item: int, behaviour: Behaviour) -> int:
        """`facet_item` of one event."""
        if behaviour == Behaviour.BLOCK_ARTIST and self.facets.facet_of[item] >= 0:
            return self.facets.n_songs + item
        return item if item < self.facets.n_songs else -1

    def _now(self, users: slice, at: int | None) -> npt.NDArray[np.int64]:
        """The moment of each of `users` on their own clocks."""
        clock = self._acts.clock[users]
        if self.ordinal:
            return clock
        if at is None or np.any(clock > at):
            raise ValueError(f"the events taken in reach beyond {at}: a profile of the past is read from the log")
        return np.full(len(clock), at, dtype=np.int64)
