"""What the acts of one listening session say about every song: factors on its odds, by artist, album and style.

A list is read as odds: its song at place r is what the listener wants next with odds in proportion to 1 / r (Zipf). Acts of the session
multiply them. With L hearts and D skips that a facet's songs have met, each fading by half in `half_life_songs` songs, the factor is

    ((1 + raised_by * L) / (1 + lowered_by * D)) ** exponent

for the artist, the album and the style: the likelihood ratio of a Bernoulli rate with pseudo-counts 1 / raised_by and 1 / lowered_by.
L and D of a song are means over its own artists (albums, styles), so that a duet meets half of what its first singer does. They are
sums, so acts on songs that have been heard can come in any order, and a skip never raises a song, nor does a heart lower one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from graph.projection import Projection
from ranking.stream_settings import FACETS, StreamSettings

Floats = npt.NDArray[np.float64]
Songs = npt.NDArray[np.int32]
LIKED, REFUSED = 0, 1
"""Sides of what is known of a song."""


@dataclass(frozen=True)
class _Group:
    """Songs by one facet, both ways."""

    offsets: npt.NDArray[np.int64]
    """`[n_songs + 1]`"""
    values: npt.NDArray[np.int32]
    """`[n]` entity ids of each song in turn."""
    order: npt.NDArray[np.int64]
    """`[n]` rows of `values` by value."""
    by_value: npt.NDArray[np.int32]
    """`[n]` `values[order]`, ascending."""
    song_of: Songs
    """`[n]` songs of `by_value`."""

    @classmethod
    def of(cls, projection: Projection, relation: str) -> Self:
        offsets, values = projection.facet(relation)
        order = np.argsort(values, kind="stable")
        song = np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))
        return cls(offsets, values, order, values[order], song[order])

    def values_of(self, song: int) -> npt.NDArray[np.int32]:
        """Values of a song."""
        return self.values[self.offsets[song] : self.offsets[song + 1]]

    def songs_of(self, values: npt.NDArray[np.integer]) -> Songs:
        """Songs of each value, one value after another; a song of two comes twice."""
        first, end = (np.searchsorted(self.by_value, values, side=side) for side in ("left", "right"))
        n = end - first
        rows = np.arange(n.sum()) + np.repeat(first - (np.cumsum(n) - n), n)
        songs: Songs = self.song_of[rows]
        return songs


class Alike(NamedTuple):
    """Songs that share a facet with one song."""

    songs: Songs
    """`[m]` ascending, the song itself among them."""
    share: Floats
    """`[m, n_facets]` share of each song's own artists, albums and styles that it has in common with that song."""

    @property
    def close(self) -> Songs:
        """Those that share an artist or an album."""
        return self.songs[(self.share[:, :2] > 0).any(axis=1)]


class SongGroups:
    """Artists, albums and styles of all songs, and the songs of each: made once for a catalogue, read by all sessions."""

    def __init__(self, projection: Projection) -> None:
        self._groups: Final = tuple(_Group.of(projection, relation) for relation in FACETS.values())

    def alike(self, song: int) -> Alike:
        """Songs that share an artist, an album or a style with `song`."""
        met = [np.unique(group.songs_of(group.values_of(song)), return_counts=True) for group in self._groups]
        songs = np.unique(np.concatenate([found for found, _ in met]))
        share = np.zeros((len(songs), len(met)))
        for column, (group, (found, n)) in enumerate(zip(self._groups, met, strict=True)):
            share[np.searchsorted(songs, found), column] = n / (group.offsets[found + 1] - group.offsets[found])
        return Alike(songs, share)

    def songs_of_artists(self, artists: npt.NDArray[np.integer]) -> Songs:
        """All songs of some artists, by entity id."""
        return self._groups[0].songs_of(artists)

    def artists_of(self, song: int) -> npt.NDArray[np.int32]:
        """Entity ids of a song's artists."""
        return self._groups[0].values_of(song)

    def common(self, song: int, other: int) -> tuple[int, int]:
        """The first facet (by code of `FACETS`) and its entity that two songs share; -1 and -1 where there is none."""
        for column, group in enumerate(self._groups):
            both = np.intersect1d(group.values_of(song), group.values_of(other))
            if len(both):
                return column, int(both[0])
        return -1, -1


class StreamFeedback:
    """What a session's acts say about songs, as they stand after the last song heard."""

    def __init__(self, groups: SongGroups, settings: StreamSettings) -> None:
        self._groups, self._settings = groups, settings
        self._fade = 0.5 ** (1.0 / settings.half_life_songs)
        self.songs: Songs = np.zeros(0, dtype=np.int32)
        """`[m]` songs about which anything is known, ascending."""
        self._known: Floats = np.zeros((2, 0, len(FACETS)))

    def pass_song(self) -> None:
        """One more song has been heard: what was known before fades."""
        self._known = self._known * self._fade

    def add(self, song: int, liked: float, refused: float) -> None:
        """An act on `song`, in hearts and in skips."""
        alike = self._groups.alike(song)
        songs = np.union1d(self.songs, alike.songs)
        known = np.zeros((2, len(songs), len(FACETS)))
        known[:, np.searchsorted(songs, self.songs)] = self._known
        known[:, np.searchsorted(songs, alike.songs)] += np.array([liked, refused])[:, None, None] * alike.share
        self.songs, self._known = songs, known

    def raised(self) -> Floats:
        """`[m]` logarithm, 0 or more, of the factor by which liking multiplies the odds of `songs`."""
        return self._log_factor(LIKED, self._settings.raised_by)

    def lowered(self) -> Floats:
        """`[m]` logarithm, 0 or more, of the divisor that refusing makes of them."""
        return self._log_factor(REFUSED, self._settings.lowered_by)

    def _log_factor(self, side: int, strength: float) -> Floats:
        known = np.minimum(self._known[side], self._settings.most)
        factor: Floats = np.log1p(strength * known) @ np.array(self._settings.exponents)
        return factor
