"""What an event says of the listener's taste, and how long it counts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import SECONDS_PER_DAY, Events

LIKING: Final = ("full_play", "collect", "download", "share", "comment")
REFUSING: Final = ("skip", "dislike", "block_song", "block_artist")


@dataclass(frozen=True)
class ProfileRules:
    """Mass that one event puts on each facet value of its song, and its half-life."""

    half_life_days: float = 30.0
    """Days after which an event counts half."""
    half_life_events: float = 200.0
    """The same in the user's own later events, where the source's times give order only."""
    full_play: float = 1.0
    collect: float = 3.0
    download: float = 3.0
    share: float = 3.0
    comment: float = 2.0
    """Times the comment's sentiment in [-1, 1], whose sign says on which side it counts; a comment without one counts nothing."""
    skip: float = 0.5
    dislike: float = 3.0
    block_song: float = 3.0
    block_artist: float = 10.0
    """Falls on the artist; the others fall on every facet of the song."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, half_life = getattr(self, field.name), field.name.startswith("half_life")
            if not (np.isfinite(value) and (value > 0 if half_life else value >= 0)):
                raise UserError(f"[etl.profile] {field.name} = {value}: give a finite number {'above 0' if half_life else 'from 0 up'}")

    def half_life(self, *, ordinal: bool) -> float:
        """Half-life in seconds, or in events of the user where time is ordinal."""
        return self.half_life_events if ordinal else self.half_life_days * SECONDS_PER_DAY

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """`[n_behaviours]` signed mass of one event of each behaviour; a comment's is still to be multiplied by its sentiment."""
        weights = np.zeros(len(Behaviour))
        for sign, names in ((1.0, LIKING), (-1.0, REFUSING)):
            for name in names:
                weights[Behaviour[name.upper()]] = sign * getattr(self, name)
        return weights

    def signals(self, events: Events, sentiment: npt.NDArray[np.floating] | None = None) -> npt.NDArray[np.float64]:
        """`[n_events]` signed mass of each event, its `count` included.

        Args:
            events: events `[n_events]` of any behaviours.
            sentiment: `[n_events]` in [-1, 1]; NaN where there is none or it is unknown. None: all unknown.
        """
        signals: npt.NDArray[np.float64] = self.weights[events.behaviour] * events.count
        comments = events.behaviour == Behaviour.COMMENT
        signals[comments] *= 0.0 if sentiment is None else np.nan_to_num(sentiment[comments].astype(np.float64), nan=0.0)
        return signals


DEFAULT_RULES: Final = ProfileRules()
