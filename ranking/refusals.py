"""What listeners refused between their full plays: the negatives of DIEN's auxiliary loss."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import NEGATIVE, Behaviour
from etl.events import Events
from etl.sequences import BehaviourSequences
from ranking.as_of import AsOfCounts
from ranking.examples import ANSWERS

NONE: Final = -1


def refused_before(histories: BehaviourSequences, events: Events, n_songs: int) -> npt.NDArray[np.int32]:
    """`[len(histories)]` the song that the listener refused since the entry before, the latest one; `NONE` without.

    A skip (or another refusal of a song) says more than an exposure that was not answered by the time of the entry, so such an exposure
    counts only where nothing was skipped. `events` are those that `histories` come from.
    """
    result = np.full(len(histories), NONE, dtype=np.int32)
    is_song = events.item < n_songs
    for rows in (_unanswered(histories, events, n_songs, is_song), np.flatnonzero(is_song & np.isin(events.behaviour, NEGATIVE))):
        entry = _next_entry(histories, events, rows)
        found = entry < histories.offsets[events.user[rows] + 1]
        result[entry[found]] = events.item[rows[found]]  # rows ascend: the latest is written last
    same = result == histories.item
    result[same] = NONE
    return result


def _unanswered(histories: BehaviourSequences, events: Events, n_songs: int, is_song: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Exposures of songs that their listener had not clicked or played between them and her next entry."""
    exposed = np.flatnonzero(is_song & (events.behaviour == Behaviour.EXPOSURE))
    answers = np.flatnonzero(is_song & np.isin(events.behaviour, ANSWERS))
    pair = events.user.astype(np.int64) * max(n_songs, 1) + events.item
    counts = AsOfCounts.of(pair[answers], answers, np.ones(len(answers)))
    entry = _next_entry(histories, events, exposed)
    inside = entry < histories.offsets[events.user[exposed] + 1]
    exposed, entry = exposed[inside], entry[inside]
    by_then = counts.before(pair[exposed], histories.event[entry] + 1)
    return exposed[by_then.last < exposed]


def _next_entry(histories: BehaviourSequences, events: Events, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Row in the sequences of each event's listener's next entry; her end where none follows."""
    return histories.end(events.user[rows], rows)
