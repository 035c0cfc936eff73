"""Decayed counts of a listener's acts on a song, its artists, its album and its styles, as of any moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled
from graph.projection import Projection
from ranking.facets import FACET_RELATIONS
from ranking.ranges import packed

MASS_FACETS: Final = ("song", "artist", "album", "style")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Pairs(NamedTuple):
    """Facets of some songs, one after the other, `[q]` each."""

    owner: Ints
    """Which of the songs."""
    node: Ints
    facet: Ints
    """Index into `MASS_FACETS`."""
    share: Floats
    """One over the number of the song's facets of that kind."""


@dataclass(frozen=True)
class MassFacets:
    """The facets of every song that masses are kept of, ragged; and of every other entity itself."""

    n_songs: int
    offsets: Ints
    """`[n_songs + 1]`"""
    node: Ints
    facet: Ints
    share: Floats

    @classmethod
    def of(cls, projection: Projection) -> Self:
        """Facets of the songs of a projection."""
        n = projection.n_songs
        song, node, facet, share = [np.arange(n)], [np.arange(n)], [np.zeros(n, np.int64)], [np.ones(n)]
        for code, name in enumerate(MASS_FACETS[1:], start=1):
            offsets, targets = projection.facet(FACET_RELATIONS[name])
            n_of_song = np.diff(offsets)
            song.append(np.repeat(np.arange(n), n_of_song))
            node.append(targets.astype(np.int64))
            facet.append(np.full(len(targets), code))
            share.append(1.0 / np.repeat(n_of_song, n_of_song))
        owner = np.concatenate(song)
        order = np.argsort(owner, kind="stable")
        bounds = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=n)))).astype(np.int64)
        return cls(n, bounds, np.concatenate(node)[order], np.concatenate(facet)[order], np.concatenate(share)[order])

    def pairs(self, item: npt.NDArray[np.integer]) -> Pairs:
        """Facets of items `[n]`; an item that is no song (a blocked artist) is its own artist."""
        is_song = item < self.n_songs
        song = np.where(is_song, item, 0)
        start = np.where(is_song, self.offsets[song], 0)
        owner, row = packed(start, np.where(is_song, self.offsets[song + 1], 1))
        of_song = is_song[owner]
        return Pairs(
            owner,
            np.where(of_song, self.node[row], item[owner]),
            np.where(of_song, self.facet[row], MASS_FACETS.index("artist")),
            np.where(of_song, self.share[row], 1.0),
        )


@dataclass(frozen=True)
class DecayedMass:
    """Acts of (user, node) pairs, each counting `0.5 ** (age / half-life)`, with the running sum at each act: any moment is one search."""

    keys: Ints
    """`[n_keys]` distinct pairs, ascending."""
    first: Ints
    """`[n_keys + 1]` start of each pair's rows in the columns below."""
    at: Ints
    """`[n]` rank of the pair × span + position: ascending."""
    clock: Ints
    """`[n]`"""
    mass: Floats
    """`[n, n_half_lives]` running sum, the act included."""
    half_lives: Floats
    """`[n_half_lives]` in units of the clock."""
    span: int
    """One more than the highest position."""

    @classmethod
    def of(cls, keys: Ints, position: Ints, clock: Ints, weight: npt.NDArray[np.floating], half_lives: Floats) -> Self:
        """Masses of acts `[n]` with these keys (not negative), positions (ascending), clocks (ascending within a key) and weights."""
        order = np.argsort(keys, kind="stable")
        distinct, rank, n_of_key = np.unique(keys[order], return_inverse=True, return_counts=True)
        span = int(position[-1]) + 1 if len(position) else 1
        first = np.concatenate(([0], np.cumsum(n_of_key))).astype(np.int64)
        mass = _running(first, clock[order], weight[order].astype(np.float64), half_lives)
        return cls(distinct, first, rank * np.int64(span) + position[order], clock[order], mass, half_lives, span)

    def before(self, keys: Ints, position: Ints, clock: Ints) -> Floats:
        """`[n, n_half_lives]` mass of each key strictly before each position, where the clock shows `clock`."""
        if not len(self.keys):
            return np.zeros((len(keys), len(self.half_lives)))
        rank = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        row = np.searchsorted(self.at, rank * np.int64(self.span) + np.minimum(position, self.span)) - 1
        there = (self.keys[rank] == keys) & (row >= self.first[rank])
        age = np.maximum(clock - self.clock[row], 0)
        mass: Floats = np.where(there[:, None], self.mass[row] * np.exp2(-age[:, None] / self.half_lives), 0.0)
        return mass


@compiled
def _running(first: Any, clock: Any, weight: Any, half_lives: Any) -> Any:
    """`[n, n_half_lives]` decayed sum at each row over the rows of its key up to it."""
    mass = np.empty((len(clock), len(half_lives)))
    for key in range(len(first) - 1):
        for row in range(first[key], first[key + 1]):
            for h in range(len(half_lives)):
                before = 0.0
                if row > first[key]:
                    before = mass[row - 1, h] * 2.0 ** (-(clock[row] - clock[row - 1]) / half_lives[h])
                mass[row, h] = before + weight[row]
    return mass
