"""30Music sessions: 4,620 listeners of Last.fm, 121,547 plays with Unix time in five windows of five days in 2014.

The file repeats 3,205 plays exactly; they stay, so that cleaning counts them. Its played ratio is an estimate made from the
gap to the next play and not a logged length, so no `play_ms` is written.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.imports.source import ImportedSource, existing, integers, plays, read_separated, users_of

COLUMNS = ["user", "session", "track", "artist", "unix_time", "est_played_ratio", "est_gap_s", "slice"]


def import_thirtymusic(folder: Path) -> ImportedSource:
    """Tables of the data set in `folder`: songs and artists named by id, and every play of the file."""
    path = existing(folder, "events.tsv")
    rows = integers(read_separated(path, COLUMNS), path, "track", "artist", "unix_time").sort("unix_time", maintain_order=True)
    tracks = rows.select("track", "artist").unique().sort("track", "artist")
    events = plays(rows["user"], rows["track"].cast(pl.String), rows["unix_time"])
    song_id = pl.col("track").cast(pl.String).alias("song_id")
    artist_id = pl.col("artist").cast(pl.String).alias("artist_id")
    tables = {
        "songs": tracks.unique("track", maintain_order=True).select(song_id, pl.format("Song {}", "track").alias("title")),
        "artists": tracks.select("artist").unique().sort("artist").select(artist_id, pl.format("Artist {}", "artist").alias("name")),
        "song_artists": tracks.select(song_id, artist_id, pl.lit("singer").alias("role")),
        "users": users_of(events),
        "events": events,
    }
    return ImportedSource(tables, EvaluateDefaults("time", why="cut at the quantiles of event time"))
