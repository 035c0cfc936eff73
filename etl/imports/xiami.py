"""Xiami: 3,982 listeners of a Chinese service, their plays in order without a clock, artist and album of each song.

`sequences.lst` holds `user,track:track:…` a line; `tracks.tsv` holds `track, artist, album`, with -1 for an unknown one.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.imports.source import ImportedSource, existing, integers, plays, read_separated, spaced_ts, users_of


def import_xiami(folder: Path) -> ImportedSource:
    """Tables of the data set in `folder`: the songs that anyone played, their artists and albums, and the plays."""
    events = _events(existing(folder, "sequences.lst"))
    path = existing(folder, "tracks.tsv")
    tracks = integers(read_separated(path, ["track", "artist", "album"]), path, "track", "artist", "album")
    played = tracks.filter(pl.col("track").cast(pl.String).is_in(events["item_id"].unique().implode()))
    known = played.filter(pl.col("artist") >= 0)
    tables = {
        "songs": played.select(_id("track", "song_id"), _name("Song", "track", "title"), _id("album", "album_id")),
        "albums": _named(played, "album", "album_id", "title"),
        "artists": _named(played, "artist", "artist_id", "name"),
        "song_artists": known.select(_id("track", "song_id"), _id("artist", "artist_id"), pl.lit("singer").alias("role")),
        "users": users_of(events),
        "events": events,
    }
    return ImportedSource(tables, EvaluateDefaults("last", why="no clock: each listener's last tenth is the test"))


def _events(path: Path) -> pl.DataFrame:
    lines = read_separated(path, ["user", "tracks"], separator=",", header=False)
    rows = lines.with_columns(pl.col("tracks").str.split(":")).explode("tracks")
    rows = integers(rows, path, "tracks").with_columns(spaced_ts("user"))
    return plays(rows["user"], rows["tracks"].cast(pl.String), rows["ts"])


def _id(column: str, name: str) -> pl.Expr:
    """Text id, null where the data set says -1."""
    return pl.when(pl.col(column) >= 0).then(pl.col(column).cast(pl.String)).alias(name)


def _name(kind: str, column: str, name: str) -> pl.Expr:
    return pl.format(kind + " {}", pl.col(column)).alias(name)


def _named(tracks: pl.DataFrame, column: str, id_name: str, title: str) -> pl.DataFrame:
    known = tracks.filter(pl.col(column) >= 0).select(column).unique().sort(column)
    return known.select(_id(column, id_name), _name(column.capitalize(), column, title))
