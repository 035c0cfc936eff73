"""How much a listener wants a song now: what the songs of clicks, full plays, hearts and skips of the simulation follow."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.simulation.chance import inner
from etl.simulation.draws import Ints
from etl.simulation.history import FADING, ITEM, LENGTH, LIKED, TENTHS, Ring
from etl.simulation.links import DRAMA, FELT_ARTIST, FELT_LANGUAGE, FELT_STYLE, SHOW, Links

RECENT: Final = 16
"""Recent plays that an item is matched against."""
MIND_STYLE, MIND_LANGUAGE, MIND_ARTISTS = 0, 1, 2
"""Columns of an interest in `Minds.interests`; the favourite artists follow from the last on."""
_FADED: Final = FADING ** np.arange(RECENT)


class Minds(NamedTuple):
    """What listeners like today."""

    interests: npt.NDArray[np.int32]
    """Style, language and favourite artists of every interest, `[n_users, n_interests, 2 + n_favourites]`; style -1: no interest."""
    preference: npt.NDArray[np.float32]
    """Log weight of each interest at each time of day, `[n_users, n_slots, n_interests]`."""
    disliked: Ints
    """A style that each listener cannot stand, `[n_users]`."""


@inner
def want(links: Links, minds: Minds, ring: Ring, n: Ints, user: int, interest: int, item: int) -> float:
    """Log odds of liking `item` (up to a constant) for `user` with `interest` in mind.

    Three sums: long tastes (interests of the profile, the one of the moment first), recent plays (same artist, style, drama,
    show, the song itself), and the song's own quality. Links by fact count only where their cause is on.
    """
    song = links.facets[item]
    liked = _long(minds, user, interest, song[FELT_STYLE], song[FELT_LANGUAGE], song[FELT_ARTIST])
    if song[FELT_STYLE] == minds.disliked[user]:
        liked -= 1.5
    artist, style, drama, show, again = 0.0, 0.0, 0.0, 0.0, 0.0
    for back in range(min(n[user], RECENT)):
        row = ring[user, (n[user] - 1 - back) % LENGTH]
        other = links.facets[row[ITEM]]
        weight = (row[LIKED] / TENTHS - 0.35) * _FADED[back]
        artist += weight * (other[FELT_ARTIST] == song[FELT_ARTIST])
        style += weight * (other[FELT_STYLE] == song[FELT_STYLE])
        drama += weight * (other[DRAMA] == song[DRAMA] and song[DRAMA] >= 0)
        show += weight * (other[SHOW] == song[SHOW] and song[SHOW] >= 0)
        again += weight * (row[ITEM] == item)
    liked += 1.0 * np.tanh(artist) + 1.1 * np.tanh(style / 3) + 0.9 * np.tanh(again)
    if links.by_fact[0] > 0:
        liked += 1.6 * np.tanh(drama)
    if links.by_fact[1] > 0:
        liked += 0.9 * np.tanh(show / 2)
    return float(liked + 0.35 * links.quality[item])


@inner
def _long(minds: Minds, user: int, interest: int, style: int, language: int, artist: int) -> float:
    """Match with the interest of the moment, and a part of that with any other."""
    liked, any_style, any_artist = 0.0, False, False
    for k in range(minds.interests.shape[1]):
        mind = minds.interests[user, k]
        same = mind[MIND_STYLE] >= 0 and mind[MIND_STYLE] == style
        favourite = False
        if mind[MIND_STYLE] >= 0:
            for column in range(MIND_ARTISTS, len(mind)):
                favourite = favourite or mind[column] == artist
        any_style, any_artist = any_style or same, any_artist or favourite
        if k == interest:
            liked += 1.0 * same + 0.9 * favourite + 0.6 * (mind[MIND_LANGUAGE] == language)
    return liked + 0.5 * any_style + 0.5 * any_artist
