"""The lake: one cleaned snapshot of the sources, as Parquet files in a folder; events are parted by UTC day."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.events import Events

EVENTS: Final = "events"
"""Folder of the days of events: `2025-03-01.parquet` …"""
SECONDS_PER_DAY: Final = 86_400
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
TRIPLE_SCHEMA: Final = {
    "head": pl.String,
    "relation": pl.String,
    "tail": pl.String,
    "source": pl.String,
    "confidence": pl.Float32,
    "valid_from": pl.Int64,
}
COMMENT_SCHEMA: Final = {"user": pl.Int32, "item": pl.Int32, "ts": pl.Int64, "text": pl.String}
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
    """`user, item` (ids), `ts`, `text`, in time order."""
    rejected: pl.DataFrame
    """What was set aside: `table, reason, key, row` (the source row as JSON)."""
    scenes: tuple[str, ...]
    """Scene names by the code in `Events.scene`, sorted."""

    @property
    def last_ts(self) -> int | None:
        """Time of the last accepted event in Unix seconds, or None without events."""
        return int(self.events.ts[-1]) if len(self.events) else None

    def write(self, folder: Path) -> None:
        """Write the snapshot into `folder` (created if missing); the same lake gives the same bytes."""
        (folder / EVENTS).mkdir(parents=True, exist_ok=True)
        write_catalogue(folder, self.catalogue, self.triples, self.comments)
        self.rejected.write_parquet(folder / "rejected.parquet", compression="zstd")
        write_days(folder, self.events)
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

        def frame(name: str) -> pl.DataFrame:
            return pl.read_parquet(folder / f"{name}.parquet")

        return cls(
            catalogue=Catalogue(frame("entities"), frame("songs"), frame("users")),
            events=read_events(folder),
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
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet", compression="zstd")


def write_days(folder: Path, events: Events) -> None:
    """Write whole days of events. In a day's file `source` counts from 0, so that no day depends on those before."""
    days = events.ts // SECONDS_PER_DAY
    starts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    frame = events_frame(replace(events, source=events.source - _sources_before(events.source, starts)))
    for start, end in pairwise([*starts, len(days)]):
        path = folder / EVENTS / f"{label_of(int(days[start]))}.parquet"
        frame.slice(start, end - start).write_parquet(path, compression="zstd", compression_level=1, statistics=False)


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
    days = events.ts // SECONDS_PER_DAY
    starts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    before = np.append(0, np.cumsum(np.maximum.reduceat(events.source, starts) + 1)[:-1])
    return replace(events, source=events.source + np.repeat(before, np.diff(np.append(starts, len(days)))))


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
    return pl.DataFrame({field.name: getattr(events, field.name) for field in fields(events)}, schema=EVENT_SCHEMA)


def events_of_frame(frame: pl.DataFrame) -> Events:
    """The inverse of `events_frame`: every array contiguous and writable."""
    return Events(**{field.name: frame[field.name].cast(EVENT_SCHEMA[field.name]).to_numpy(writable=True) for field in fields(Events)})
