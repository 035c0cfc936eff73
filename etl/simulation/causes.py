"""Why a song is heard: one function per cause, each from the listener's recent plays over the true facts to a song."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.simulation.affinity import MIND_ARTISTS, MIND_LANGUAGE, MIND_STYLE, Minds
from etl.simulation.chance import State, below, constant, draw_from, gumbel, inner, uniform
from etl.simulation.draws import Floats, Ints
from etl.simulation.history import EVENT, ITEM, Ring, evidence, repeat
from etl.simulation.links import (
    ALBUM,
    ARTIST,
    BY_ALBUM,
    BY_ANY,
    BY_ARTIST,
    BY_CELL,
    BY_DRAMA,
    BY_FELT_ARTIST,
    BY_FELT_CELL,
    BY_FRESH,
    BY_PLAYLIST,
    DAY,
    DRAMA,
    FRESH_DAYS,
    LANGUAGE,
    OF_ARTIST,
    OF_FRIEND,
    OF_SHOW,
    SHOW,
    STYLE,
    Links,
)
from etl.simulation.names import LANGUAGES
from etl.simulation.refusals import Refused
from etl.simulation.settings import CAUSE

Pick = npt.NDArray[np.int64]
"""Song, evidence (a song or a friend), event of the evidence, what the path runs through first and second; -1 for none."""
N_LANGUAGES: Final = len(LANGUAGES)
NONE: Final = constant(-1)
REPEAT, INTEREST, ARTISTS, ALBUMS, STYLES = (constant(CAUSE[name]) for name in ("repeat", "interest", "artist", "album", "style"))
DRAMAS, SHOWS, FRIEND, POPULARITY, CHANCE = (constant(CAUSE[name]) for name in ("drama", "show", "friend", "popularity", "chance"))


class Live(NamedTuple):
    """All that choosing reads and writes."""

    links: Links
    minds: Minds
    ring: Ring
    n: Ints
    """Plays of each listener so far, `[n_users]`."""
    refused: Refused
    decay: Floats
    running: Floats
    """Room for the sums of one repeat."""
    state: State
    pick: Pick
    """Room for the song drawn last."""


@inner
def _set(live: Live, item: int, evidence: int, event: int, via: int, two: int) -> int:
    live.pick[0], live.pick[1], live.pick[2], live.pick[3], live.pick[4] = item, evidence, event, via, two
    return item


@inner
def interest_of(live: Live, user: int, slot: int) -> int:
    """The interest that a session is about, by the listener's preference at this time of day."""
    best, found = -np.inf, 0
    for k in range(live.minds.interests.shape[1]):
        if live.minds.interests[user, k, MIND_STYLE] >= 0:
            score = live.minds.preference[user, slot, k] + gumbel(live.state)
            if score > best:
                best, found = score, k
    return found


@inner
def by_cause(live: Live, cause: int, user: int, interest: int, now: int, today: int) -> int:
    """A song drawn by `cause`; item -1 where it finds nothing."""
    if cause == REPEAT:
        return again(live, user, now)
    if cause == INTEREST:
        return by_interest(live, user, interest)
    if cause == POPULARITY:
        return _set(live, _drawn(live, BY_ANY, NONE + 1), NONE, NONE, NONE, NONE)
    if cause == CHANCE:
        return _set(live, below(live.state, len(live.links.facets)), NONE, NONE, NONE, NONE)
    if cause == FRIEND:
        return by_friend(live, user, now)
    if cause == DRAMAS:
        return by_drama(live, user, now)
    if cause == SHOWS:
        return by_show(live, user, now)
    return by_facet(live, cause, user, now, today)


@inner
def _drawn(live: Live, kind: int, group: int) -> int:
    """A value of a group of this kind; -1 where the group is negative or empty."""
    if group < 0:
        return NONE
    groups = live.links.groups
    return draw_from(live.state, groups.offsets, groups.values, groups.running, live.links.base[kind] + group)


@inner
def _play(live: Live, user: int, at: int) -> tuple[int, int]:
    """Song and event at a place of the listener's ring, widened to the numbers that all causes take."""
    return int(np.int64(live.ring[user, at, ITEM])), int(np.int64(live.ring[user, at, EVENT]))


@inner
def again(live: Live, user: int, now: int) -> int:
    """An own play again, by ACT-R's decay."""
    at = repeat(live.state, live.ring, live.n, user, now, live.decay, live.running)
    if at < 0:
        return NONE
    song, event = _play(live, user, at)
    return _set(live, song, song, event, NONE, NONE)


