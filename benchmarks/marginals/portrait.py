"""One log's marginals: named numbers for the table and curves for the plots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from etl.behaviours import Behaviour
from etl.events import Events
from etl.flags import Flag
from etl.lake import Lake
from marginals import measures as m
from marginals import recency as r
from marginals.plays import Ints, Mask, Plays, links_of, plays_of, responses

ENDS_AT = 0.8
"""Share of a song from which it counts as heard to the end: the same as a full play of the ETL's rules."""
LAGS: Final = {"plays": (2, 200), "days": (1, 30)}
"""Lags over which the power of forgetting is fitted; an immediate repeat (lag 1) is a deed of its own."""


@dataclass(frozen=True)
class Log:
    """A lake as its marginals see it; `clock` is False where times are only an order."""

    lake: Lake
    clock: bool = True
    keep: Mask | None = None
    """Events to measure, `[n_events]`; None: all."""

    @cached_property
    def plays(self) -> Plays:
        """Plays of songs."""
        return plays_of(self.lake, self.keep)

    @cached_property
    def events(self) -> Events:
        """Every event of a song."""
        return responses(self.lake, self.keep)

    @cached_property
    def artists(self) -> pl.DataFrame:
        """Artists of each song."""
        return links_of(self.lake, "SUNG_BY")

    @cached_property
    def albums(self) -> pl.DataFrame:
        """Album of each song."""
        return links_of(self.lake, "IN_ALBUM")

    @cached_property
    def session(self) -> Ints:
        """Session of each play."""
        return m.sessions(self.plays)

    @cached_property
    def lengths(self) -> tuple[Ints, np.ndarray]:
        """Plays and minutes of each session."""
        return m.session_lengths(self.plays, self.session)

    @property
    def flagged(self) -> float:
        """Share of all plays of the lake that the ETL flags as a robot's or as background, whether they are measured or not."""
        flags = self.lake.flag[self.lake.events.behaviour == Behaviour.PLAY]
        return float(np.isin(flags, (Flag.ROBOT, Flag.BACKGROUND)).mean())

    @property
    def counts_days(self) -> bool:
        """Whether lags in days say anything: there is a clock, and the log does not pause for most of its time."""
        return self.clock and m.covered_days(self.plays) >= 0.5

    def hazard(self, unit: str) -> tuple[np.ndarray, Ints]:
        """Hazard of a return by lag in `plays` or `days`, and how many were at risk."""
        lag, returned = r.lags_in_plays(self.plays) if unit == "plays" else r.lags_in_days(self.plays)
        return r.return_hazard(lag, returned, LAGS[unit][1])

    def slope(self, unit: str) -> float:
        """The d of the power law of returns; in days it needs a log without long pauses."""
        if unit == "days" and not self.counts_days:
            return float("nan")
        return r.power_slope(*self.hazard(unit), *LAGS[unit])


def _left(log: Log, *, seconds: float | None = None, share: float | None = None) -> float:
    left = m.left_before(log.plays, seconds=seconds, share=share)
    return float(left.mean()) if len(left) else float("nan")


def _quantile(values: np.ndarray, q: float) -> float:
    return float(np.quantile(values, q)) if len(values) else float("nan")


@dataclass(frozen=True)
class Measure:
    """One row of the table."""

    key: str
    title: str
    value: Callable[[Log], float]
    clock: bool = False
    """Needs a clock."""
    digits: int = 3


