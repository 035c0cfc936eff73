"""Song profile: what a song is (its facets) and how it is received, in one table with a row a song, as of one moment.

Counts come only from events up to the moment and facts from those valid there. The source's own `popularity` column is of the time of
its extraction and has no part. Rates are shrunk towards the rate of all songs, `(hits + m * rate) / (n + m)`: the posterior mean under
a beta prior worth m observations, so that three full plays of three do not pass for certainty. Each stands beside its counts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.event_rows import compiled, listens, rows_by_user
from etl.events import SECONDS_PER_DAY, Events
from etl.facets import SongFacets
from etl.lake import Lake
from etl.user_profile import ages

Floats = npt.NDArray[np.float64]

COUNTED: Final = {
    "full_plays": (Behaviour.FULL_PLAY,),
    "skips": (Behaviour.SKIP,),
    "hearts": (Behaviour.COLLECT,),
    "downloads": (Behaviour.DOWNLOAD,),
    "shares": (Behaviour.SHARE,),
    "comments": (Behaviour.COMMENT,),
    "refusals": (Behaviour.DISLIKE, Behaviour.BLOCK_SONG),
    "exposures": (Behaviour.EXPOSURE,),
    "clicks": (Behaviour.CLICK,),
}
"""Columns of counts, and the behaviours that each counts."""
RATES: Final = {
    "play_through_rate": ("full_plays", "plays"),
    "skip_rate": ("skips", "plays"),
    "hearts_per_play": ("hearts", "plays"),
    "downloads_per_play": ("downloads", "plays"),
    "shares_per_play": ("shares", "plays"),
    "comments_per_play": ("comments", "plays"),
    "refusals_per_play": ("refusals", "plays"),
    "click_rate": ("clicks", "exposures"),
}
"""Columns of rates: which count over which."""


WINDOWS: Final = {
    False: {"plays_day": SECONDS_PER_DAY, "plays_week": 7 * SECONDS_PER_DAY, "plays_month": 28 * SECONDS_PER_DAY},
    True: {"plays_last_10": 10, "plays_last_50": 50, "plays_last_200": 200},
}
"""Columns of plays in recent windows, shortest first: seconds, or, where time is ordinal, each listener's own latest events."""