@inner
def by_interest(live: Live, user: int, interest: int) -> int:
    """By a favourite artist of the interest of the moment, or of its style and language."""
    mind = live.minds.interests[user, interest]
    song = NONE
    if uniform(live.state) < 0.6:
        song = _drawn(live, BY_FELT_ARTIST, int(np.int64(mind[MIND_ARTISTS + below(live.state, len(mind) - MIND_ARTISTS)])))
    if song < 0:
        song = _drawn(live, BY_FELT_CELL, int(np.int64(mind[MIND_STYLE])) * N_LANGUAGES + mind[MIND_LANGUAGE])
    return _set(live, song, NONE, NONE, NONE, NONE)


@inner
def by_facet(live: Live, cause: int, user: int, now: int, today: int) -> int:
    """Another song of an artist heard (what is new first), of an album heard, or of a style heard in its language."""
    at = evidence(live.state, live.ring, live.n, user, now, live.links.facets, ARTIST)
    if at < 0:
        return NONE
    song, event = _play(live, user, at)
    facets = live.links.facets[song]
    if cause == ALBUMS:
        return _set(live, _drawn(live, BY_ALBUM, facets[ALBUM]), song, event, facets[ALBUM], NONE)
    if cause == STYLES:
        return _set(live, _drawn(live, BY_CELL, facets[STYLE] * N_LANGUAGES + facets[LANGUAGE]), song, event, facets[STYLE], NONE)
    item = _drawn(live, BY_FRESH, facets[ARTIST]) if uniform(live.state) < 0.4 else NONE
    if item < 0 or not today - FRESH_DAYS < live.links.facets[item, DAY] <= today:
        item = _drawn(live, BY_ARTIST, facets[ARTIST])
    return _set(live, item, song, event, facets[ARTIST], NONE)


@inner
def by_drama(live: Live, user: int, now: int) -> int:
    """From a soundtrack heard to another song of the drama, or to what one of its singers sang elsewhere."""
    at = evidence(live.state, live.ring, live.n, user, now, live.links.facets, DRAMA)
    if at < 0:
        return NONE
    song, event = _play(live, user, at)
    drama = live.links.facets[song, DRAMA]
    other = _drawn(live, BY_DRAMA, drama)
    if uniform(live.state) < 0.45:
        elsewhere = _drawn(live, BY_ARTIST, live.links.facets[other, ARTIST])
        if elsewhere >= 0 and elsewhere != other and elsewhere != song:
            return _set(live, elsewhere, song, event, drama, other)
    return NONE if other == song else _set(live, other, song, event, drama, NONE)


@inner
def by_show(live: Live, user: int, now: int) -> int:
    """From an artist heard to another artist who competed in the same variety show, in any season."""
    at = evidence(live.state, live.ring, live.n, user, now, live.links.facets, SHOW)
    if at < 0:
        return NONE
    song, event = _play(live, user, at)
    here = _drawn(live, OF_ARTIST, live.links.facets[song, ARTIST])
    there = _drawn(live, OF_SHOW, live.links.appearances[here, 1])
    rival = live.links.appearances[there, 0]
    if rival == live.links.appearances[here, 0]:
        return NONE
    return _set(live, _drawn(live, BY_ARTIST, rival), song, event, here, there)


@inner
def by_friend(live: Live, user: int, now: int) -> int:
    """What a friend played lately and liked."""
    friend = _drawn(live, OF_FRIEND, user)
    if friend < 0:
        return NONE
    at = evidence(live.state, live.ring, live.n, friend, now, live.links.facets, ARTIST)
    if at < 0:
        return NONE
    song, event = _play(live, friend, at)
    return _set(live, song, friend, event, NONE, NONE)


@inner
def from_playlist(live: Live, playlist: int, last: npt.NDArray[np.int64]) -> int:
    """A song of a playlist, led to by the playlist's song before it: `last` is that song and its event, or -1 and -1."""
    return _set(live, _drawn(live, BY_PLAYLIST, playlist), last[0], last[1], playlist, NONE)


@inner
def next_track(live: Live, last: npt.NDArray[np.int64]) -> int:
    """The song after the last one on its album, item -1 at its end. `last` is that song and the event of its play."""
    song = last[0]
    if song < 0 or song + 1 >= len(live.links.facets) or live.links.facets[song, ALBUM] != live.links.facets[song + 1, ALBUM]:
        return NONE
    return _set(live, song + 1, song, last[1], live.links.facets[song, ALBUM], NONE)