MEASURES: Final = (
    Measure("listeners", "listeners with plays", lambda log: float(len(log.plays.counts)), digits=0),
    Measure("plays", "plays", lambda log: float(len(log.plays)), digits=0),
    Measure("flagged", "share of the log's plays flagged as robots or background", lambda log: log.flagged),
    Measure("songs", "songs played", lambda log: float(len(m.plays_per_song(log.plays))), digits=0),
    Measure("repeat", "repeats, share of plays", lambda log: m.repeat_share(log.plays)),
    Measure("repeat_late", "… in the last tenth of each listener's plays", lambda log: m.repeat_share(log.plays, 0.1)),
    Measure("immediate", "immediate repeats, share of plays", lambda log: m.immediate_repeat_share(log.plays)),
    Measure("slope_plays", "power of forgetting, lag in plays (d)", lambda log: log.slope("plays"), digits=2),
    Measure("slope_days", "power of forgetting, lag in days (d)", lambda log: log.slope("days"), clock=True, digits=2),
    Measure("gini", "Gini of plays over the songs played", lambda log: m.gini(m.plays_per_song(log.plays))),
    Measure("top1", "share of plays of the top 1 % of songs", lambda log: m.top_share(m.plays_per_song(log.plays), 0.01)),
    Measure("top10", "share of plays of the top 10 % of songs", lambda log: m.top_share(m.plays_per_song(log.plays), 0.1)),
    Measure("user_p10", "plays a listener, 10 % quantile", lambda log: _quantile(log.plays.counts, 0.1), digits=0),
    Measure("user_p50", "… median", lambda log: _quantile(log.plays.counts, 0.5), digits=0),
    Measure("user_p90", "… 90 % quantile", lambda log: _quantile(log.plays.counts, 0.9), digits=0),
    Measure("user_p99", "… 99 % quantile", lambda log: _quantile(log.plays.counts, 0.99), digits=0),
    Measure("user_top10", "share of plays of the 10 % most active", lambda log: m.top_share(log.plays.counts, 0.1)),
    Measure("user_gini", "Gini of plays over listeners", lambda log: m.gini(log.plays.counts)),
    Measure("user_songs", "distinct songs a listener, median", lambda log: _quantile(m.distinct_per_user(log.plays), 0.5), digits=0),
    Measure(
        "user_artists",
        "distinct artists a listener, median",
        lambda log: _quantile(m.distinct_per_user(log.plays, log.artists), 0.5),
        digits=0,
    ),
    Measure("known_artist", "new songs by a known artist", lambda log: m.new_from_known(log.plays, log.artists)),
    Measure("known_artist_late", "… in the last tenth", lambda log: m.new_from_known(log.plays, log.artists, 0.1)),
    Measure("known_album", "new songs of a known album", lambda log: m.new_from_known(log.plays, log.albums)),
    Measure("known_album_late", "… in the last tenth", lambda log: m.new_from_known(log.plays, log.albums, 0.1)),
    Measure("session_mean", "plays a session, mean", lambda log: float(log.lengths[0].mean()), clock=True, digits=1),
    Measure("session_p50", "… median", lambda log: _quantile(log.lengths[0], 0.5), clock=True, digits=0),
    Measure("session_p90", "… 90 % quantile", lambda log: _quantile(log.lengths[0], 0.9), clock=True, digits=0),
    Measure("session_one", "sessions of one play", lambda log: float((log.lengths[0] == 1).mean()), clock=True),
    Measure("minutes_p50", "minutes a session, median", lambda log: _quantile(log.lengths[1], 0.5), clock=True, digits=1),
    Measure("minutes_mean", "… mean", lambda log: float(log.lengths[1].mean()), clock=True, digits=1),
    Measure("busiest", "share of plays in the busiest hour of the day", lambda log: float(m.by_hour(log.plays).max()), clock=True),
    Measure("calmest", "… in the calmest", lambda log: float(m.by_hour(log.plays).min()), clock=True),
    Measure("weekend", "plays of a weekend day over a weekday's", lambda log: m.weekend_ratio(log.plays), clock=True, digits=2),
    Measure("left_5s", "plays left within 5 s", lambda log: _left(log, seconds=5)),
    Measure("left_30s", "plays left within 30 s", lambda log: _left(log, seconds=30)),
    Measure("left_early", f"plays left before {ENDS_AT:.0%} of the song", lambda log: _left(log, share=ENDS_AT)),
    Measure("fresh", "plays of songs out for at most 30 days", lambda log: m.new_release_share(log.plays), clock=True),
    Measure("current", "plays of songs out for at most 18 months", lambda log: m.new_release_share(log.plays, 548), clock=True),
    Measure("organic", "plays by own choice", lambda log: m.organic_share(log.plays)),
    Measure("hearts", "hearts a play", lambda log: m.per_play(log.events, Behaviour.COLLECT), digits=4),
    Measure("downloads", "downloads a play", lambda log: m.per_play(log.events, Behaviour.DOWNLOAD), digits=4),
    Measure("shares", "shares a play", lambda log: m.per_play(log.events, Behaviour.SHARE), digits=4),
    Measure("comments", "comments a play", lambda log: m.per_play(log.events, Behaviour.COMMENT), digits=4),
    Measure("dislikes", "dislikes a play", lambda log: m.per_play(log.events, Behaviour.DISLIKE), digits=4),
    Measure("clicks", "clicks an exposure", lambda log: m.click_rate(log.events)),
)


def numbers(log: Log) -> dict[str, float]:
    """Every measure of `MEASURES` by key; nan where the log cannot say."""
    return {row.key: row.value(log) if log.clock or not row.clock else float("nan") for row in MEASURES}


def curves(log: Log) -> dict[str, list[float]]:
    """What the plots draw, each a list of numbers; empty where the log cannot say."""
    quantiles = np.linspace(0, 1, 201)
    per_song = np.sort(m.plays_per_song(log.plays))[::-1]
    whole = np.cumsum(per_song) / per_song.sum()
    shares = np.logspace(-4, 0, 81)
    at = np.clip(np.round(shares * len(per_song)).astype(int), 1, len(per_song)) - 1
    out = {
        "popularity": np.where(shares * len(per_song) >= 1, whole[at], np.nan),
        "activity": np.quantile(log.plays.counts, quantiles),
        **_hazard(log, "plays"),
        "repeat_by_place": m.mean_by(log.plays.place, m.heard_before(log.plays).astype(float), 150, 30),
        "left_by_position": m.left_by_position(log.plays, log.session, ENDS_AT) if log.clock else np.empty(0),
        **_hazard(log, "days"),
        "sessions": np.quantile(log.lengths[0], quantiles) if log.clock else np.empty(0),
        "hours": m.by_hour(log.plays) if log.clock else np.empty(0),
        "weekdays": m.by_weekday(log.plays) if log.clock else np.empty(0),
    }
    return {name: np.asarray(values, dtype=float).tolist() for name, values in out.items()}


def _hazard(log: Log, unit: str) -> dict[str, np.ndarray]:
    if unit == "days" and not log.counts_days:
        return {f"lag_{unit}": np.empty(0), f"hazard_{unit}": np.empty(0)}
    lag, chance = r.binned(*log.hazard(unit), 1, LAGS[unit][1])
    return {f"lag_{unit}": lag, f"hazard_{unit}": chance}
