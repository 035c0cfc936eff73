"""What each account did on each day, one row: all that the search for robots needs of the events, so that it never holds them all."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.event_rows import compiled, listens, play_shares, rows_by_user
from etl.events import SECONDS_PER_DAY, Events
from etl.robot_rules import RobotRules

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NOTHING, LISTEN, SKIPPED, CLICK, HEART, REFUSAL = range(6)
_KIND: Final = {
    Behaviour.CLICK: CLICK,
    Behaviour.SKIP: SKIPPED,
    Behaviour.COLLECT: HEART,
    Behaviour.DOWNLOAD: HEART,
    Behaviour.SHARE: HEART,
    Behaviour.COMMENT: HEART,
    Behaviour.DISLIKE: REFUSAL,
    Behaviour.BLOCK_SONG: REFUSAL,
    Behaviour.BLOCK_ARTIST: REFUSAL,
}
ACTIVITY_SCHEMA: Final = {
    "user": pl.Int32,
    "day": pl.Int32,  # days since 1970-01-01, UTC
    "first": pl.Int64,  # Unix seconds of the day's first and last event
    "last": pl.Int64,
    "plays": pl.Int32,  # listens
    "hours": pl.Int32,  # bit h: a listen began in hour h of the day, UTC
    "heard": pl.Int32,  # seconds; a listen of unknown length counts as the whole song, 0 where that is unknown too
    "brief": pl.Int32,  # listens that end early, but not before they pay
    "clicks": pl.Int32,  # clicks, and listens in the search scene
    "hearts": pl.Int32,  # collect, download, share, comment
    "refusals": pl.Int32,  # dislike and blocks
    "left": pl.Int32,  # songs left early
    "scene_changes": pl.Int32,  # between one listen and the next
    "songs": pl.Int32,  # distinct
    "top_song": pl.Int32,  # listens to the most heard song
    "top_artist": pl.Int32,  # listens to the most heard artist, 0 where none is known
    "echoes": pl.Int32,  # listens to a song heard before that day, after the same song as then: playback in a loop
    # Stretches of playback without an act of the hand: first and last listen (seconds of the day, -1: none), listens, distinct songs.
    # The head is open towards yesterday (nothing came before it), the tail towards tomorrow.
    **{f"{name}_{field}": pl.Int32 for name in ("longest", "head", "tail") for field in ("start", "end", "plays", "songs")},
}
"""Columns of `activity`, one row a user and day."""
_COLUMN: Final = {name: place for place, name in enumerate(ACTIVITY_SCHEMA)}
_PLAYS, _CLICKS, _SONGS, _STRETCHES = (_COLUMN[name] for name in ("plays", "clicks", "songs", "longest_start"))


def artist_codes(songs: pl.DataFrame) -> npt.NDArray[np.int32]:
    """`[n_songs]` code of each song's line of artists (`Catalogue.songs`), -1 where it has none."""
    artist = songs["artist"] if "artist" in songs.columns else pl.Series([None] * songs.height, dtype=pl.String)
    return artist.replace("", None).rank("dense").cast(pl.Int32).fill_null(0).to_numpy() - np.int32(1)


def activity(events: Events, duration_ms: Ints, artist: npt.NDArray[np.int32], rules: RobotRules, *, search: int = -1) -> pl.DataFrame:
    """One row for each user and UTC day with events, of the columns of `ACTIVITY_SCHEMA`, by user and day.

    Rows of separate days concatenate to the activity of all of them, so events may come one whole day or several at a time.

    Args:
        events: events of whole days in time order, derived `full_play` and `skip` included.
        duration_ms: `[n_songs]` milliseconds, 0 or less where unknown.
        artist: `[n_songs]` code of the artist, -1 unknown (`artist_codes`).
        rules: what a pause, a song left early and a brief listen are.
        search: code of the scene of searches, in which a listen is an act of the hand; -1: the source has none.
    """
    if not len(events):
        return pl.DataFrame(schema=ACTIVITY_SCHEMA)
    rows, _ = rows_by_user(events.user, int(events.user.max()) + 1)
    listened, events = listens(events)[rows], events.take(rows)
    day = events.ts // SECONDS_PER_DAY
    bounds = np.flatnonzero(np.concatenate(([True], (np.diff(events.user) != 0) | (np.diff(day) != 0), [True])))
    table = np.zeros((len(bounds) - 1, len(_COLUMN)), dtype=np.int64)
    first, last = bounds[:-1], bounds[1:] - 1
    table[:, :_PLAYS] = np.stack([events.user[first], day[first], events.ts[first], events.ts[last]], axis=1)
    log = _kinds(events, listened), events.ts, events.item, _artists(events, artist), events.scene, *_lengths(events, duration_ms, rules)
    _fill(table, bounds, *log, rules.pause, search)
    return pl.DataFrame({name: table[:, place] for name, place in _COLUMN.items()}).cast(ACTIVITY_SCHEMA)  # type: ignore[arg-type]


def _kinds(events: Events, listened: Mask) -> npt.NDArray[np.int8]:
    """What each event is to the search for robots."""
    kind_of = np.zeros(len(Behaviour), dtype=np.int8)
    kind_of[list(_KIND)] = list(_KIND.values())
    return np.where(listened, np.int8(LISTEN), kind_of[events.behaviour])


