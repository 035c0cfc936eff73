"""Settings of the stream `fm`."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from etl.behaviours import Behaviour
from etl.errors import UserError

FACETS: Final = {"artist": "SUNG_BY", "album": "IN_ALBUM", "style": "HAS_STYLE"}
"""What an act on one song says something about, by the relation that leads there."""
_FROM_ONE: Final = ("unheard", "entry_place", "half_life_songs")


@dataclass(frozen=True)
class StreamSettings:
    """`[recommend.fm]`: what a stream makes of acts, and how much it likes what has not been heard for long.

    A song's odds start as 1 over its place in the listener's list; everything below multiplies them (see `ranking/stream_feedback.py`).
    """

    unheard_days: float = 30.0
    """A song that was never heard, or not for so many days, is unheard."""
    unheard_plays: float = 50.0
    """The same where the source's time is ordinal, in later plays of the listener: what 30 days are to the route `repeat`."""
    unheard: float = 2.0
    """Odds of unheard songs are multiplied by it; 1 favours nothing."""
    raised_by: float = 5.0
    """A red heart adds so much to the factor 1 of its artist's songs: what stood at place 30 comes to place 5."""
    lowered_by: float = 20.0
    """A skip adds so much to the divisor 1 of its artist's songs: the first of the list falls behind the twentieth."""
    full_play: float = 0.5
    """A song heard to the end, in red hearts: what `rank.utility.fm` says it is worth."""
    refusal: float = 2.0
    """A dislike or block, in skips, for the songs that it leaves; what it refuses is out."""
    most: float = 3.0
    """So many hearts or skips are the most that count at a time: bounds every factor."""
    artist: float = 1.0
    """Exponent of the factors of artists. Those of albums and styles are smaller: they say less of the next song."""
    album: float = 0.5
    style: float = 0.25
    half_life_songs: float = 10.0
    """Songs heard until an act counts half."""
    entry_place: int = 50
    """Where songs of a hearted artist or album enter that were no candidates: within reach of the heart, behind what routes found."""

    def __post_init__(self) -> None:
        for name, value in zip(self.__dataclass_fields__, astuple(self), strict=True):
            least = 1.0 if name in _FROM_ONE else 0.0
            if not np.isfinite(value) or value < least:
                raise UserError(f"[recommend.fm] {name} = {value}: give a finite number, {least:g} or more")

    @property
    def exponents(self) -> tuple[float, ...]:
        """Exponent of each of `FACETS`."""
        return (self.artist, self.album, self.style)

    def liking(self, behaviour: Behaviour) -> float:
        """What an act says for a song, in red hearts."""
        if behaviour in (Behaviour.COLLECT, Behaviour.DOWNLOAD, Behaviour.SHARE):
            return 1.0
        return self.full_play if behaviour == Behaviour.FULL_PLAY else 0.0

    def refusing(self, behaviour: Behaviour) -> float:
        """What an act says against a song, in skips."""
        if behaviour == Behaviour.SKIP:
            return 1.0
        return self.refusal if behaviour in (Behaviour.DISLIKE, Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST) else 0.0
