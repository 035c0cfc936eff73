"""What compiled code knows of the world: facets of songs as one table, and every group that a cause draws from as one list."""

from __future__ import annotations

from dataclasses import fields
from typing import Final, NamedTuple

import numpy as np

from etl.simulation.catalogue import START_DAY, STYLES, World
from etl.simulation.chance import Groups, constants
from etl.simulation.draws import Floats, Ints, WeightedGroups
from etl.simulation.facts import Facts, songs_of_artist
from etl.simulation.listeners import Listeners, Tastes
from etl.simulation.names import LANGUAGES
from etl.simulation.settings import CAUSE, IN_SCENE, Strengths

FLAT: Final = 0.4
"""Facts lead to a song by this power of its popularity: much flatter than the popularity itself, so that they reach the tail."""
FRESH_DAYS: Final = 14
"""For so long after its release a song of a known artist draws listeners as new."""
ARTIST, FEATURED, ALBUM, STYLE, LANGUAGE, DAY, DRAMA, SHOW, FELT_ARTIST, FELT_STYLE, FELT_LANGUAGE = constants(0, 11)
"""Columns of `Links.facets`. The felt ones are what tastes go by."""
BY_ARTIST, BY_FRESH, BY_ALBUM, BY_CELL, BY_DRAMA, BY_PLAYLIST, OF_STYLE, BY_ANY = constants(0, 8)
OF_FRIEND, OF_ARTIST, OF_SHOW, BY_FELT_ARTIST, BY_FELT_CELL = constants(8, 13)
"""Kinds of group: `Links.base[kind] + number` is a group of `Links.groups`."""
SOURCES: Final = {
    "interest": 0.42, "popularity": 0.26, "chance": 0.06, "artist": 0.09, "style": 0.05, "drama": 0.07, "show": 0.05,
}  # fmt: skip
"""Where the songs come from that the service shows; causes that are off show nothing."""


class Links(NamedTuple):
    """The world for compiled code. Facts' groups hold true facts only, so that spurious ones cause nothing."""

    facets: Ints
    """`[n_songs, 11]`; -1 for none."""
    quality: Floats
    groups: Groups
    base: Ints
    appearances: Ints
    """Artist and show of every appearance, `[n, 2]`."""
    own: Floats
    """Running sum of the weights of causes, by code, of a song that the listener chooses."""
    shown: Floats
    """The same for a song that the service shows."""
    by_fact: Floats
    """Strength of the drama's and the show's causes, and the shares of a playlist and an album's next track in their scenes."""
    videos: Ints
    """Songs of the MVs, then of the Mlogs."""
    n_mvs: int


def build_links(world: World, facts: Facts, tastes: Tastes, listeners: Listeners, strengths: Strengths) -> Links:
    """Lay out the world for compiled code."""
    groups, base = _stacked(_groups(world, facts, tastes, listeners))
    facets = _facets(world, facts, tastes)
    return Links(
        facets=facets,
        quality=world.song_quality,
        groups=groups,
        base=base,
        appearances=np.stack([facts.appearance_artist, facts.appearance_show], axis=1).astype(np.int64),
        own=np.cumsum(_own(strengths)),
        shown=np.cumsum(_shown(strengths)),
        by_fact=np.array([strengths.drama, strengths.show, strengths.playlist, strengths.next_track]),
        videos=np.concatenate([facts.mv_song, facts.mlog_song]),
        n_mvs=len(facts.mv_song),
    )


def _own(strengths: Strengths) -> Floats:
    """Weight of each cause, by code, where neither a repeat nor the scene decides."""
    weights = {item.name: getattr(strengths, item.name) for item in fields(strengths) if item.name not in IN_SCENE}
    return np.array([weights.get(name, 0.0) for name in CAUSE])


def _shown(strengths: Strengths) -> Floats:
    off = {item.name for item in fields(strengths) if getattr(strengths, item.name) == 0}
    return np.array([0.0 if name in off else SOURCES.get(name, 0.0) for name in CAUSE])


def _facets(world: World, facts: Facts, tastes: Tastes) -> Ints:
    true = np.flatnonzero(facts.appearance_true)[::-1]
    show = np.full(world.n_artists, -1, dtype=np.int64)
    show[facts.appearance_artist[true]] = facts.appearance_show[true]
    columns = [world.song_artist, world.song_featured, world.song_album, world.song_style, world.song_language, world.song_day]
    columns += [world.song_drama, show[world.song_artist], tastes.artist, tastes.style, tastes.language]
    return np.stack(columns, axis=1).astype(np.int64)


def _groups(world: World, facts: Facts, tastes: Tastes, listeners: Listeners) -> list[WeightedGroups]:
    """Groups in the order of their kinds."""
    build, songs, flat = WeightedGroups.build, np.arange(world.n_songs), world.song_weight**FLAT
    cell = world.song_style * len(LANGUAGES) + world.song_language
    new = np.flatnonzero(world.song_day > START_DAY - FRESH_DAYS)
    true = np.flatnonzero(facts.appearance_true)
    once = np.ones(max(len(facts.entry_song), listeners.n_users, len(listeners.friend_to), world.n_songs, len(true), facts.n_playlists))
    return [
        songs_of_artist(world, FLAT),
        build(world.song_artist[new], new, once[: len(new)], world.n_artists),
        build(world.song_album, songs, flat, world.n_albums),
        build(cell, songs, flat, len(STYLES) * len(LANGUAGES)),
        build(world.song_drama, songs, flat, world.n_dramas),
        build(facts.entry_playlist, facts.entry_song, once[: len(facts.entry_song)], facts.n_playlists),
        build(facts.playlist_style, np.arange(facts.n_playlists), once[: facts.n_playlists], len(STYLES)),
        build(np.zeros_like(songs), songs, world.song_weight, 1),
        build(listeners.friend_from, listeners.friend_to, once[: len(listeners.friend_to)], listeners.n_users),
        build(facts.appearance_artist[true], true, once[: len(true)], world.n_artists),
        build(facts.appearance_show[true], true, once[: len(true)], facts.n_shows),
        tastes.by_artist,
        tastes.by_cell,
    ]


def _stacked(parts: list[WeightedGroups]) -> tuple[Groups, Ints]:
    """All groups as one list, and where each part's begin in it."""
    n_values = np.cumsum([0, *(len(part.values) for part in parts)])
    offsets = [part.offsets[:-1] + shift for part, shift in zip(parts, n_values, strict=False)]
    base = np.cumsum([0, *(len(part) for part in offsets)])[:-1]
    weights = np.concatenate([np.diff(part.running) for part in parts])
    running = np.concatenate([[0.0], np.cumsum(weights)])
    return Groups(np.concatenate([*offsets, n_values[-1:]]), np.concatenate([part.values for part in parts]), running), base
