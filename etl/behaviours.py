"""The behaviours of the source contract, their codes in the lake, and what each says about taste."""

from enum import IntEnum
from typing import Final


class Behaviour(IntEnum):
    """A listener's act on an item; the value is its code in the lake."""

    EXPOSURE = 0
    CLICK = 1
    PLAY = 2
    FULL_PLAY = 3
    SKIP = 4
    COLLECT = 5
    DOWNLOAD = 6
    SHARE = 7
    COMMENT = 8
    DISLIKE = 9
    BLOCK_SONG = 10
    BLOCK_ARTIST = 11


NAMES: Final = tuple(behaviour.name.lower() for behaviour in Behaviour)
"""Name of each behaviour as the source tables write it, by code."""

PLAYED: Final = (Behaviour.PLAY, Behaviour.FULL_PLAY, Behaviour.SKIP)
"""The item was heard, if only in part: what makes a song *played* and no longer new."""

POSITIVE: Final = (Behaviour.FULL_PLAY, Behaviour.COLLECT, Behaviour.DOWNLOAD, Behaviour.SHARE)
"""Evidence of taste for the item: seeds of recall, and what counts as relevant in evaluation."""

NEGATIVE: Final = (Behaviour.SKIP, Behaviour.DISLIKE, Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST)
"""Evidence of dislike."""

BLOCKING: Final = (Behaviour.DISLIKE, Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST)
"""Explicit refusals: the item (or every song of the artist) is never recommended again."""
