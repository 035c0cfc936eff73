"""Behaviour domains of a ranker: which acts speak for a song and which against it, and the log as it looks without the latter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import NEGATIVE, Behaviour
from etl.domains import DOMAINS
from etl.events import Events
from etl.sequences import BehaviourSequences, EventDetails
from etl.session_rules import SessionRules
from etl.sessions import Sessions
from ranking.own_clock import OwnClock
from recall.snapshot import Snapshot

SIGN: Final[Mapping[str, int]] = {
    "full_play": 1,
    "heart": 1,
    "comment_for": 1,
    "skip": -1,
    "negative": -1,
    "comment_against": -1,
}
"""Domains by what their acts say of a song. A comment is in one of two by the sign of its sentiment; an unjudged one in none."""
HIDDEN: Final = -1
"""Stands for the behaviour of an event that a reader of the log is not to see. Its row stays, so that positions keep their meaning."""


@dataclass(frozen=True)
class DomainEvents:
    """The log of a snapshot, by domain."""

    snapshot: Snapshot

    def sequences(self, domain: str, rules: SessionRules) -> BehaviourSequences:
        """The songs of one domain, with their sessions.

        What speaks against songs divides nothing of what speaks for them: sessions of a domain that is for are those of a log without
        refusals.
        """
        n_users, n_songs = self.snapshot.catalogue.n_users, self.snapshot.catalogue.n_songs
        details = EventDetails(session=self._sessions(rules, SIGN[domain]))
        return BehaviourSequences.of(self._of(domain), n_users, *_behaviours(domain), n_songs=n_songs, details=details)

    def acts(self, domain: str) -> npt.NDArray[np.int64]:
        """`[n]` rows of the events of one domain, blocked artists included."""
        events = self._of(domain)
        chosen = np.isin(events.behaviour, _behaviours(domain))
        chosen &= (events.item < self.snapshot.catalogue.n_songs) | (events.behaviour == Behaviour.BLOCK_ARTIST)
        return np.flatnonzero(chosen)

    @cached_property
    def refused(self) -> npt.NDArray[np.bool_]:
        """`[n_events]` true for what speaks against its item: refusals, the plays that they ended, and comments against it."""
        events = self.snapshot.events
        against = np.isin(events.behaviour, NEGATIVE)
        skipped = np.isin(events.source, events.source[events.behaviour == Behaviour.SKIP])
        refused: npt.NDArray[np.bool_] = against | (skipped & (events.behaviour == Behaviour.PLAY)) | (self._sentiment < 0)
        return refused

    @cached_property
    def clock(self) -> OwnClock:
        """Time as decay counts it: of the acts that refuse nothing, so that no refusal ages another one."""
        return OwnClock(self.snapshot, np.flatnonzero(~self.refused))

    def without_refusals(self) -> Snapshot:
        """The snapshot as it looks to who sees nothing of what was refused: counts, ages and positions of all else are the same."""
        events = self.snapshot.events
        behaviour = np.where(self.refused, HIDDEN, events.behaviour).astype(np.int8)
        return replace(self.snapshot, events=replace(events, behaviour=behaviour))

    def _of(self, domain: str) -> Events:
        """The events, comments of the other sign hidden."""
        events = self.snapshot.events
        if not domain.startswith("comment"):
            return events
        other = (events.behaviour == Behaviour.COMMENT) & ~(self._sentiment * SIGN[domain] > 0)
        return replace(events, behaviour=np.where(other, HIDDEN, events.behaviour).astype(np.int8))

    @cached_property
    def _sentiment(self) -> npt.NDArray[np.float32]:
        return self.snapshot.sentiment()

    def _sessions(self, rules: SessionRules, sign: int) -> npt.NDArray[np.int32]:
        """`[n_events]` session numbers; -1 for what is left out of them."""
        events, n_users = self.snapshot.events, self.snapshot.catalogue.n_users
        clock = not self.snapshot.ordinal
        if sign < 0:
            return Sessions.of(events, rules, n_users, clock=clock).of_event
        session = np.full(len(events), -1, dtype=np.int32)
        session[~self.refused] = Sessions.of(events.take(~self.refused), rules, n_users, clock=clock).of_event
        return session


def _behaviours(domain: str) -> tuple[Behaviour, ...]:
    return DOMAINS["comment" if domain.startswith("comment") else domain]
