"""One place after another: the candidate that breaks least takes it, among equals the one of largest gain.

What a candidate would break is a number whose bits are constraints in the order in which they are given up (`settings.GIVEN_UP`), so the
smaller number is the lesser evil, and a place is never left empty.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled
from ranking.rerank import caps, dpp, shares
from ranking.rerank.calibration import add_styles, divergence_with, listed_divergence
from ranking.rerank.rules import ALBUM, ARTIST, AT_LEAST, AT_MOST, EXPLORE, NOTHING_KEPT, PLAYED, TAIL, UNSURE, Rules
from ranking.rerank.songs import Songs

DRAWN: Final = 1e6
"""Gain of a drawn song, less its draw, above any other."""


class Pool(NamedTuple):
    """Candidates for the places of lists, grouped by list, best first."""

    first: npt.NDArray[np.int64]
    """`[n_lists + 1]` start of each list's candidates."""
    item: npt.NDArray[np.int32]
    """`[m]` songs."""
    gain: npt.NDArray[np.float64]
    """`[m]` scores in one unit."""
    kinds: npt.NDArray[np.bool_]
    """`[m, 3]` whether little is known of the song, whether the listener has played it, whether it is in the tail."""
    drawn: npt.NDArray[np.float64]
    """`[m]` the draw of each pair, lowest first."""


def choose(pool: Pool, tastes: npt.NDArray[np.float64], songs: Songs, rules: Rules) -> npt.NDArray[np.int64]:
    """Rows of `pool` in the order of the places, list after list: `[Σ min(places, candidates)]`.

    Args:
        pool: the candidates.
        tastes: `[n_lists, n_styles]` the listeners' shares of styles; rows of zeros switch calibration off.
        songs: what is known of the songs.
        rules: the constraints.
    """
    return np.asarray(_choose(pool, tastes, songs, rules))


class State(NamedTuple):
    """A list as far as it has come; `m` candidates."""

    item: npt.NDArray[np.int32]
    """`[m]` songs."""
    gain: npt.NDArray[np.float64]
    """`[m]` scores."""
    kinds: npt.NDArray[np.bool_]
    """`[m, 3]`"""
    drawn: npt.NDArray[np.float64]
    """`[m]`"""
    taken: npt.NDArray[np.bool_]
    """`[m]` whether the candidate has a place."""
    soft: npt.NDArray[np.float64]
    """`[m]` what diversity and calibration add to the score at the next place."""
    have: npt.NDArray[np.int64]
    """`[3]` songs of each kind in the list."""
    taste: npt.NDArray[np.float64]
    """`[n_styles]` the listener's shares of styles."""
    listed: npt.NDArray[np.float64]
    """`[n_styles + 1]` masses of styles in the list, and their sum."""
    rows: npt.NDArray[np.float64]
    """`[m, width]` Cholesky rows of the similarity (`dpp.py`)."""
    left: npt.NDArray[np.float64]
    """`[m]` what of each song the last places do not explain."""
    artist: npt.NDArray[np.int64]
    """`[n_artists]` songs of each within the window."""
    album: npt.NDArray[np.int64]
    """`[n_albums]`"""


@compiled
def _choose(pool: Any, tastes: Any, songs: Any, rules: Any) -> Any:
    chosen, n = np.empty(len(pool.item), dtype=np.int64), 0
    artist, album = np.zeros(songs.artists.n_groups, dtype=np.int64), np.zeros(songs.albums.n_groups, dtype=np.int64)
    for one in range(len(pool.first) - 1):
        start = pool.first[one]
        state = _begun(pool, start, pool.first[one + 1], tastes[one], rules, artist, album)
        picks = _filled(state, songs, rules)
        chosen[n : n + len(picks)] = picks + start
        n += len(picks)
    return chosen[:n].copy()


@compiled
def _begun(pool: Any, start: int, end: int, taste: Any, rules: Any, artist: Any, album: Any) -> Any:
    """A list without a song."""
    m = end - start
    return State(
        pool.item[start:end],
        pool.gain[start:end],
        pool.kinds[start:end],
        pool.drawn[start:end],
        np.zeros(m, dtype=np.bool_),
        np.zeros(m),
        np.zeros(3, dtype=np.int64),
        taste,
        np.zeros(len(taste) + 1),
        np.zeros((m if rules.diversity > 0 else 0, max(rules.similar - 1, 1))),
        np.full(m, 1.0 + dpp.NOISE),
        artist,
        album,
    )


