"""Which song: the sessions of a day in order of time, each step's song drawn by its cause and made to fit the step's outcome.

What happens in a step (played to the end, skipped, hearted) stands in the schedule; taste shows because the song that a listener wants
most of a few candidates is played to the end, and the one wanted least is skipped.
"""

from __future__ import annotations

from typing import Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from etl.simulation.affinity import MIND_STYLE, want
from etl.simulation.causes import (
    INTEREST,
    NONE,
    POPULARITY,
    REPEAT,
    Live,
    _drawn,
    again,
    by_cause,
    from_playlist,
    interest_of,
    next_track,
)
from etl.simulation.chance import below, compiled, constant, constants, draw_column, gumbel, inner, reseed, uniform
from etl.simulation.draws import Floats, Ints
from etl.simulation.history import TENTHS, heard, remember
from etl.simulation.links import ARTIST, DAY, FEATURED, OF_STYLE, STYLE
from etl.simulation.refusals import ARTISTS, SONGS, is_refused, refuse
from etl.simulation.settings import CAUSE

Picks = npt.NDArray[np.int64]
"""A row for each step, `[n_steps, 6]`: columns `ITEM, WHY, EVIDENCE, EVIDENCE_EVENT, VIA, TWO`; -1 for none."""
ITEM, WHY, EVIDENCE, EVIDENCE_EVENT, VIA, TWO = constants(0, 6)
SKIP, PARTIAL, FULL = 0, 1, 2
"""Outcomes of a step."""
NEW, AGAIN, AT_ONCE = 0, 1, 2
"""What a step returns to: nothing, an own play, the song just heard."""
NO_REFUSAL, REFUSE_SONG, REFUSE_ARTIST = 0, 1, 2
LIBRARY, PLAYLIST, ALBUM_SCENE, SEARCH, STREAM, LIST, PAGE_OF_MVS, PAGE_OF_MLOGS = range(8)
"""Kinds of session; the first four are the listener's own."""
CANDIDATES: Final = 3
NOISE: Final = 0.6
"""Scale of the Gumbel noise in which candidate a step takes."""
TRIES: Final = 6
RECOMMENDED, PLAYLISTS, ALBUMS = (constant(CAUSE[name]) for name in ("recommended", "playlist", "album"))
YES, NO = cast(bool, np.True_), cast(bool, np.False_)
LIKING: Final = np.array([0, 4, TENTHS])
"""What an outcome is worth in memory, in tenths."""


class Sessions(NamedTuple):
    """Sessions in the order in which they are lived, `[n]` each."""

    user: Ints
    slot: Ints
    """Time of day, by number."""
    kind: Ints
    first: Ints
    """Row of the session's first step, `[n + 1]`."""
    n_shown: Ints
    """Items shown at once, which are its first rows; the others are plays."""
    number: Ints
    """The session's number among all, by which its random numbers go."""


class Steps(NamedTuple):
    """Rows that need a song, `[n]` each: what the schedule says about them."""

    ts: Ints
    """Seconds since the start of the period."""
    event: Ints
    """Number of the play's event; -1 for an item that is only shown."""
    again: npt.NDArray[np.int8]
    outcome: npt.NDArray[np.int8]
    heart: npt.NDArray[np.bool_]
    refusal: npt.NDArray[np.int8]


@compiled
def choose_songs(live: Live, sessions: Sessions, steps: Steps, today: int, seed: np.uint64) -> Picks:
    """Songs of every step of `sessions`; writes what is heard and refused into `live`."""
    picks = np.full((len(steps.ts), 6), -1, dtype=np.int64)
    for s in range(len(sessions.user)):
        reseed(live.state, seed, sessions.number[s])
        user, kind, first, end = sessions.user[s], sessions.kind[s], sessions.first[s], sessions.first[s + 1]
        interest = interest_of(live, user, sessions.slot[s])
        if kind <= STREAM:
            _one_by_one(live, steps, picks, user, interest, kind, first, end, today)
        elif kind == LIST:
            _from_list(live, steps, picks, user, interest, first, first + sessions.n_shown[s], end, today)
        else:
            _from_page(live, picks, user, interest, kind, first, first + sessions.n_shown[s], end, today)
    return picks


