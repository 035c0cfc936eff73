"""Shares that every beginning of a list keeps: how many songs of a kind the first j places hold at least, and at most.

The whole part of the share in every beginning (as in FA*IR, Zehlike et al. 2017, without its test), so that a list cut shorter keeps it too
and nothing waits for the last places. A list is filled from the front: when the places left before some j are just as many as what is
still due there, the next one must go to something that is due.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled

NOTHING, TIGHT, SHORT = 0, 1, 2
"""How urgent the next place is: nothing due, something due, more due than places."""
EDGE: Final = 1e-9
"""Shares such as 0.3 of 10 are whole."""


def at_least(share: float, places: int) -> npt.NDArray[np.int64]:
    """`[places]` songs of the kind among the first 1, 2, … places at least; among all of them the share rounded up."""
    due: npt.NDArray[np.int64] = np.floor(share * np.arange(1, places + 1) + EDGE).astype(np.int64)
    due[-1] = np.ceil(share * places - EDGE)
    return due


def at_most(share: float, places: int) -> npt.NDArray[np.int64]:
    """`[places]` songs of the kind among the first 1, 2, … places at most; among all of them the share rounded down."""
    most = np.ceil(share * np.arange(1, places + 1) - EDGE).astype(np.int64)
    return np.asarray(np.minimum(most, int(np.floor(share * places + EDGE))), dtype=np.int64)


@compiled
def urgency(have: Any, least: Any, place: int, n_places: int) -> tuple[int, int]:
    """How urgent `place` (from 0) is, and which kinds are due: a number with bit t set where kind t is.

    Args:
        have: `[n_kinds]` songs of each kind that the list holds.
        least: `[n_kinds, n_places]` songs of each kind that its beginnings must hold.
        place: the next place.
        n_places: number of places.
    """
    level, due = NOTHING, 0
    for end in range(place, n_places):
        missing, which = 0, 0
        for kind in range(len(have)):
            if least[kind, end] > have[kind]:
                missing += least[kind, end] - have[kind]
                which |= 1 << kind
        if missing > end - place + 1:
            return SHORT, which
        if missing == end - place + 1 and level == NOTHING:
            level, due = TIGHT, which
    return level, due
