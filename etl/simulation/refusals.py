"""Songs and artists that listeners refused: neither shown nor played again."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.simulation.chance import compiled, constants

Refused = npt.NDArray[np.int32]
"""Refusals of every listener, `[n_users, 2, 1 + ROOM]`: of songs and of artists, first how many."""
ROOM: Final = 24
SONGS, ARTISTS = constants(0, 2)


def new_refusals(n_users: int) -> Refused:
    """Nothing refused yet."""
    return np.zeros((n_users, 2, 1 + ROOM), dtype=np.int32)


@compiled
def refuse(refused: Refused, user: int, kind: int, target: int) -> None:
    """Add a refusal; the schedule sees to it that there is room."""
    row = refused[user, kind]
    row[0] += 1
    row[row[0]] = target


@compiled
def is_refused(refused: Refused, user: int, song: int, artist: int, featured: int) -> bool:
    """Whether the song, or one of its artists, is refused by the listener."""
    songs, artists = refused[user, SONGS], refused[user, ARTISTS]
    for at in range(1, songs[0] + 1):
        if songs[at] == song:
            return True
    at = 1
    while at <= artists[0] and artists[at] != artist and artists[at] != featured:
        at += 1
    return bool(at <= artists[0])