@compiled
def _filled(state: Any, songs: Any, rules: Any) -> Any:
    """Candidates in the order of the places; leaves the counts of artists and albums at 0."""
    picks = np.empty(min(rules.places, len(state.item)), dtype=np.int64)
    for place in range(len(picks)):
        _value(state, songs, rules)
        best = _best(state, place, songs, rules)
        picks[place], state.taken[best] = best, True
        for kind in range(len(state.have)):
            state.have[kind] += state.kinds[best, kind]
        state.listed[-1] += add_styles(state.listed, songs.styles.first, songs.styles.group, state.item[best])
        _count(state, state.item[best], songs, 1)
        if place - rules.window + 1 >= 0:
            # It is out of the window of the next place.
            _count(state, state.item[picks[place - rules.window + 1]], songs, -1)
        _tell_apart(state, picks, place, songs, rules)
    for place in range(max(len(picks) - rules.window + 1, 0), len(picks)):
        _count(state, state.item[picks[place]], songs, -1)
    return picks


@compiled
def _value(state: Any, songs: Any, rules: Any) -> None:
    """Write what diversity and calibration add to each candidate's score at the next place."""
    first, style, n_listed = songs.styles.first, songs.styles.group, state.listed[-1]
    calibrated = rules.calibration > 0 and state.taste.sum() > 0
    as_it_is = listed_divergence(state.taste, state.listed, n_listed) if calibrated else 0.0
    with_one = listed_divergence(state.taste, state.listed, n_listed + 1) if calibrated else 0.0
    for i in range(len(state.item)):
        state.soft[i] = 0.0
        if rules.diversity > 0:
            state.soft[i] += rules.diversity * np.log(state.left[i])
        if calibrated:
            # A song without a style leaves the list's shares as they are.
            has_style = first[state.item[i]] < first[state.item[i] + 1]
            apart = divergence_with(state.taste, state.listed, n_listed, with_one, first, style, state.item[i]) if has_style else as_it_is
            state.soft[i] -= rules.calibration * apart


@compiled
def _best(state: Any, place: int, songs: Any, rules: Any) -> int:
    """The candidate that breaks least at the next place; among equals that of largest gain, then the earliest."""
    level, due = shares.urgency(state.have, rules.least, place, rules.places)
    draws = level > shares.NOTHING and (due & (1 << UNSURE)) != 0
    no_repeat = state.have[PLAYED] >= rules.most_played[place]
    # Only the columns that are needed are handed on for each candidate: handing on a whole state costs more than what is asked of it.
    item, kinds, artist, album = state.item, state.kinds, state.artist, state.album
    by_artist, by_album = songs.artists, songs.albums
    best, least_broken, most = -1, np.int64(NOTHING_KEPT), -np.inf
    for i in range(len(item)):
        if state.taken[i]:
            continue
        broken = np.int64(_missed(kinds[i], level, due)) if level > shares.NOTHING else np.int64(0)
        if no_repeat and kinds[i, PLAYED]:
            broken |= AT_MOST
        if caps.is_full(artist, by_artist.first, by_artist.group, item[i], rules.per_artist):
            broken |= ARTIST
        if caps.is_full(album, by_album.first, by_album.group, item[i], rules.per_album):
            broken |= ALBUM
        gain = DRAWN - state.drawn[i] if draws and kinds[i, UNSURE] else state.gain[i] + state.soft[i]
        if broken < least_broken or (broken == least_broken and gain > most):
            best, least_broken, most = i, broken, gain
    return best


@compiled
def _missed(kinds: Any, level: int, due: int) -> int:
    """Bits of quotas that are missed by taking a song of these kinds now."""
    missed, served = 0, False
    for kind in range(len(kinds)):
        if due & (1 << kind):
            if kinds[kind]:
                served = True
            else:
                missed |= EXPLORE if kind == UNSURE else AT_LEAST if kind == PLAYED else TAIL
    if level == shares.SHORT:
        return missed
    # All that is due still has its place: one of it is served, or the one that is given up first is missed.
    return 0 if served else missed & -missed


@compiled
def _count(state: Any, song: int, songs: Any, amount: int) -> None:
    caps.add(state.artist, songs.artists.first, songs.artists.group, song, amount)
    caps.add(state.album, songs.albums.first, songs.albums.group, song, amount)


@compiled
def _tell_apart(state: Any, picks: Any, place: int, songs: Any, rules: Any) -> None:
    """From the next place on candidates are to differ from the song of this one, and from the last before it."""
    width = rules.similar - 1
    if rules.diversity == 0 or width == 0:
        return
    n_held = min(place, width)
    if n_held == width:
        dpp.forget_first(state.rows, state.left, picks[place - width : place], width)
        n_held -= 1
    dpp.condition(songs.units, state.item, state.rows, state.left, n_held, picks[place])
