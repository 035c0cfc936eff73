"""Constraints as compiled code takes them: arrays, numbers and bits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ranking.rerank import shares
from ranking.rerank.settings import GIVEN_UP, Constraints

EXPLORE, AT_LEAST, AT_MOST, TAIL, ALBUM, ARTIST = (1 << place for place in range(len(GIVEN_UP)))
"""Bits of what is broken."""
UNSURE, PLAYED, IN_TAIL = 0, 1, 2
"""Kinds of which a list holds so many at least: columns of `Pool.kinds`."""
NOTHING_KEPT = 1 << len(GIVEN_UP)
"""More than all bits together."""


class Rules(NamedTuple):
    """Constraints as arrays and numbers."""

    places: int
    least: npt.NDArray[np.int64]
    """`[3, places]` songs of each kind that the first places hold at least."""
    most_played: npt.NDArray[np.int64]
    """`[places]` played songs that they hold at most."""
    per_artist: int
    per_album: int
    window: int
    """Places that caps look at, the next one included."""
    diversity: float
    """δ / (1 - δ)"""
    similar: int
    """Places that diversity looks at, the next one included."""
    calibration: float
    """λ / (1 - λ)"""

    @classmethod
    def of(cls, given: Constraints) -> Rules:
        """The constraints as compiled code takes them."""
        places = given.places
        least = [shares.at_least(share, places) for share in (given.explore / places, given.repeats_at_least, given.tail_share)]
        return cls(
            places=places,
            least=np.stack(least),
            most_played=shares.at_most(given.repeats_at_most, places),
            per_artist=given.max_per_artist,
            per_album=given.max_per_album,
            window=given.window or places,
            diversity=given.diversity / (1 - given.diversity),
            similar=given.diversity_window or places,
            calibration=given.calibration / (1 - given.calibration),
        )
