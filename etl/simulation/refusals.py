"""Songs and artists that listeners refused."""

from __future__ import annotations

import numpy as np

from etl.simulation.catalogue import World
from etl.simulation.draws import Ints, Mask

KEPT = 16
"""Refusals of each kind that a listener's account keeps; older ones lapse."""


class Refusals:
    """Refused songs and artists of every listener: neither shown nor played again."""

    def __init__(self, n_users: int, world: World) -> None:
        self.world = world
        self.kept = {kind: np.full((n_users, KEPT), -1, dtype=np.int64) for kind in ("song", "artist")}
        self.n = {kind: np.zeros(n_users, dtype=np.int64) for kind in ("song", "artist")}

    def add(self, users: Ints, targets: Ints, kind: str) -> None:
        """One refusal for each of `users`, which are distinct."""
        self.kept[kind][users, self.n[kind][users] % KEPT] = targets
        self.n[kind][users] += 1

    def blocks(self, users: Ints, items: Ints) -> Mask:
        """Whether each song, or one of its artists, is refused by the listener."""
        songs, artists = self.kept["song"][users], self.kept["artist"][users]
        main, second = self.world.song_artist[items][:, None], self.world.song_featured[items][:, None]
        by = (artists == main) | ((artists == second) & (second >= 0))
        return np.asarray((songs == items[:, None]).any(axis=1) | by.any(axis=1))
