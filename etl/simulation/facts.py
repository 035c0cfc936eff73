"""Facts beside songs, albums and artists: variety shows, playlists, tags, videos; and the facts that cause nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from etl.simulation.catalogue import World
from etl.simulation.draws import Floats, Ints, Mask, WeightedGroups
from etl.simulation.settings import SimulationSettings

TAGS: Final = {
    "scene": ("commute", "study", "workout", "night", "rain", "travel"),
    "emotion": ("calm", "joyful", "longing", "sad", "fired-up", "healing"),
    "theme": ("love", "youth", "home", "city", "sea", "stars"),
}
SCENES_ZH: Final = ("通勤路上", "自习时分", "燃脂时刻", "深夜独处", "雨天窗边", "旅途之中")


@dataclass(frozen=True)
class Facts:
    """Relations by row number. `*_true` masks mark rows that cause listening; the others are spurious."""

    appearance_show: Ints
    appearance_season: Ints
    """From 1 within a show."""
    appearance_artist: Ints
    appearance_song: Ints
    """Song performed, -1 where only the competitor is known."""
    appearance_true: Mask
    n_shows: int
    spurious_drama: Ints
    spurious_drama_song: Ints
    playlist_style: Ints
    playlist_scene: Ints
    entry_playlist: Ints
    entry_song: Ints
    tag_song: Ints
    tag_kind: Ints
    tag: Ints
    mv_song: Ints
    mlog_song: Ints
    influenced: Ints
    influence: Ints

    @property
    def n_playlists(self) -> int:
        """Number of playlists."""
        return len(self.playlist_style)


def build_facts(settings: SimulationSettings, world: World, rng: np.random.Generator) -> Facts:
    """Draw the facts around `world`."""
    show, season, artist, true = _competitors(settings, world, rng)
    playlist_style, entry_playlist, entry_song = _playlists(world, rng)
    n_spurious = max(1, round(settings.spurious_share * (world.song_drama >= 0).sum()))
    tag_song, tag_kind, tag = _tags(world, rng)
    heard = rng.permutation(world.n_artists)
    half = world.n_artists // 2
    return Facts(
        appearance_show=show,
        appearance_season=season,
        appearance_artist=artist,
        appearance_song=_performed(world, rng, artist),
        appearance_true=true,
        n_shows=int(show.max()) + 1,
        spurious_drama=rng.integers(0, world.n_dramas, n_spurious),
        spurious_drama_song=rng.permutation(np.flatnonzero(world.song_drama < 0))[:n_spurious],
        playlist_style=playlist_style,
        playlist_scene=rng.integers(0, len(SCENES_ZH), len(playlist_style)),
        entry_playlist=entry_playlist,
        entry_song=entry_song,
        tag_song=tag_song,
        tag_kind=tag_kind,
        tag=tag,
        mv_song=_popular(world, rng, 0.15),
        mlog_song=_popular(world, rng, 0.2),
        influenced=heard[:half],
        influence=heard[half : 2 * half],
    )


def _competitors(settings: SimulationSettings, world: World, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Mask]:
    """Two to four seasons a show, six competitors a season from any style; then the spurious ones."""
    n_shows = max(2, world.n_artists // 16)
    n_seasons = rng.integers(2, 5, n_shows)
    show_of_season = np.repeat(np.arange(n_shows), n_seasons)
    number = np.concatenate([np.arange(1, n + 1) for n in n_seasons])
    shuffled = rng.random((len(number), world.n_artists)).argsort(axis=1)[:, : min(6, world.n_artists)]
    rows = np.repeat(np.arange(len(number)), shuffled.shape[1])
    n_extra = max(1, round(settings.spurious_share * len(rows)))
    extra = rng.integers(0, len(number), n_extra)
    every = np.column_stack([np.concatenate([rows, extra]), np.concatenate([shuffled.ravel(), rng.integers(0, world.n_artists, n_extra)])])
    first = np.sort(np.unique(every, axis=0, return_index=True)[1])
    season, artist = every[first].T
    return show_of_season[season], number[season], artist, first < len(rows)


def _performed(world: World, rng: np.random.Generator, artist: Ints) -> Ints:
    """On two appearances in three a song: the competitor's own, or for a third of those someone else's."""
    own = songs_of_artist(world).draw(rng, artist)
    cover = rng.choice(world.n_songs, len(artist), p=world.song_weight)
    song = np.where((own < 0) | (rng.random(len(artist)) < 1 / 3), cover, own)
    return np.where(rng.random(len(artist)) < 2 / 3, song, -1)


def _playlists(world: World, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Playlists of about 24 songs, four in five of them in the playlist's style."""
    n, length = max(4, world.n_songs // 40), min(24, world.n_songs // 2)
    style = world.song_style[rng.integers(0, world.n_songs, n)]
    playlist = np.repeat(np.arange(n), length)
    flat = world.song_weight**0.4
    groups = WeightedGroups.build(world.song_style, np.arange(world.n_songs), flat, int(world.song_style.max()) + 1)
    anything = rng.integers(0, world.n_songs, len(playlist))
    song = np.where(rng.random(len(playlist)) < 0.8, groups.draw(rng, style[playlist]), anything)
    pairs = np.column_stack([playlist, song])
    first = np.sort(np.unique(pairs, axis=0, return_index=True)[1])
    return style, playlist[first], song[first]


def _tags(world: World, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Scene, emotion and theme tags: one of each kind on most songs, more often the one that fits the style."""
    songs = np.tile(np.arange(world.n_songs), len(TAGS))
    kinds = np.repeat(np.arange(len(TAGS)), world.n_songs)
    n_tags = len(TAGS["scene"])
    fitting = (world.song_style[songs] * 5 + kinds * 3) % n_tags
    tag = np.where(rng.random(len(songs)) < 0.6, fitting, rng.integers(0, n_tags, len(songs)))
    kept = rng.random(len(songs)) < 0.8
    return songs[kept], kinds[kept], tag[kept]


def _popular(world: World, rng: np.random.Generator, share: float) -> Ints:
    """Distinct songs, the popular first by chance."""
    weight: Floats = world.song_weight**0.7
    return np.asarray(np.sort(rng.choice(world.n_songs, max(2, round(share * world.n_songs)), replace=False, p=weight / weight.sum())))


def songs_of_artist(world: World, exponent: float = 0.3) -> WeightedGroups:
    """Songs by main and featured singer, drawn by popularity to the power `exponent`: a low one reaches the tail."""
    songs = np.tile(np.arange(world.n_songs), 2)
    artists = np.concatenate([world.song_artist, world.song_featured])
    return WeightedGroups.build(artists, songs, world.song_weight[songs] ** exponent, world.n_artists)