def _artists(events: Events, artist: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Artist of each event's song, -1 unknown."""
    artists: npt.NDArray[np.int32] = np.append(artist, np.int32(-1))[np.minimum(events.item, len(artist))]
    return artists


def _lengths(events: Events, duration_ms: Ints, rules: RobotRules) -> tuple[npt.NDArray[np.int32], Mask, Mask]:
    """Seconds heard of each event, 0 unknown; whether that is brief; and whether the song was left early."""
    whole = np.append(duration_ms, 0)[np.minimum(events.item, len(duration_ms))]
    heard = np.where(events.play_ms >= 0, events.play_ms, np.maximum(whole, 0)) // 1_000
    share = play_shares(events.item, events.play_ms, duration_ms, np.float32)
    left = (share < rules.left_share) | (events.behaviour == Behaviour.SKIP)
    paid = events.play_ms >= 1_000 * rules.paid_seconds
    brief = paid & (left | (events.play_ms < 1_000 * rules.brief_seconds))
    return heard.astype(np.int32), brief, left


@compiled
def _fill(
    table: Ints,
    bounds: Ints,
    kind: npt.NDArray[np.int8],
    ts: Ints,
    item: npt.NDArray[np.int32],
    artist: npt.NDArray[np.int32],
    scene: npt.NDArray[np.int16],
    heard: npt.NDArray[np.int32],
    brief: Mask,
    left: Mask,
    pause: int,
    search: int,
) -> None:
    """Fill the rows of `table` from `plays` on; row g is of the events between `bounds[g]` and `bounds[g + 1]`."""
    for group in range(len(table)):
        row, low, high = table[group], bounds[group], bounds[group + 1]
        at = low + np.flatnonzero(kind[low:high] == LISTEN)
        row[_PLAYS] = len(at)
        hours = np.zeros(24, dtype=np.bool_)
        for listen in at:
            hours[ts[listen] % SECONDS_PER_DAY // 3_600] = True
            row[_PLAYS + 2] += heard[listen]
            row[_PLAYS + 3] += brief[listen]
        for hour in range(24):
            row[_PLAYS + 1] |= hours[hour] << hour
        cuts = _acts(row, kind[low:high], ts[low:high], scene[low:high], heard[low:high], left[low:high], len(at), pause, search)
        row[_SONGS], row[_SONGS + 1], row[_SONGS + 3] = _loops(item[at])
        row[_SONGS + 2] = _most(artist[at])
        _stretches(row, ts[at] % SECONDS_PER_DAY, item[at], cuts)


@compiled
def _acts(
    row: Ints,
    kind: npt.NDArray[np.int8],
    ts: Ints,
    scene: npt.NDArray[np.int16],
    heard: npt.NDArray[np.int32],
    left: Mask,
    n_listens: int,
    pause: int,
    search: int,
) -> Mask:
    """Count a day's acts into its row. Returns `[n_listens + 1]`: whether the hand was at work before each listen, and after the last."""
    cuts = np.zeros(n_listens + 1, dtype=np.bool_)
    before, listen, touched = -1, 0, False
    for at in range(len(kind)):
        if kind[at] == LISTEN:
            searched = search >= 0 and scene[at] == search
            moved = before >= 0 and scene[at] >= 0 and scene[before] >= 0 and scene[at] != scene[before]
            cuts[listen] = touched or searched or moved or (before >= 0 and ts[at] - ts[before] - heard[before] > pause)
            row[_CLICKS] += searched
            row[_CLICKS + 3] += left[at]
            row[_CLICKS + 4] += moved
            before, listen, touched = at, listen + 1, left[at]
        elif kind[at] == SKIPPED:
            # The skip of a play whose length has told of it already is the same act.
            row[_CLICKS + 3] += before < 0 or not left[before]
            touched = True
        elif kind[at] != NOTHING:
            row[_CLICKS + kind[at] - CLICK] += 1
            touched = True
    cuts[n_listens] = touched
    return cuts


@compiled
def _loops(item: npt.NDArray[np.int32]) -> tuple[int, int, int]:
    """Distinct songs, listens to the most heard one, and listens to a song after the same song as the last time it was heard."""
    order = np.argsort(item, kind="mergesort")
    distinct, most, echoes, run = 0, 0, 0, 0
    for place in range(len(order)):
        at = order[place]
        if place == 0 or item[at] != item[order[place - 1]]:
            distinct, run = distinct + 1, 0
        elif order[place - 1] > 0:
            echoes += item[at - 1] == item[order[place - 1] - 1]
        run += 1
        most = max(most, run)
    return distinct, most, echoes


@compiled
def _most(artist: npt.NDArray[np.int32]) -> int:
    """Listens to the most heard known artist."""
    ordered = np.sort(artist)
    most, run = 0, 0
    for at in range(len(ordered)):
        run = run + 1 if at > 0 and ordered[at] == ordered[at - 1] else 1
        if ordered[at] >= 0:
            most = max(most, run)
    return most


@compiled
def _stretches(row: Ints, second: Ints, item: npt.NDArray[np.int32], cuts: Mask) -> None:
    """Note the longest stretch of a day's listens, and those that are open towards the days before and after it."""
    row[_STRETCHES:] = -1
    n, start, longest = len(second), 0, -1
    for listen in range(1, n + 1):
        if listen < n and not cuts[listen]:
            continue
        if second[listen - 1] - second[start] > longest:
            longest = second[listen - 1] - second[start]
            _note(row[_STRETCHES:], second[start:listen], item[start:listen])
        if start == 0 and not cuts[0]:
            _note(row[_STRETCHES + 4 :], second[:listen], item[:listen])
        if listen == n and not cuts[n]:
            _note(row[_STRETCHES + 8 :], second[start:], item[start:])
        start = listen


@compiled
def _note(place: Ints, second: Ints, item: npt.NDArray[np.int32]) -> None:
    place[0], place[1], place[2], place[3] = second[0], second[-1], len(second), len(np.unique(item))
