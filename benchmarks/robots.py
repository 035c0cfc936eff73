"""Robots and background playback found in simulated services whose truth is known: precision and recall, by plays and by accounts.

Each world is simulated, read back plainly, and handed to the search day by day, as the lake does. The truth file is opened only to score.

Usage: python benchmarks/robots.py [--preset robots] [--seeds 0 1 2] [--songs 1500] [--users 400] [--days 30] [--plays-only] [--verdicts]
       python benchmarks/robots.py --real music.db
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.activity import activity, artist_codes
from etl.behaviours import NAMES, PLAYED, Behaviour
from etl.events import SECONDS_PER_DAY, Events
from etl.listens import derive_listens
from etl.robot_rules import RobotRules
from etl.robots import find_robots
from etl.rules import CleaningRules
from etl.simulation.service import run_simulation
from etl.simulation.settings import SimulationSettings

Mask = npt.NDArray[np.bool_]


class World(NamedTuple):
    """A simulated source as columns, and its truth."""

    events: Events
    duration_ms: npt.NDArray[np.int64]
    artist: npt.NDArray[np.int32]
    search: int
    is_robot: Mask
    """`[n_events]`; derived events share the truth of their play."""
    user_ids: pl.Series


class Score(NamedTuple):
    """How well a mask of what was flagged meets a mask of what should be."""

    found: int
    true: int
    both: int

    @classmethod
    def of(cls, found: Mask, true: Mask) -> Score:
        """Score of two masks of one length."""
        return cls(int(found.sum()), int(true.sum()), int((found & true).sum()))

    def row(self) -> dict[str, float]:
        """Precision, recall and the three counts by name."""
        precision = round(self.both / self.found, 4) if self.found else float("nan")
        recall = round(self.both / self.true, 4) if self.true else float("nan")
        return {"precision": precision, "recall": recall, "true": self.true, "found": self.found, "both": self.both}


COLUMNS = {"event_id": pl.String, "item_kind": pl.String, "scene": pl.String, "play_ms": pl.Int64, "is_robot": pl.Boolean}
"""What a source may lack, or only the truth has."""


def simulated(settings: SimulationSettings, folder: Path) -> World:
    """Simulate into `folder` and read the tables back."""
    run_simulation(settings, f"sqlite:///{folder / 'music.db'}", folder / "truth.parquet")
    return read(folder / "music.db", pl.read_parquet(folder / "truth.parquet").select("event_id", "is_robot"))


def read(path: Path, truth: pl.DataFrame | None = None) -> World:
    """The source at `path` (SQLite), each row once, with the truth of its events."""
    with closing(sqlite3.connect(path)) as database:
        events = pl.read_database("SELECT * FROM events", database, infer_schema_length=None).unique(maintain_order=True)
        songs = pl.read_database("SELECT * FROM songs", database, infer_schema_length=None)
        singers = pl.read_database("SELECT song_id, min(artist_id) AS artist FROM song_artists GROUP BY song_id", database)
    if truth is not None:
        events = events.join(truth, on="event_id", how="left", maintain_order="left")
    lacking = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in COLUMNS.items() if name not in events.columns]
    if "duration_ms" not in songs.columns:
        songs = songs.with_columns(duration_ms=pl.lit(None, dtype=pl.Int64))
    return _coded(
        events.with_columns(lacking).sort("ts", "event_id", maintain_order=True),
        songs.join(singers, on="song_id", how="left").sort("song_id"),
    )


def _coded(events: pl.DataFrame, songs: pl.DataFrame) -> World:
    user_ids = events["user_id"].unique().sort()
    scenes = events["scene"].drop_nulls().unique().sort()
    # Only songs have lengths; every other item gets a number beyond them.
    item = pl.when(pl.col("item_kind").fill_null("song") == "song").then(_place("item_id", songs["song_id"])).otherwise(songs.height)
    coded = events.with_columns(
        user=_place("user_id", user_ids),
        item=item,
        scene=_place("scene", scenes).fill_null(-1),
        code=_place("behaviour", pl.Series(NAMES)),
        robot=pl.col("is_robot").fill_null(False).cast(pl.Boolean),
    )
    n = coded.height
    plain = Events(
        coded["user"].to_numpy().astype(np.int32), coded["item"].to_numpy().astype(np.int32), coded["code"].to_numpy().astype(np.int8),
        coded["ts"].to_numpy().astype(np.int64), coded["scene"].to_numpy().astype(np.int16),
        coded["play_ms"].fill_null(-1).to_numpy().astype(np.int32), np.full(n, -1, np.int8), np.ones(n, np.float32), np.arange(n),
    )  # fmt: skip
    duration = songs["duration_ms"].fill_null(0).to_numpy().astype(np.int64)
    whole = derive_listens(plain, duration, CleaningRules())
    search = scenes.to_list().index("search") if "search" in scenes else -1
    return World(whole, duration, artist_codes(songs), search, coded["robot"].to_numpy()[whole.source], user_ids)


def _place(column: str, names: pl.Series) -> pl.Expr:
    return pl.col(column).replace_strict(names, pl.Series(range(len(names)), dtype=pl.Int64), default=None)


def plays_only(world: World) -> World:
    """The same world as a source that logs nothing but plays: no act of the hand, no scene, no length."""
    plays = np.flatnonzero(world.events.behaviour == Behaviour.PLAY)
    events = world.events.take(plays)
    n = len(plays)
    bare = replace(events, scene=np.full(n, -1, np.int16), play_ms=np.full(n, -1, np.int32), source=np.arange(n))
    return world._replace(events=bare, duration_ms=np.zeros_like(world.duration_ms), search=-1, is_robot=world.is_robot[plays])


def sought(world: World, rules: RobotRules) -> pl.DataFrame:
    """The verdicts on a world, its events handed over day by day."""
    events = world.events
    days = np.append(np.flatnonzero(np.diff(events.ts // SECONDS_PER_DAY, prepend=-1)), len(events))
    parts = [
        activity(events.take(slice(start, end)), world.duration_ms, world.artist, rules, search=world.search)
        for start, end in pairwise(days)
    ]
    return find_robots(pl.concat(parts), rules)


def flagged(events: Events, verdicts: pl.DataFrame) -> Mask:
    """`[n_events]` whether a verdict holds an event."""
    rows = pl.DataFrame({"user": events.user, "ts": events.ts}).with_row_index("row")
    held = rows.join(verdicts.select("user", "since", "until"), on="user").filter(pl.col("ts").is_between("since", "until"))
    mask = np.zeros(len(events), dtype=bool)
    mask[held["row"].unique().to_numpy()] = True
    return mask


def scores(world: World, verdicts: pl.DataFrame) -> dict[str, Score]:
    """Precision and recall by plays and by accounts. A whole account is a robot if all its plays are; with some it has background."""
    events = world.events
    play = np.isin(events.behaviour, PLAYED) & (events.behaviour == Behaviour.PLAY)
    found, true, user = flagged(events, verdicts)[play], world.is_robot[play], events.user[play]
    n_users = len(world.user_ids)
    plays, robot_plays = np.bincount(user, minlength=n_users), np.bincount(user, weights=true, minlength=n_users)
    whole, some = (robot_plays == plays) & (plays > 0), (robot_plays > 0) & (robot_plays < plays)
    of_kind = {kind: np.isin(np.arange(n_users), verdicts.filter(pl.col("kind") == kind)["user"]) for kind in ("robot", "background")}
    return {
        "plays, all": Score.of(found, true),
        "plays of whole accounts": Score.of(found & (whole | of_kind["robot"])[user], true & whole[user]),
        "plays of background": Score.of(found & ~(whole | of_kind["robot"])[user], true & some[user]),
        "accounts, robots": Score.of(of_kind["robot"], whole),
        "accounts with background": Score.of(of_kind["background"], some),
    }


def described(world: World, verdicts: pl.DataFrame) -> pl.DataFrame:
    """What a person needs to judge the verdicts: when, why, how even the playback is, how narrow, and what else the account played."""
    events = world.events
    artist = np.append(world.artist, np.int32(-1))[np.minimum(events.item, len(world.artist))]
    log = pl.DataFrame({"user": events.user, "ts": events.ts, "song": events.item, "artist": artist})
    log = log.filter(pl.Series(events.behaviour == Behaviour.PLAY))
    of_user = log.group_by("user").agg(account=pl.len())
    held = log.join(verdicts, on="user").filter(pl.col("ts").is_between("since", "until")).sort("user", "ts")
    gap = pl.col("ts").diff()
    facts = held.group_by("user", "since", "until", "kind", "reason").agg(
        plays=pl.len(),
        songs=pl.col("song").n_unique(),
        artists=pl.col("artist").n_unique(),
        top_song=pl.col("song").unique_counts().max(),
        gap_median=gap.median(),
        gap_p95=gap.quantile(0.95),
    )
    return (
        facts.join(of_user, on="user")
        .sort("user", "since")
        .with_columns(
            user=world.user_ids.gather(facts.sort("user", "since")["user"].to_list()),
            since=pl.from_epoch("since").dt.strftime("%F %H:%M"),
            until=pl.from_epoch("until").dt.strftime("%F %H:%M"),
        )
    )


def print_table(frame: pl.DataFrame) -> None:
    """Print a frame as Markdown."""
    print("|", " | ".join(frame.columns), "|\n|" + "---|" * frame.width)
    for row in frame.iter_rows():
        print("|", *(f"{value} |" for value in row))


def main() -> None:
    """Print the verdicts on a real source, or one Markdown row a simulated world and slice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="robots")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=1_500)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--plays-only", action="store_true", help="hide everything but plays, as in a source that logs no more")
    parser.add_argument("--verdicts", action="store_true", help="list the verdicts too")
    parser.add_argument("--real", type=Path, metavar="FILE", help="a SQLite source: list the verdicts on it instead")
    options = parser.parse_args()
    if options.real:
        world = read(options.real)
        print_table(described(world, sought(world, RobotRules())))
        return
    rows = []
    for seed in options.seeds:
        settings = SimulationSettings(options.songs, options.users, options.days, seed, options.preset)
        with TemporaryDirectory() as folder:
            whole = simulated(settings, Path(folder))
        world = plays_only(whole) if options.plays_only else whole
        verdicts = sought(world, RobotRules())
        rows += [{"preset": options.preset, "seed": seed, "what": what} | score.row() for what, score in scores(world, verdicts).items()]
        if options.verdicts:
            print_table(described(world, verdicts))
    print_table(pl.DataFrame(rows))


if __name__ == "__main__":
    main()
