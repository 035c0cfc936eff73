"""MovieLens-1M as sequences: 6,040 users, the films that each rated in time order, without the times.

The items are films; each is a row of `songs` named by id, so that sequence models can be compared with published figures.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.imports.source import ImportedSource, existing, integers, plays, read_separated, spaced_ts, users_of


def import_ml1m(folder: Path) -> ImportedSource:
    """Tables of the data set in `folder`: line n of `sequences.txt` is what user n rated, in time order."""
    path = existing(folder, "sequences.txt")
    lines = read_separated(path, ["items"], header=False).with_row_index("user", offset=1)
    rows = lines.with_columns(pl.col("items").str.split(" "), pl.col("user").cast(pl.String)).explode("items")
    rows = integers(rows, path, "items").with_columns(spaced_ts("user"))
    events = plays(rows["user"], rows["items"].cast(pl.String), rows["ts"])
    items = rows.select("items").unique().sort("items")
    tables = {
        "songs": items.select(pl.col("items").cast(pl.String).alias("song_id"), pl.format("Film {}", "items").alias("title")),
        "users": users_of(events),
        "events": events,
    }
    return ImportedSource(tables, EvaluateDefaults("last", why="no clock: each user's last tenth is the test"))
