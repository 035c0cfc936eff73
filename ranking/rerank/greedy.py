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
from ranking.rerank.settings import GIVEN_UP, Constraints
from ranking.rerank.songs import Songs

EXPLORE, AT_LEAST, AT_MOST, TAIL, ALBUM, ARTIST = (1 << place for place in range(len(GIVEN_UP)))
"""Bits of what is broken."""
UNSURE, PLAYED, IN_TAIL = 0, 1, 2
"""Kinds of which a list holds so many at least: columns of `Pool.kinds`."""
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


class Rules(NamedTuple):
    """Constraints as arrays and numbers."""

    places: int
    least: npt.NDArray[np.int64]
    """`[3, places]` songs of each kind that the first places hold at least."""
    most_played: npt.NDArray[np.int64]
    """`[places]` played songs that they hold at most."""
    per_artist: int
    per_album: int
    window: int
    """Places that caps look at, the next one included."""
    diversity: float
    """δ / (1 - δ)"""
    similar: int
    """Places that diversity looks at, the next one included."""
    calibration: float
    """λ / (1 - λ)"""

    @classmethod
    def of(cls, given: Constraints) -> Rules:
        """The constraints as compiled code takes them."""
        places = given.places
        least = [shares.at_least(share, places) for share in (given.explore / places, given.repeats_at_least, given.tail_share)]
        return cls(
            places=places,
            least=np.stack(least),
            most_played=shares.at_most(given.repeats_at_most, places),
            per_artist=given.max_per_artist,
            per_album=given.max_per_album,
            window=given.window or places,
            diversity=given.diversity / (1 - given.diversity),
            similar=given.diversity_window or places,
            calibration=given.calibration / (1 - given.calibration),
        )


def choose(pool: Pool, tastes: npt.NDArray[np.float64], songs: Songs, rules: Rules) -> npt.NDArray[np.int64]:
    """Rows of `pool` in the order of the places, list after list: `[Σ min(places, candidates)]`.

    Args:
        pool: the candidates.
        tastes: `[n_lists, n_styles]` the listeners' shares of styles; rows of zeros switch calibration off.
        songs: what is known of the songs.
        rules: the constraints.
    """
    return np.asarray(_choose(pool, tastes, songs, rules))


@compiled
def _choose(pool: Any, tastes: Any, songs: Any, rules: Any) -> Any:
    chosen, n = np.empty(len(pool.item), dtype=np.int64), 0
    artist, album = np.zeros(songs.artists.n_groups, dtype=np.int64), np.zeros(songs.albums.n_groups, dtype=np.int64)
    for one in range(len(pool.first) - 1):
        start, end = pool.first[one], pool.first[one + 1]
        picks = _one_list(pool, start, end, tastes[one], songs, rules, artist, album)
        chosen[n : n + len(picks)] = picks
        n += len(picks)
    return chosen[:n].copy()


@compiled
def _one_list(pool: Any, start: int, end: int, p: Any, songs: Any, rules: Any, artist: Any, album: Any) -> Any:
    """Rows of one list in their order; leaves the counts of artists and albums at 0."""
    m = end - start
    item, n_places = pool.item[start:end], min(rules.places, m)
    taken, picks = np.zeros(m, dtype=np.bool_), np.empty(n_places, dtype=np.int64)
    have, listed, n_listed = np.zeros(3, dtype=np.int64), np.zeros(len(p)), 0.0
    calibrated = rules.calibration > 0 and p.sum() > 0
    width = max(rules.similar - 1, 1)
    rows, left = np.zeros((m if rules.diversity > 0 else 0, width)), np.full(m, 1.0 + dpp.NOISE)
    soft = np.zeros(m)
    for place in range(n_places):
        _soft_gain(soft, item, taken, left, p, listed, n_listed, songs, rules, calibrated)
        best = _best(pool, start, taken, soft, have, place, songs, rules, artist, album)
        picks[place], taken[best] = best, True
        for kind in range(3):
            have[kind] += pool.kinds[start + best, kind]
        n_listed += add_styles(listed, songs.styles.first, songs.styles.group, item[best])
        _count(item, picks, place, songs, rules, artist, album)
        if rules.diversity > 0 and rules.similar > 1:
            n_held = min(place, width)
            if place >= width:
                dpp.forget_first(rows, left, picks[place - width : place], n_held)
                n_held -= 1
            dpp.condition(songs.units, item, rows, left, n_held, best)
    for place in range(max(n_places - rules.window + 1, 0), n_places):
        caps.add(artist, songs.artists.first, songs.artists.group, item[picks[place]], -1)
        caps.add(album, songs.albums.first, songs.albums.group, item[picks[place]], -1)
    return picks + start


@compiled
def _soft_gain(
    soft: Any, item: Any, taken: Any, left: Any, p: Any, listed: Any, n_listed: float, songs: Any, rules: Any, calibrated: bool
) -> None:
    """What diversity and calibration add to each candidate's score at the next place."""
    with_one = listed_divergence(p, listed, n_listed + 1) if calibrated else 0.0
    without = listed_divergence(p, listed, n_listed) if calibrated else 0.0
    for i in range(len(item)):
        soft[i] = 0.0
        if taken[i]:
            continue
        if rules.diversity > 0:
            soft[i] += rules.diversity * np.log(left[i])
        if calibrated:
            known = songs.styles.first[item[i]] < songs.styles.first[item[i] + 1]
            apart = without
            if known:
                apart = divergence_with(p, listed, n_listed, with_one, songs.styles.first, songs.styles.group, item[i])
            soft[i] -= rules.calibration * apart


@compiled
def _best(pool: Any, start: int, taken: Any, soft: Any, have: Any, place: int, songs: Any, rules: Any, artist: Any, album: Any) -> int:
    level, due = shares.urgency(have, rules.least, place, rules.places)
    best, least_broken, most = -1, np.int64(1 << 30), -np.inf
    for i in range(len(taken)):
        if taken[i]:
            continue
        row = start + i
        broken = np.int64(_broken_quotas(pool.kinds[row], level, due))
        if pool.kinds[row, PLAYED] and have[PLAYED] >= rules.most_played[place]:
            broken |= AT_MOST
        if caps.is_full(artist, songs.artists.first, songs.artists.group, pool.item[row], rules.per_artist):
            broken |= ARTIST
        if caps.is_full(album, songs.albums.first, songs.albums.group, pool.item[row], rules.per_album):
            broken |= ALBUM
        gain = pool.gain[row] + soft[i]
        if level > shares.NOTHING and due & (1 << UNSURE) and pool.kinds[row, UNSURE]:
            gain = DRAWN - pool.drawn[row]
        if broken < least_broken or (broken == least_broken and gain > most):
            best, least_broken, most = i, broken, gain
    return best


@compiled
def _broken_quotas(kinds: Any, level: int, due: int) -> int:
    """Bits of quotas that are missed by taking a song of these kinds now."""
    if level == shares.NOTHING:
        return 0
    missed, served = 0, False
    for kind in range(3):
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
def _count(item: Any, picks: Any, place: int, songs: Any, rules: Any, artist: Any, album: Any) -> None:
    """Count the song of a place; the one that leaves the window of the next place is counted out."""
    caps.add(artist, songs.artists.first, songs.artists.group, item[picks[place]], 1)
    caps.add(album, songs.albums.first, songs.albums.group, item[picks[place]], 1)
    gone = place - rules.window + 1
    if gone >= 0:
        caps.add(artist, songs.artists.first, songs.artists.group, item[picks[gone]], -1)
        caps.add(album, songs.albums.first, songs.albums.group, item[picks[gone]], -1)
