"""The lake: one cleaned snapshot of the sources, as Parquet files in a folder; events are parted by UTC day."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.events import SECONDS_PER_DAY, Events

WRITERS: Final = 2
RISING: Final = ("ts", "source", "order")
"""Columns that grow from row to row: their differences take less room, and less time, than the numbers."""
EVENTS: Final = "events"
"""Folder of the days of events: `2025-03-01.parquet` …"""
FLAGS: Final = "flags"
"""Folder of their flags, row by row."""
EPOCH: Final = dt.date(1970, 1, 1).toordinal()
EVENT_SCHEMA: Final = {
    "user": pl.Int32,
    "item": pl.Int32,
    "behaviour": pl.Int8,
    "ts": pl.Int64,
    "scene": pl.Int16,
    "play_ms": pl.Int32,
    "is_organic": pl.Int8,
    "count": pl.Float32,
    "source": pl.Int64,
}
ROBOT_SCHEMA: Final = {"user": pl.Int32, "since": pl.Int64, "until": pl.Int64, "kind": pl.String, "reason": pl.String}
TRIPLE_SCHEMA: Final = {
    "head": pl.String,
    "relation": pl.String,
    "tail": pl.String,
    "source": pl.String,
    "confidence": pl.Float32,
    "valid_from": pl.Int64,
}
COMMENT_SCHEMA: Final = {"user": pl.Int32, "item": pl.Int32, "ts": pl.Int64, "text": pl.String, "sentiment": pl.Float32}
REJECTED_SCHEMA: Final = {"table": pl.String, "reason": pl.String, "key": pl.String, "row": pl.String}


@dataclass(frozen=True)
class Lake:
    """Cleaned, integer-coded snapshot of the sources; ids are rows of the catalogue."""

    catalogue: Catalogue
    events: Events
    """Accepted events in time order, with the derived `full_play` and `skip`."""
    triples: pl.DataFrame
    """`head, relation, tail` (keys), `source` (table), `confidence` in (0, 1], `valid_from` (Unix seconds or null: always)."""
    comments: pl.DataFrame
    """`user, item` (ids), `ts`, `text`, `sentiment` in [-1, 1], in time order."""
    rejected: pl.DataFrame
    """What was set aside: `table, reason, key, row` (the source row as JSON)."""
    scenes: tuple[str, ...]
    """Scene names by the code in `Events.scene`, sorted."""
    flag: npt.NDArray[np.int8] = None  # type: ignore[assignment]
    """`[n_events]` codes of `etl.flags.Flag`: why an event is not learned from, 0 where it is (default)."""
    robots: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROBOT_SCHEMA))
    """Accounts and stretches whose plays nobody chose: `user, since, until` (Unix seconds, inclusive), `kind`, `reason`."""

    def __post_init__(self) -> None:
        if self.flag is None:
            object.__setattr__(self, "flag", np.zeros(len(self.events), dtype=np.int8))

    @property
    def last_ts(self) -> int | None:
        """Time of the last accepted event in Unix seconds, or None without events."""
        return int(self.events.ts[-1]) if len(self.events) else None

    def write(self, folder: Path) -> None:
        """Write the snapshot into `folder` (created if missing); the same lake gives the same bytes."""
        (folder / EVENTS).mkdir(parents=True, exist_ok=True)
        write_catalogue(folder, self.catalogue, self.triples, self.comments)
        self.rejected.write_parquet(folder / "rejected.parquet", compression="zstd")
        self.robots.write_parquet(folder / "robots.parquet", compression="zstd")
        write_days(folder, self.events)
        write_flags(folder, self.events.ts, self.flag)
        write_meta(folder, self.scenes, self.last_ts)

    @classmethod
    def read(cls, folder: Path) -> Lake:
        """The snapshot in `folder`.

        Raises:
            UserError: there is no lake in `folder`.
        """
        if not (folder / "meta.json").is_file():
            raise UserError(f"no lake at {folder}: run `kg-recall etl` first")
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))

        has_owners = (folder / "owners.parquet").is_file()

        def frame(name: str) -> pl.DataFrame:
            return pl.read_parquet(folder / f"{name}.parquet")

        return cls(
            catalogue=Catalogue(frame("entities"), frame("songs"), frame("users"), frame("owners") if has_owners else None),
            events=read_events(folder),
            flag=_column(folder / FLAGS, "flag"),
            robots=frame("robots"),
            triples=frame("triples"),
            comments=frame("comments"),
            rejected=frame("rejected"),
            scenes=tuple(meta["scenes"]),
        )


def write_catalogue(folder: Path, catalogue: Catalogue, triples: pl.DataFrame, comments: pl.DataFrame) -> None:
    """Write everything that is neither an event nor rejected."""
    frames = {
        "entities": catalogue.entities,
        "songs": catalogue.songs,
        "users": catalogue.users,
        "triples": triples,
        "comments": comments,
    }
    if catalogue.owners is not None:
        frames["owners"] = catalogue.owners
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet", compression="zstd")


def write_days(folder: Path, events: Events) -> None:
    """Write whole days of events. In a day's file `source` counts from 0, so that no day depends on those before."""
    days = day_runs(events.ts // SECONDS_PER_DAY)
    starts = np.array([start for _, start, _ in days], dtype=np.int64)
    frame = events_frame(replace(events, source=events.source - _sources_before(events.source, starts)))
    parts = {folder / EVENTS / f"{label_of(day)}.parquet": frame.slice(start, end - start) for day, start, end in days}
    write_parts(parts)


def write_parts(parts: Mapping[Path, pl.DataFrame]) -> None:
    """Write many small Parquet files: one alone does not keep two cores busy."""

    def write(path: Path, part: pl.DataFrame) -> None:
        table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
        deltas = {name: "DELTA_BINARY_PACKED" for name in RISING if name in part.columns}
        pq.write_table(
            table, path, compression="lz4", use_dictionary=False, column_encoding=deltas, write_statistics=False, store_schema=False
        )

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, parts.keys(), parts.values()))


