"""What a play says: `full_play` and `skip` derived from how long it lasted."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.event_rows import play_shares
from etl.events import Events
from etl.rules import CleaningRules


def derive_listens(events: Events, duration_ms: npt.NDArray[np.int64], rules: CleaningRules, given: Set[Behaviour] = frozenset()) -> Events:
    """`events` with a derived `full_play` or `skip` right after each play that earns one.

    Args:
        events: accepted events in time order.
        duration_ms: `[n_songs]` milliseconds, 0 or less where unknown; items that are no songs have no known duration.
        rules: what a full play and a skip are. A name that the source gives itself is not derived (`rules.derive`), nor is either
            for a play that has one given.
        given: names that the source gives itself, where `events` are not all of its events.
    """
    if rules.derive == "never" or not len(events):
        return events
    share = play_shares(events.item, events.play_ms, duration_ms, np.float64)
    full = _full(events, share, rules) & _open(events, Behaviour.FULL_PLAY, given)
    skipped = _skipped(events, share, rules) & _open(events, Behaviour.SKIP, given) & ~full
    rows = np.repeat(np.arange(len(events)), 1 + (full | skipped))
    derived = np.zeros(len(rows), dtype=bool)
    derived[1:] = rows[1:] == rows[:-1]
    whole = events.take(rows)
    said = np.where(full, Behaviour.FULL_PLAY, Behaviour.SKIP).astype(np.int8)[rows]
    return replace(whole, behaviour=np.where(derived, said, whole.behaviour))


def _full(events: Events, share: npt.NDArray[np.float64], rules: CleaningRules) -> npt.NDArray[np.bool_]:
    full = share >= rules.full_play_share
    if rules.unknown_length == "full_play":
        # Without a duration, a play of less than skip_ms is no evidence of having heard the song out.
        full |= np.isnan(share) & ((events.play_ms < 0) | (events.play_ms >= rules.skip_ms))
    return full


def _skipped(events: Events, share: npt.NDArray[np.float64], rules: CleaningRules) -> npt.NDArray[np.bool_]:
    skipped: npt.NDArray[np.bool_] = (events.play_ms >= 0) & (events.play_ms < rules.skip_ms) & (share < rules.skip_share)
    return skipped


def _open(events: Events, behaviour: Behaviour, given: Set[Behaviour]) -> npt.NDArray[np.bool_]:
    """Plays for which `behaviour` may be derived: the source never gives it, and says nothing of this play itself."""
    if behaviour in given or np.any(events.behaviour == behaviour):
        return np.zeros(len(events), dtype=bool)
    said = np.isin(events.behaviour, (Behaviour.FULL_PLAY, Behaviour.SKIP))
    unsaid: npt.NDArray[np.bool_] = (events.behaviour == Behaviour.PLAY) & ~np.isin(events.source, events.source[said])
    return unsaid
