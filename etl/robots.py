"""Robots and background playback: accounts and stretches of time whose plays nobody chose (the talk's shopping mall).

Whole accounts are `robot`: on most of their days a machine plays (many hours without an act of the hand, or hours that leave no sleep),
or they push a few songs, in loops without an act or in listens that end once they pay. A long untouched stretch of a listener's playback
is `background`. Every verdict carries its reason in a line. Nothing is dropped here: who is flagged stays in the lake and out of training.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from etl.events import SECONDS_PER_DAY
from etl.lake import ROBOT_SCHEMA
from etl.robot_rules import RobotRules

_ACTS: Final = ("clicks", "hearts", "refusals", "left", "scene_changes")
ACTS: Final = pl.sum_horizontal(_ACTS)
HOURS: Final = pl.col("hours").bitwise_count_ones()
ENOUGH_PLAYS: Final = 20
"""An account with fewer listens does not say how often listeners of its source act."""


def find_robots(activity: pl.DataFrame, rules: RobotRules) -> pl.DataFrame:
    """Which plays of whom no person chose.

    Args:
        activity: one row a user and day (`etl.activity`), of all days.
        rules: the thresholds.

    Returns:
        `user, since, until` (Unix seconds, both inclusive), `kind` ("robot" or "background") and `reason`, by user and time.
    """
    days = activity.filter(pl.col("plays") > 0).with_columns(acts=ACTS, open=HOURS)
    rate = acts_per_hour(activity)
    robots = _robots(days, rate, rules)
    background = _background(days.join(robots, on="user", how="anti"), rate, rules)
    return pl.concat([robots, background]).sort("user", "since")


def acts_per_hour(activity: pl.DataFrame) -> float:
    """How often the source's median listener acts in an hour with plays; 0 where acts are not logged."""
    totals = activity.group_by("user").agg(pl.sum("plays"), acts=ACTS.sum(), open=HOURS.sum())
    accounts = totals.filter(pl.col("plays") >= ENOUGH_PLAYS)
    rate = accounts.select((pl.col("acts") / pl.col("open")).median()).item()
    return float(rate or 0.0)


def _robots(days: pl.DataFrame, rate: float, rules: RobotRules) -> pl.DataFrame:
    """Accounts of machines, one row each."""
    found = _accounts(days, rate, rules).with_columns(
        always_on=(pl.col("machine") >= rules.days) & (pl.col("machine") >= rules.day_share * pl.col("days")),
        cut_short=(pl.col("plays") >= rules.farm_plays) & (pl.min_horizontal("brief", "looped") >= rules.brief_share * pl.col("plays")),
        looping=(pl.col("days") >= rules.loop_days) & (pl.col("looped") >= rules.loop_share * pl.col("plays")) & _silent(rate, rules),
    )
    found = found.filter(pl.col("always_on") | pl.col("cut_short") | pl.col("looping"))
    reason = pl.when("cut_short").then(_cut_short()).when("always_on").then(_always_on()).otherwise(_looping())
    return found.select("user", since="first", until="last", kind=pl.lit("robot"), reason=reason).cast(ROBOT_SCHEMA)  # type: ignore[arg-type]


def _accounts(days: pl.DataFrame, rate: float, rules: RobotRules) -> pl.DataFrame:
    """One row an account: its days, those that are a machine's, and its listens by kind."""
    silent = (pl.col("open") >= rules.day_hours) & _silent(rate, rules)
    machine = silent | (pl.col("open") >= rules.sleepless_hours)
    loop = pl.col("plays") >= rules.loop_plays_per_song * pl.col("songs")
    told = days.with_columns(machine=machine, looped=pl.when(loop).then("plays").otherwise(0))
    return told.group_by("user").agg(
        pl.min("first"),
        pl.max("last"),
        pl.len().alias("days"),
        pl.max("songs"),
        pl.sum("machine", "plays", "looped", "brief", "top_artist", "acts", "open"),
        pl.col("open").filter(pl.col("machine")).mean().alias("machine_hours"),
    )


