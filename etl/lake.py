"""The lake: one cleaned snapshot of the sources, as Parquet files in a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import polars as pl

from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.events import Events

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
        folder.mkdir(parents=True, exist_ok=True)
        frames = {
            "entities": self.catalogue.entities,
            "songs": self.catalogue.songs,
            "users": self.catalogue.users,
            "events": events_frame(self.events),
            "triples": self.triples,
            "comments": self.comments,
            "rejected": self.rejected,
        }
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet", compression="zstd")
        meta = {"scenes": list(self.scenes), "last_ts": self.last_ts}
        (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

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
            events=events_of_frame(frame("events")),
            triples=frame("triples"),
            comments=frame("comments"),
            rejected=frame("rejected"),
            scenes=tuple(meta["scenes"]),
        )


def events_frame(events: Events) -> pl.DataFrame:
    """Events as a frame with the columns of `EVENT_SCHEMA`."""
    return pl.DataFrame({field.name: getattr(events, field.name) for field in fields(events)}, schema=EVENT_SCHEMA)


def events_of_frame(frame: pl.DataFrame) -> Events:
    """The inverse of `events_frame`: every array contiguous and writable."""
    return Events(**{field.name: frame[field.name].cast(EVENT_SCHEMA[field.name]).to_numpy(writable=True) for field in fields(Events)})