@dataclass(frozen=True)
class SongRules:
    """How counts become rates and popularity."""

    half_life_days: float = 14.0
    """A play counts half in `popularity` after so many days …"""
    half_life_events: float = 50.0
    """… or, where time is ordinal, after so many later events of its listener."""
    prior: float = 10.0
    """Observations (plays; exposures for `click_rate`) that the rate of all songs is worth."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value > 0):
                raise UserError(f"[etl.songs] {field.name} = {value}: give a finite number above 0")

    def half_life(self, *, ordinal: bool) -> float:
        """Half-life in seconds, or in events of the listener where time is ordinal."""
        return self.half_life_events if ordinal else self.half_life_days * SECONDS_PER_DAY


DEFAULT_RULES: Final = SongRules()


@dataclass(frozen=True)
class SongProfiles:
    """Profiles of all songs at one moment."""

    facets: SongFacets
    """The facts valid at the moment."""
    table: pl.DataFrame
    """Row = song id. Float64 columns: `plays`, `listeners`, the columns of `COUNTED`, of `RATES` and of `WINDOWS`, `popularity` (decayed
    plays) and `trend` (log2 of the share of the song's plays of the longest window that fall into the second longest, over that share of
    all songs' plays; shrunk towards 0 as rates are)."""

    @classmethod
    def of(cls, events: Events, facets: SongFacets, n_users: int, rules: SongRules = DEFAULT_RULES, *, at: int | None) -> SongProfiles:
        """Profiles made by `events`.

        Args:
            events: the log up to the moment, in time order.
            facets: facts with their dates; those valid at the moment are taken.
            n_users: number of users.
            rules: half-life and smoothing.
            at: the moment, Unix seconds; None where time is ordinal: an event's age is then the number of its user's later events,
                and facts have no dates.

        Raises:
            ValueError: an event is later than `at`.
        """
        age = ages(events, n_users, at)
        is_song = events.item < facets.n_songs
        of_song, heard = np.flatnonzero(is_song), np.flatnonzero(is_song & listens(events))
        counts = _counts(events, of_song, heard, n_users, facets.n_songs)
        columns = counts | _rates(counts, rules.prior) | _fame(events, heard, age, facets.n_songs, rules, ordinal=at is None)
        return cls(facets.timeless() if at is None else facets.as_of(at), pl.DataFrame(columns))

    @classmethod
    def as_of(
        cls,
        lake: Lake,
        t: int,
        rules: SongRules = DEFAULT_RULES,
        *,
        facets: SongFacets | None = None,
        learned: npt.NDArray[np.bool_] | None = None,
    ) -> SongProfiles:
        """Profiles at time `t` (Unix seconds): of the events before it, and of the facts valid at it; arguments as `UserProfiles.as_of`."""
        facets = SongFacets.of(lake.catalogue, lake.triples) if facets is None else facets
        before = lake.events.ts < t if learned is None else learned & (lake.events.ts < t)
        return cls.of(lake.events.take(before), facets, lake.catalogue.n_users, rules, at=t)

    def frame(self, catalogue: Catalogue) -> pl.DataFrame:
        """The table as a person reads it: `song_id, title`, a list of `{name, weight}` for each facet, heaviest first, then `table`."""
        values = pl.DataFrame({"song": self.facets.song, "code": self.facets.facet_of[self.facets.value], "weight": self.facets.weight})
        values = values.with_columns(name=catalogue.entities["name"].gather(self.facets.value))
        values = values.sort("song", "code", pl.col("weight").neg(), maintain_order=True)
        columns = [_lists(values, code, name, catalogue.n_songs) for code, name in enumerate(self.facets.names)]
        return pl.concat([catalogue.songs.select("song_id", "title"), pl.DataFrame(columns), self.table], how="horizontal")


def _lists(values: pl.DataFrame, code: int, name: str, n_songs: int) -> pl.Series:
    """`[n_songs]` lists of `{name, weight}` of one facet; empty where a song has none."""
    own = values.filter(pl.col("code") == code)
    told = own.group_by("song", maintain_order=True).agg(pl.struct("name", "weight").alias(name))
    songs = pl.DataFrame({"song": np.arange(n_songs, dtype=np.int32)})
    return songs.join(told, on="song", how="left", maintain_order="left")[name].fill_null([])


def _counts(events: Events, of_song: npt.NDArray[np.intp], heard: npt.NDArray[np.intp], n_users: int, n_songs: int) -> dict[str, Floats]:
    """`plays`, `listeners` and the columns of `COUNTED`, `[n_songs]` each, weighted by the events' `count`."""
    columns = {"plays": _sum(events, heard, n_songs), "listeners": _listeners(events, heard, n_users, n_songs)}
    # One pass for all behaviours: a cell for each song and behaviour.
    cell = events.item[of_song].astype(np.int64) * len(Behaviour) + events.behaviour[of_song]
    cells = np.bincount(cell, events.count[of_song], n_songs * len(Behaviour)).reshape(n_songs, len(Behaviour))
    return columns | {name: cells[:, behaviours].sum(axis=1) for name, behaviours in COUNTED.items()}


def _listeners(events: Events, heard: npt.NDArray[np.intp], n_users: int, n_songs: int) -> Floats:
    """`[n_songs]` number of users who have played each song."""
    order, first = rows_by_user(events.item[heard], n_songs)
    distinct: Floats = _distinct_in_groups(events.user[heard], order, first, n_users)
    return distinct


@compiled
def _distinct_in_groups(values: Any, order: Any, first: Any, n_values: int) -> Any:
    """`[n_groups]` number of different `values` (below `n_values`) in each group `order[first[g]:first[g + 1]]`."""
    distinct, group_of = np.zeros(len(first) - 1), np.full(n_values, -1, dtype=np.int64)
    for group in range(len(first) - 1):
        for place in range(first[group], first[group + 1]):
            value = values[order[place]]
            if group_of[value] != group:
                group_of[value] = group
                distinct[group] += 1
    return distinct


def _rates(counts: dict[str, Floats], prior: float) -> dict[str, Floats]:
    return {name: _shrunk(counts[hits], counts[tries], prior) for name, (hits, tries) in RATES.items()}


def _shrunk(hits: Floats, tries: Floats, prior: float) -> Floats:
    """Rates `[n_songs]` shrunk towards that of all songs (0 where nothing was tried)."""
    of_all = hits.sum() / tries.sum() if tries.sum() else 0.0
    return np.asarray((hits + prior * of_all) / (tries + prior))


def _fame(
    events: Events, heard: npt.NDArray[np.intp], age: npt.NDArray[np.integer], n_songs: int, rules: SongRules, *, ordinal: bool
) -> dict[str, Floats]:
    """Plays in the windows, `popularity` and `trend`, `[n_songs]` each."""
    gap = age[heard]
    windows = {name: _sum(events, heard[gap < span if ordinal else gap <= span], n_songs) for name, span in WINDOWS[ordinal].items()}
    decay = np.exp2(-gap / rules.half_life(ordinal=ordinal))
    popularity = np.bincount(events.item[heard], events.count[heard] * decay, n_songs)
    _, recent, longest = windows.values()
    of_all = recent.sum() / longest.sum() if longest.sum() else 0.0
    lift = _shrunk(recent, longest, rules.prior) / of_all if of_all else np.ones(n_songs)
    return windows | {"popularity": popularity, "trend": np.log2(lift)}


def _sum(events: Events, rows: npt.NDArray[np.intp], n_songs: int) -> Floats:
    return np.bincount(events.item[rows], events.count[rows], n_songs).astype(np.float64)