def _silent(rate: float, rules: RobotRules) -> pl.Expr:
    """Whether the acts of a time with plays in `open` hours are far fewer than a listener's, and a listener's would be many."""
    expected = rate * pl.col("open")
    return (expected >= rules.expected_acts) & (pl.col("acts") <= rules.silence * expected)


def _background(days: pl.DataFrame, rate: float, rules: RobotRules) -> pl.DataFrame:
    """Long untouched stretches of playback, one row each."""
    silence_hours = rules.expected_acts / rate if rate > 0 else rules.unlogged_hours
    needed = min(max(silence_hours, rules.stretch_hours), rules.unlogged_hours)
    hours = (pl.col("until") - pl.col("since")) / 3_600
    loop = pl.col("plays") >= rules.loop_plays_per_song * pl.col("songs")
    # Of a stretch that goes over midnight, one of the two pieces is at least half: who has no such piece has no such stretch.
    shortest = (min(needed, rules.loop_hours) * 3_600 - rules.pause) / 2
    long = days.filter(pl.col("longest_end") - pl.col("longest_start") >= shortest).select("user").unique()
    found = _stretches(days.join(long, on="user", how="semi"), rules).filter((hours >= needed) | loop & (hours >= rules.loop_hours))
    without = "a touch" if rate * needed >= rules.expected_acts else "a break"
    reason = pl.format(f"{{}} h of plays without {without}, {{}} plays, at most {{}} songs a day", hours.round(1), "plays", "songs")
    return found.select("user", "since", "until", kind=pl.lit("background"), reason=reason).cast(ROBOT_SCHEMA)  # type: ignore[arg-type]


def _stretches(days: pl.DataFrame, rules: RobotRules) -> pl.DataFrame:
    """Untouched stretches, those of neighbouring days joined where neither midnight nor a hand parted them."""
    pieces = pl.concat([_piece(days, name) for name in ("head", "longest", "tail")]).filter(pl.col("since") >= 0)
    pieces = pieces.unique(["user", "since"]).sort("user", "since")
    goes_on = (
        (pl.col("user") == pl.col("user").shift(1))
        & (pl.col("day") == pl.col("day").shift(1) + 1)
        & pl.col("from_before")
        & pl.col("into_next").shift(1)
        & (pl.col("since") - pl.col("until").shift(1) <= rules.pause)
    )
    return pieces.group_by("user", (~goes_on).fill_null(True).cum_sum().alias("stretch")).agg(
        pl.min("since"), pl.max("until"), pl.sum("plays"), pl.max("songs")
    )


def _piece(days: pl.DataFrame, name: str) -> pl.DataFrame:
    """One of the three stretches of every day: Unix seconds of its first and last listen."""
    midnight = pl.col("day").cast(pl.Int64) * SECONDS_PER_DAY
    start = pl.col(f"{name}_start")
    return days.select(
        "user",
        "day",
        since=pl.when(start >= 0).then(midnight + start).otherwise(-1),
        until=midnight + pl.col(f"{name}_end"),
        plays=f"{name}_plays",
        songs=f"{name}_songs",
        from_before=start == pl.col("head_start"),
        into_next=start == pl.col("tail_start"),
    )


def _always_on() -> pl.Expr:
    return pl.format(
        "{} h of plays a day on {} of {} days, {} acts in {} plays, at most {} songs a day",
        pl.col("machine_hours").round(1), "machine", "days", "acts", "plays", "songs",
    )  # fmt: skip


def _cut_short() -> pl.Expr:
    return pl.format(
        "{} of {} plays end early but not before they pay, {} of them of a day's most played artist, at most {} songs a day",
        "brief", "plays", "top_artist", "songs",
    )  # fmt: skip


def _looping() -> pl.Expr:
    return pl.format(
        "{} of {} plays in loops of at most {} songs a day, {} acts in {} h of plays on {} days",
        "looped",
        "plays",
        "songs",
        "acts",
        "open",
        "days",
    )
