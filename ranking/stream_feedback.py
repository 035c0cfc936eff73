"""What the acts of one listening session say about every song: factors on its odds, by artist, album and style.

A list is read as odds: its song at place r is what the listener wants next with odds in proportion to 1 / r (Zipf). Acts of the session
multiply them. With L hearts and D skips that a facet's songs have met, each fading by half in `half_life_songs` songs, the factor is

    ((1 + raised_by * L) / (1 + lowered_by * D)) ** exponent

for the artist, the album and the style: the likelihood ratio of a Bernoulli rate with pseudo-counts 1 / raised_by and 1 / lowered_by.
L and D of a song are means over its own artists (albums, styles), so that a duet meets half of what its first singer does. They are
sums, so acts on songs that have been heard can come in any order, and a skip never raises a song, nor does a heart lower one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numba
import numpy as np
import numpy.typing as npt

from graph.projection import Projection
from ranking.stream_settings import FACETS, StreamSettings

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]
LIKED, REFUSED = 0, 1
"""Sides of what is known of a value."""


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


@dataclass(frozen=True)
class _Group:
    """Songs by one facet, both ways. Its values are numbered from 0."""

    offsets: npt.NDArray[np.int64]
    """`[n_songs + 1]`"""
    values: Ids
    """`[n]` values of each song in turn."""
    entity: Ids
    """`[n_values]` entity id of each value, ascending."""
    first: npt.NDArray[np.int64]
    """`[n_values + 1]`"""
    songs: Ids
    """`[n]` songs of each value in turn."""

    @classmethod
    def of(cls, projection: Projection, relation: str) -> Self:
        offsets, entities = projection.facet(relation)
        entity, values = np.unique(entities, return_inverse=True)
        order = np.argsort(values, kind="stable")
        song = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
        first = np.searchsorted(values[order], np.arange(len(entity) + 1))
        return cls(offsets, values.astype(np.int32), entity, first, song[order])

    def values_of(self, song: int) -> Ids:
        """Values of a song."""
        return self.values[self.offsets[song] : self.offsets[song + 1]]

    def songs_of(self, values: npt.NDArray[np.integer]) -> Ids:
        """Songs of any of these values, ascending."""
        return np.unique(np.concatenate([np.zeros(0, np.int32), *(self.songs[self.first[v] : self.first[v + 1]] for v in values)]))


class SongGroups:
    """Artists, albums and styles of all songs, and the songs of each: made once for a catalogue, read by all sessions."""

    def __init__(self, projection: Projection) -> None:
        self.groups: Final = tuple(_Group.of(projection, relation) for relation in FACETS.values())
        self.n_songs: Final = projection.n_songs

    def songs_of_artists(self, artists: npt.NDArray[np.integer]) -> Ids:
        """All songs of some artists, by entity id; an entity that sings nothing has none."""
        group = self.groups[0]
        return group.songs_of(np.flatnonzero(np.isin(group.entity, artists)))

    def artists_of(self, song: int) -> Ids:
        """Entity ids of a song's artists."""
        return self.groups[0].entity[self.groups[0].values_of(song)]

    def close(self, song: int) -> Ids:
        """Songs that share an artist or an album with `song`, itself among them where it has any."""
        return np.union1d(*(group.songs_of(group.values_of(song)) for group in self.groups[:2]))

    def common(self, song: int, other: int) -> tuple[int, int]:
        """The first facet (by code of `FACETS`) and its entity that two songs share; -1 and -1 where there is none."""
        for column, group in enumerate(self.groups):
            both = np.intersect1d(group.values_of(song), group.values_of(other))
            if len(both):
                return column, int(group.entity[both[0]])
        return -1, -1


class StreamFeedback:
    """What a session's acts say about songs, as they stand after the last song heard. A shallow copy goes its own way."""

    def __init__(self, groups: SongGroups, settings: StreamSettings) -> None:
        self._groups, self._settings = groups, settings
        self._fade = 0.5 ** (1.0 / settings.half_life_songs)
        self._known = tuple(np.zeros((2, len(group.entity))) for group in groups.groups)
        """Of each facet hearts and skips of its values, `[2, n_values]`."""

    def pass_song(self) -> None:
        """One more song has been heard: what was known before fades."""
        self._known = tuple(known * self._fade for known in self._known)

    def add(self, song: int, liked: float, refused: float) -> None:
        """An act on `song`, in hearts and in skips."""
        self._known = tuple(known.copy() for known in self._known)
        for known, group in zip(self._known, self._groups.groups, strict=True):
            known[:, group.values_of(song)] += [[liked], [refused]]

    def raised(self) -> Floats:
        """`[n_songs]` logarithm, 0 or more, of the factor by which liking multiplies the odds of every song."""
        return self._log_factor(LIKED, self._settings.raised_by)

    def lowered(self) -> Floats:
        """`[n_songs]` logarithm, 0 or more, of the divisor that refusing makes."""
        return self._log_factor(REFUSED, self._settings.lowered_by)

    def _log_factor(self, side: int, strength: float) -> Floats:
        total = np.zeros(self._groups.n_songs)
        for known, group, exponent in zip(self._known, self._groups.groups, self._settings.exponents, strict=True):
            if strength * exponent and known[side].any():
                _add_log_factor(total, group.offsets, group.values, known[side], strength, self._settings.most, exponent)
        return total


@_jit
def _add_log_factor(total, offsets, values, known, strength, most, exponent):  # type: ignore[no-untyped-def]
    """Adds `exponent * ln(1 + strength * min(mean of a song's values, most))` to `total` of each song."""
    of_one = exponent * np.log1p(strength * np.minimum(known, most))
    for song in range(len(total)):
        start, end = offsets[song], offsets[song + 1]
        if end == start + 1:
            total[song] += of_one[values[start]]
        elif end > start:
            mean = 0.0
            for place in range(start, end):
                mean += known[values[place]]
            if mean > 0:
                total[song] += exponent * np.log1p(strength * min(mean / (end - start), most))