def write_flags(folder: Path, ts: npt.NDArray[np.int64], flag: npt.NDArray[np.int8]) -> None:
    """Write the flags `[n]` of whole days of events that happened at `ts` `[n]`."""
    (folder / FLAGS).mkdir(exist_ok=True)
    for day, start, end in day_runs(ts // SECONDS_PER_DAY):
        part = pl.DataFrame({"flag": flag[start:end]})
        part.write_parquet(folder / FLAGS / f"{label_of(day)}.parquet", statistics=False)


def day_runs(days: npt.NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """Runs of equal values in ascending `days` `[n]`: day counted from 1970, first row, row after the last."""
    starts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    return [(int(days[start]), int(start), int(end)) for start, end in pairwise([*starts, len(days)])]


def write_meta(folder: Path, scenes: tuple[str, ...], last_ts: int | None) -> None:
    """Write `meta.json`, which is what makes a folder a lake."""
    meta = {"scenes": list(scenes), "last_ts": last_ts}
    (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_events(folder: Path) -> Events:
    """Events of all days, `source` counting through."""
    files = sorted((folder / EVENTS).glob("*.parquet"))
    if not files:
        return events_of_frame(pl.DataFrame(schema=EVENT_SCHEMA))
    events = events_of_frame(pl.read_parquet(files))
    starts = np.array([start for _, start, _ in day_runs(events.ts // SECONDS_PER_DAY)], dtype=np.int64)
    before = np.append(0, np.cumsum(np.maximum.reduceat(events.source, starts) + 1)[:-1])
    return replace(events, source=events.source + np.repeat(before, np.diff(np.append(starts, len(events)))))


def _column(folder: Path, name: str) -> npt.NDArray[np.int8]:
    files = sorted(folder.glob("*.parquet"))
    return pl.read_parquet(files)[name].to_numpy(writable=True) if files else np.empty(0, dtype=np.int8)


def _sources_before(source: npt.NDArray[np.int64], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """`[n_events]` what `read_events` adds to the `source` of each event's day; days begin at `starts`."""
    if not len(source):
        return source
    last = np.maximum.accumulate(np.maximum.reduceat(source, starts))
    return np.repeat(np.append(0, last[:-1] + 1), np.diff(np.append(starts, len(source))))


def label_of(day: int) -> str:
    """ISO date of a day counted from 1970."""
    return dt.date.fromordinal(day + EPOCH).isoformat()


def day_of(label: str) -> int:
    """Day counted from 1970 of an ISO date."""
    return dt.date.fromisoformat(label).toordinal() - EPOCH


def events_frame(events: Events) -> pl.DataFrame:
    """Events as a frame with the columns of `EVENT_SCHEMA`."""
    return pl.DataFrame({column.name: getattr(events, column.name) for column in fields(events)}, schema=EVENT_SCHEMA)


def events_of_frame(frame: pl.DataFrame) -> Events:
    """The inverse of `events_frame`: every array contiguous and writable."""
    return Events(**{name: frame[name].cast(dtype).to_numpy(writable=True) for name, dtype in EVENT_SCHEMA.items()})
