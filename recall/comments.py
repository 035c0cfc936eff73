"""Comments as a sign of taste: for their song, against it, or neither, by what they feel."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events
from etl.sentiment import signs
from etl.sentiment_rules import SentimentRules
from recall.snapshot import Snapshot

CommentUse = Literal["ignored", "all_positive", "by_sentiment"]
"""What a comment is taken for: nothing; evidence of taste, whatever it says; or evidence for its song or against it by its sentiment."""
RULES: Final = SentimentRules()
"""Within their neutral band a comment says nothing."""


class Feelings(NamedTuple):
    """What the comments of a snapshot say of events `[n_events]`."""

    liking: npt.NDArray[np.bool_]
    """The event is a comment that counts as evidence of taste."""
    refused: npt.NDArray[np.bool_]
    """The user's latest comment on the event's song that takes a side is against it: nothing that the user did with it is evidence."""

    @classmethod
    def of(cls, snapshot: Snapshot, use: CommentUse) -> Feelings:
        """The comments of the snapshot's events, read as `use` says."""
        events = snapshot.events
        comment, nothing = events.behaviour == Behaviour.COMMENT, np.zeros(len(events), bool)
        if use == "ignored":
            return cls(nothing, nothing)
        if use == "all_positive":
            return cls(comment, nothing)
        # 1 for a comment in favour of its song, -1 for one against it, 0 for every other event.
        sign = signs(np.nan_to_num(snapshot.sentiment()), RULES)
        refused = _last_word(events, sign) < 0
        return cls((sign > 0) & ~refused, refused)


def _last_word(events: Events, sign: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """`[n_events]` sign of the latest comment with one by the event's user on its item; 0 where there is none."""
    pair = events.user.astype(np.int64) << 32 | events.item
    said = np.flatnonzero(sign)[::-1]
    pairs, first = np.unique(pair[said], return_index=True)
    place = np.searchsorted(pairs, pair)
    known = np.append(pairs, -1)[place] == pair
    return np.where(known, np.append(sign[said[first]], 0)[place], 0).astype(np.int8)
