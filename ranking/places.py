"""Where a song stood in the list that it was shown in: known of examples that are learned from, and of nothing that is scored.

What stands first is looked at first, whatever it is. A model that is told the place in training need not put that down to the song; when
it scores, no place is known yet, and the code for that is one that it has met: a share of the examples is learned without their place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events
from ranking.ranker import Examples
from recall.snapshot import Snapshot

SITTING_SECONDS: Final = 1_800
"""Exposures of one listener in one scene that follow each other no later than this are one list."""
DROPPED: Final = 0.2
"""Share of the examples that are learned from without their place."""
N_PLACES: Final = 8
"""Buckets of places: 0, 1–2, 3–6, 7–14, …, and all beyond."""

SomeExamples = TypeVar("SomeExamples", bound=Examples)


def exposure_places(events: Events, *, ordinal: bool = False) -> npt.NDArray[np.int32]:
    """`[n_events]` place of each exposure in its list, from 0; -1 for other events, and for all where times give order only."""
    place = np.full(len(events), -1, dtype=np.int32)
    shown = np.flatnonzero(events.behaviour == Behaviour.EXPOSURE)
    if ordinal or not len(shown):
        return place
    order = shown[np.lexsort((shown, events.scene[shown], events.user[shown]))]
    user, scene, ts = events.user[order], events.scene[order], events.ts[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (user[1:] != user[:-1]) | (scene[1:] != scene[:-1]) | (np.diff(ts) > SITTING_SECONDS)
    first = np.flatnonzero(begins)
    place[order] = np.arange(len(order)) - first[np.cumsum(begins) - 1]
    return place


def with_places(snapshot: Snapshot, examples: SomeExamples, seed: int = 0) -> SomeExamples:
    """The examples as they are learned from: exposures `[n]` at their own rows get their places, but for a drawn share of `DROPPED`."""
    events = snapshot.events
    if not len(events):
        return examples
    row = np.minimum(examples.position, len(events) - 1)
    own = (examples.position < len(events)) & (events.user[row] == examples.user) & (events.item[row] == examples.item)
    known = own & (np.random.default_rng(seed).random(len(examples)) >= DROPPED)
    return replace(examples, place=np.where(known, exposure_places(events, ordinal=snapshot.ordinal)[row], -1).astype(np.int32))


def place_codes(place: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """`[n]` codes of places: 0 unknown, else one more than the bucket."""
    bucket = np.log2(1.0 + np.maximum(place, 0)).astype(np.int32)
    return np.where(place < 0, 0, 1 + np.minimum(bucket, N_PLACES - 1)).astype(np.int32)