@inner
def _one_by_one(live: Live, steps: Steps, picks: Picks, user: int, interest: int, kind: int, first: int, end: int, today: int) -> None:
    """Songs that follow each other: the listener's own choices, or the service's stream."""
    playlist, last = NONE, np.full(3, -1)
    if kind == PLAYLIST and live.links.by_fact[2] > 0:
        playlist = _playlist(live, user, interest)
    for row in range(first, end):
        if row > first:
            last[0], last[1], last[2] = picks[row - 1, ITEM], steps.event[row - 1], picks[row - 1, WHY]
        if steps.again[row] == AT_ONCE:
            live.pick[0], live.pick[1], live.pick[2], live.pick[3], live.pick[4] = last[0], last[0], last[1], NONE, NONE
            _write(live, picks, row, REPEAT)
        elif steps.again[row] != AGAIN or not _repeat(live, picks, row, user, steps.ts[row], today, row):
            _choose(live, steps, picks, row, user, interest, kind, playlist, last, today)
        if kind == STREAM:
            _recommend(picks, row, picks[row, ITEM])
        _live_through(live, steps, picks, row, user)


@inner
def _choose(
    live: Live, steps: Steps, picks: Picks, row: int, user: int, interest: int, kind: int, playlist: int, last: Ints, today: int
) -> None:
    """A song that is new, by one cause: of a few candidates the one that fits the outcome."""
    cause = draw_column(live.state, live.links.shown if kind == STREAM else live.links.own)
    if playlist >= 0 and uniform(live.state) < live.links.by_fact[2]:
        cause = PLAYLISTS
        if last[2] != PLAYLISTS:
            last[0], last[1] = NONE, NONE
    elif kind == ALBUM_SCENE and last[0] >= 0 and uniform(live.state) < live.links.by_fact[3]:
        item = next_track(live, last)
        if item >= 0 and _fits(live, picks, user, item, today, YES, row, row):
            _write(live, picks, row, ALBUMS)
            return
    wanted = float(steps.outcome[row] - PARTIAL)
    noise = NOISE / 2 if steps.heart[row] else NOISE
    best = -np.inf
    for _ in range(CANDIDATES if wanted != 0 else 1):
        why = _new(live, picks, cause, user, interest, steps.ts[row], playlist, last, today, row, row)
        score = wanted * want(live.links, live.minds, live.ring, live.n, user, interest, live.pick[0]) + noise * gumbel(live.state)
        # A candidate that another cause had to find counts only where the step's own cause finds none.
        score -= 100.0 * (why != cause)
        if score > best:
            best = score
            _write(live, picks, row, why)


@inner
def _new(
    live: Live, picks: Picks, cause: int, user: int, interest: int, now: int, playlist: int, last: Ints, today: int, shown: int, row: int
) -> int:
    """Pick a song by `cause` that was not heard lately; failing that by interest, then by popularity, then any. Returns the cause."""
    for attempt in range(3 * TRIES):
        why = cause if attempt < TRIES else (INTEREST if attempt < 2 * TRIES else POPULARITY)
        item = from_playlist(live, playlist, last) if why == PLAYLISTS else by_cause(live, why, user, interest, now, today)
        if item >= 0 and _fits(live, picks, user, item, today, attempt < 3 * TRIES - 2, shown, row):
            return why
    live.pick[:] = -1
    live.pick[0] = _any(live, picks, user, today, shown, row)
    return POPULARITY


@inner
def _any(live: Live, picks: Picks, user: int, today: int, shown: int, row: int) -> int:
    """The first song from a random one on that fits; where every song is refused or shown, the first released one."""
    n = len(live.links.facets)
    start = below(live.state, n)
    for step in range(n):
        if _fits(live, picks, user, (start + step) % n, today, NO, shown, row):
            return (start + step) % n
    for step in range(n):
        if live.links.facets[(start + step) % n, DAY] <= today:
            return (start + step) % n
    return start


@inner
def _fits(live: Live, picks: Picks, user: int, song: int, today: int, new: bool, shown: int, row: int) -> bool:
    """Whether a song is released, not refused, not shown in rows `shown … row - 1`, and, where `new`, not heard lately."""
    facets = live.links.facets[song]
    if facets[DAY] > today or is_refused(live.refused, user, song, facets[ARTIST], facets[FEATURED]):
        return False
    for other in range(shown, row):
        if picks[other, ITEM] == song:
            return False
    return not (new and heard(live.ring, live.n, user, song))


@inner
def _repeat(live: Live, picks: Picks, row: int, user: int, now: int, today: int, shown: int) -> bool:
    """Write an own play to return to; False where there is none that is not refused or shown."""
    for _ in range(3):
        item = again(live, user, now)
        if item < 0:
            return False
        if _fits(live, picks, user, item, today, NO, shown, row):
            _write(live, picks, row, REPEAT)
            return True
    return False


