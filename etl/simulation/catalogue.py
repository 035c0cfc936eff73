"""The simulated catalogue as integer columns: songs, albums, artists, and the albums that are soundtracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from etl.simulation.draws import Floats, Ints, Mask, zipf
from etl.simulation.names import LANGUAGES
from etl.simulation.settings import START_TS, SimulationSettings

STYLES: Final = (
    "pop",
    "folk",
    "rock",
    "electronic",
    "hip-hop",
    "guofeng",
    "r&b",
    "jazz",
    "classical",
    "indie",
    "metal",
    "dance",
    "post-rock",
    "anime",
)
STYLES_ZH: Final = ("流行", "民谣", "摇滚", "电子", "说唱", "古风", "节奏布鲁斯", "爵士", "古典", "独立", "金属", "舞曲", "后摇", "动漫")
STYLE_SHARE: Final = np.array([22, 11, 10, 10, 9, 7, 6, 4, 4, 6, 3, 4, 2, 4]) / 102
LANGUAGE_SHARE: Final = np.array([0.48, 0.13, 0.22, 0.10, 0.07])
START_DAY: Final = START_TS // 86_400
FIRST_YEAR, LAST_YEAR = 1985, 2024
LONGEST: Final = 300_000
"""Milliseconds of the longest song: what follows a song in time follows this, so that times do not depend on the song."""
CUTOFF: Final = 5.0
"""The least popular song has e^-CUTOFF of the weight that Zipf alone would give it."""


@dataclass(frozen=True)
class World:
    """Songs, albums and artists by row number; days count from 1970. Songs of an album are consecutive rows."""

    song_album: Ints
    song_artist: Ints
    song_featured: Ints
    """Second singer, -1 without."""
    song_style: Ints
    song_language: Ints
    song_day: Ints
    """Release; songs of later days cannot be heard yet."""
    song_ms: Ints
    song_weight: Floats
    """Zipf popularity; sums to 1."""
    song_quality: Floats
    song_drama: Ints
    """Drama of the song's own SOUNDTRACK_OF, or else of its album's; -1 without."""
    song_drama_own: Mask
    """The link is the song's and not its album's."""
    album_artist: Ints
    """-1: a soundtrack, sung by several."""
    album_day: Ints
    album_drama: Ints
    artist_style: Ints
    artist_language: Ints
    artist_year: Ints
    """First year of the career."""
    artist_weight: Floats
    n_dramas: int

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return len(self.song_album)

    @property
    def n_albums(self) -> int:
        """Number of albums."""
        return len(self.album_artist)

    @property
    def n_artists(self) -> int:
        """Number of artists."""
        return len(self.artist_style)


def build_world(settings: SimulationSettings, rng: np.random.Generator) -> World:
    """Draw the catalogue of `settings.n_songs` songs."""
    sizes = album_sizes(rng, settings.n_songs)
    n_albums, n_artists = len(sizes), max(6, settings.n_songs // 25)
    artist_style = rng.choice(len(STYLES), n_artists, p=STYLE_SHARE)
    artist_language = rng.choice(len(LANGUAGES), n_artists, p=LANGUAGE_SHARE)
    artist_year = (LAST_YEAR - 3 - (LAST_YEAR - 3 - FIRST_YEAR) * rng.beta(1.2, 2.0, n_artists)).astype(np.int64)
    artist_weight = rng.permutation(zipf(n_artists, 0.8))
    album_artist = _album_artists(rng, n_albums, artist_weight)
    soundtracks = rng.choice(n_albums, max(2, round(0.12 * n_albums)), replace=False)
    album_drama = np.full(n_albums, -1, dtype=np.int64)
    album_drama[soundtracks] = np.arange(len(soundtracks))
    album_day = _album_days(rng, artist_year[album_artist], settings.n_days)
    song_album = np.repeat(np.arange(n_albums), sizes)
    on_soundtrack = album_drama[song_album] >= 0
    anyone = rng.choice(n_artists, settings.n_songs, p=artist_weight**0.3 / (artist_weight**0.3).sum())
    song_artist = np.where(on_soundtrack, anyone, album_artist[song_album])
    song_drama, own, n_dramas = _song_dramas(rng, album_drama[song_album], len(soundtracks))
    other_style = rng.choice(len(STYLES), settings.n_songs, p=STYLE_SHARE)
    return World(
        song_album=song_album,
        song_artist=song_artist,
        song_featured=_featured(rng, song_artist, n_artists),
        song_style=np.where(rng.random(settings.n_songs) < 0.8, artist_style[song_artist], other_style),
        song_language=artist_language[song_artist],
        song_day=album_day[song_album],
        song_ms=(np.clip(1000 * rng.normal(228, 38, settings.n_songs), 110_000, LONGEST)).astype(np.int64),
        song_weight=_popularity(rng, artist_weight[song_artist]),
        song_quality=rng.normal(0, 1, settings.n_songs),
        song_drama=song_drama,
        song_drama_own=own,
        album_artist=np.where(album_drama >= 0, -1, album_artist),
        album_day=album_day,
        album_drama=album_drama,
        artist_style=artist_style,
        artist_language=artist_language,
        artist_year=artist_year,
        artist_weight=artist_weight,
        n_dramas=n_dramas,
    )


def album_sizes(rng: np.random.Generator, n_songs: int) -> Ints:
    """Numbers of songs of albums, 6 to 14 each, that sum to `n_songs`."""
    sizes = rng.integers(6, 15, max(1, round(n_songs / 10)))
    while (missing := n_songs - int(sizes.sum())) != 0:
        step = int(np.sign(missing))
        room = np.flatnonzero((sizes + step >= 6) & (sizes + step <= 14))
        sizes[rng.permutation(room)[: abs(missing)]] += step
    return sizes


def _album_artists(rng: np.random.Generator, n_albums: int, artist_weight: Floats) -> Ints:
    """Everyone has an album where there are enough; the rest go to the popular."""
    n_artists = len(artist_weight)
    drawn = rng.choice(n_artists, n_albums, p=artist_weight**0.5 / (artist_weight**0.5).sum())
    first = rng.permutation(n_artists)[:n_albums]
    drawn[: len(first)] = first
    return drawn


def _album_days(rng: np.random.Generator, first_year: Ints, n_days: int) -> Ints:
    """Release days: within the career before the simulated period, and for one album in eight during it."""
    year = first_year + (rng.random(len(first_year)) ** 0.4 * (LAST_YEAR + 1 - first_year)).astype(np.int64)
    past = ((year - 1970) * 365.25 + rng.integers(0, 365, len(year))).astype(np.int64)
    new = START_DAY + rng.integers(1, max(2, n_days), len(year))
    is_new = np.isin(np.arange(len(year)), rng.choice(len(year), max(1, len(year) // 8), replace=False))
    return np.where(is_new, new, np.minimum(past, START_DAY - 1))


def _song_dramas(rng: np.random.Generator, of_album: Ints, n_soundtracks: int) -> tuple[Ints, Mask, int]:
    """Add theme songs: two for each drama that has an album, four for each of some dramas without."""
    n_only = max(1, n_soundtracks // 3)
    themes = np.concatenate([np.repeat(np.arange(n_soundtracks), 2), np.repeat(n_soundtracks + np.arange(n_only), 4)])
    free = rng.permutation(np.flatnonzero(of_album < 0))[: len(themes)]
    drama, own = of_album.copy(), np.zeros(len(of_album), dtype=np.bool_)
    drama[free] = themes[: len(free)]
    own[free] = True
    return drama, own, n_soundtracks + n_only


def _featured(rng: np.random.Generator, song_artist: Ints, n_artists: int) -> Ints:
    """A second singer on one song in ten."""
    other = rng.integers(0, n_artists, len(song_artist))
    return np.where((rng.random(len(song_artist)) < 0.1) & (other != song_artist), other, -1)


def _popularity(rng: np.random.Generator, artist_weight: Floats) -> Floats:
    """Zipf with an exponential cutoff over songs, in an order that follows the artist's fame with noise: a long, thin tail."""
    score = 0.6 * np.log(artist_weight) + rng.gumbel(0, 1, len(artist_weight))
    weight = np.empty(len(score))
    weight[np.argsort(-score, kind="stable")] = zipf(len(score), 0.8) * np.exp(-CUTOFF * np.arange(len(score)) / len(score))
    return np.asarray(weight / weight.sum())
