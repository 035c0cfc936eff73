"""Checks of the log: order, identity, and what belongs together."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import BLOCKING, Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from etl.sequences import BehaviourSequences
from kg_recall.evaluation.leaks.finding import check, first_true

DERIVED: Final = (Behaviour.FULL_PLAY, Behaviour.SKIP)
"""What may be derived from a play."""


@check
def events_in_time_order(events: Events) -> str | None:
    """Times never fall: "before" is a comparison of rows."""
    row = first_true(events.ts[1:] < events.ts[:-1])
    return None if row is None else f"event row {row + 1} has the time {events.ts[row + 1]}, the row before it {events.ts[row]}"


@check
def no_duplicate_event(events: Events) -> str | None:
    """No event of the source stands twice with one behaviour."""
    # Sorted but for planted disorder, and stable sorting of sorted numbers is one pass.
    code = np.sort(_identity(events), kind="stable")
    row = first_true(code[1:] == code[:-1])
    return None if row is None else f"the source's event {code[row] // len(Behaviour)} stands twice in the log"


@check
def ids_within_catalogue(events: Events, catalogue: Catalogue) -> str | None:
    """Every user and item is a row of the catalogue."""
    for name, ids, size in (("user", events.user, catalogue.n_users), ("item", events.item, catalogue.n_entities)):
        row = first_true((ids < 0) | (ids >= size))
        if row is not None:
            return f"event row {row} names {name} {ids[row]} of a catalogue of {size}"
    return None


@check
def no_derived_event_without_its_play(events: Events, log: Events) -> str | None:
    """What is derived from a play follows it, is of its user, song and time, and goes wherever it goes.

    Args:
        events: what a model sees.
        log: the whole log.
    """
    # The same behaviour twice is a duplicate, and another check's.
    follows = (log.source[1:] == log.source[:-1]) & (log.behaviour[1:] != log.behaviour[:-1])
    same = (log.user[1:] == log.user[:-1]) & (log.item[1:] == log.item[:-1]) & (log.ts[1:] == log.ts[:-1])
    row = first_true(follows & ~(same & np.isin(log.behaviour[1:], DERIVED)))
    if row is not None:
        return f"event row {row + 1} of the log shares the source of the row before it and is not derived from it"
    size = int(log.source.max(initial=-1)) + 1
    whole, here = (np.bincount(part.source, minlength=size)[:size] for part in (log, events))
    source = first_true((here > 0) & (here < whole))
    return None if source is None else f"of the source's event {source}, {here[source]} of {whole[source]} rows are there"


@check
def flagged_not_trained_on(events: Events, log: Events, flag: npt.NDArray[np.integer]) -> str | None:
    """Events that a rule keeps out of learning (robots, background playback, …) are out; refusals count always.

    Args:
        events: what a model learns from.
        log: the whole log.
        flag: `[n_log]` 0, or the code of the rule that keeps the event out.
    """
    flagged = log.take((flag != 0) & ~np.isin(log.behaviour, BLOCKING))
    row = first_true(np.isin(_identity(events), _identity(flagged)))
    return None if row is None else f"the source's event {events.source[row]} of user {events.user[row]} is flagged and learned from"


def _identity(events: Events) -> npt.NDArray[np.int64]:
    """One integer `[n]` for each event: its place in the source, and its behaviour."""
    identity: npt.NDArray[np.int64] = events.source * len(Behaviour) + events.behaviour
    return identity


@check
def sequence_order(sequences: BehaviourSequences, events: Events) -> str | None:
    """Within a user, a sequence stands in the order of the log, and each entry is the event that it points to."""
    owner = np.repeat(np.arange(sequences.n_users), np.diff(sequences.offsets))
    row = first_true((owner[1:] == owner[:-1]) & (sequences.event[1:] <= sequences.event[:-1]))
    if row is not None:
        return f"user {owner[row]}: event {sequences.event[row + 1]} stands after event {sequences.event[row]}"
    at = sequences.event
    row = first_true((events.user[at] != owner) | (events.item[at] != sequences.item) | (events.ts[at] != sequences.ts))
    return None if row is None else f"entry {row} of user {owner[row]} is not the event {at[row]} that it points to"