@inner
def _playlist(live: Live, user: int, interest: int) -> int:
    """A playlist, mostly in the style of the moment."""
    style = int(np.int64(live.minds.interests[user, interest, MIND_STYLE]))
    fitting = _drawn(live, OF_STYLE, style)
    if fitting >= 0 and uniform(live.state) < 0.85:
        return fitting
    return _drawn(live, OF_STYLE, live.links.facets[below(live.state, len(live.links.facets)), STYLE])


@inner
def _from_list(live: Live, steps: Steps, picks: Picks, user: int, interest: int, first: int, plays: int, end: int, today: int) -> None:
    """A list shown at once; the clicks that the schedule has go to what is wanted most, the best to what is played to the end."""
    scores, nothing = np.empty(plays - first), np.full(3, -1)
    for row in range(first, plays):
        if steps.again[row] != AGAIN or not _repeat(live, picks, row, user, steps.ts[row], today, first):
            _new(live, picks, draw_column(live.state, live.links.shown), user, interest, steps.ts[row], NONE, nothing, today, first, row)
            _recommend(picks, row, live.pick[0])
        wanted = want(live.links, live.minds, live.ring, live.n, user, interest, picks[row, ITEM])
        scores[row - first] = wanted + NOISE * gumbel(live.state) - 0.06 * (row - first)
    best = _best(scores, end - plays)
    left, right = 0, len(best) - 1
    for row in range(plays, end):
        at = (left + right) // 2
        if steps.outcome[row] == FULL:
            at = left
        elif steps.outcome[row] == SKIP:
            at = right
        _recommend(picks, row, picks[first + best[at], ITEM])
        for place in range(at, right):
            best[place] = best[place + 1]
        right -= 1
        _live_through(live, steps, picks, row, user)


@inner
def _from_page(live: Live, picks: Picks, user: int, interest: int, kind: int, first: int, plays: int, end: int, today: int) -> None:
    """A page of videos of one kind: those of wanted songs are clicked and watched."""
    start = 0 if kind == PAGE_OF_MVS else live.links.n_mvs
    n = live.links.n_mvs if kind == PAGE_OF_MVS else len(live.links.videos) - live.links.n_mvs
    scores: Floats = np.empty(plays - first)
    for row in range(first, plays):
        video = below(live.state, n)
        for _ in range(4 * n):
            if _fits(live, picks, user, live.links.videos[start + video], today, NO, row, row) and not _on_page(picks, first, row, video):
                break
            video = below(live.state, n)
        picks[row, ITEM] = video
        song = live.links.videos[start + video]
        scores[row - first] = want(live.links, live.minds, live.ring, live.n, user, interest, song) + NOISE * gumbel(live.state)
    best = _best(scores, end - plays)
    for row in range(plays, end):
        picks[row, ITEM] = picks[first + best[row - plays], ITEM]


@inner
def _best(scores: Floats, n: int) -> Ints:
    """The `n` places with the highest scores, best first; spoils `scores`."""
    places = np.empty(n, dtype=np.int64)
    for k in range(n):
        places[k] = np.argmax(scores)
        scores[places[k]] = -np.inf
    return places


@inner
def _on_page(picks: Picks, first: int, row: int, video: int) -> bool:
    other = first
    while other < row and picks[other, ITEM] != video:
        other += 1
    return other < row


@inner
def _live_through(live: Live, steps: Steps, picks: Picks, row: int, user: int) -> None:
    """Remember a play, and refuse what the schedule has refused."""
    song = picks[row, ITEM]
    liked = LIKING[steps.outcome[row]] + (TENTHS if steps.heart[row] else 0)
    remember(live.ring, live.n, user, song, steps.ts[row], steps.event[row], liked)
    if steps.refusal[row] == REFUSE_SONG:
        refuse(live.refused, user, SONGS, song)
    elif steps.refusal[row] == REFUSE_ARTIST:
        refuse(live.refused, user, ARTISTS, live.links.facets[song, ARTIST])


@inner
def _recommend(picks: Picks, row: int, item: int) -> None:
    """The service chose `item`: nothing else is to be said of why."""
    picks[row, 1:] = -1
    picks[row, ITEM], picks[row, WHY] = item, RECOMMENDED


@inner
def _write(live: Live, picks: Picks, row: int, why: int) -> None:
    """The song drawn last is the row's, by the cause `why`."""
    picks[row, ITEM], picks[row, WHY] = live.pick[0], why
    for column in range(1, 5):
        picks[row, WHY + column] = live.pick[column]
