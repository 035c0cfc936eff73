"""A tiny music service as source tables, for the tests of etl: every table of the contract, nothing to reject."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.lake import Lake
from etl.pipeline import build_lake
from etl.report import EtlReport
from etl.rules import CleaningRules
from etl.source import Source

Rows = list[dict[str, Any]]
NOW = 1_700_000_000
"""The time of extraction in these tests."""
DAY = 86_400


def rows(columns: str, *values: Sequence[Any]) -> Rows:
    """Rows as dicts; `columns` are names parted by blanks."""
    return [dict(zip(columns.split(), row, strict=True)) for row in values]


def house() -> dict[str, Rows]:
    """Tables of the service; a new copy at each call."""
    return {
        "songs": rows(
            "song_id title album_id language release_date duration_ms popularity tempo vector",
            ("s1", "夜航星", "b1", "Mandarin", "2019-05-01", 200_000, 9.5, 120, "[1.0, 0.5]"),
            ("s2", "Night Sail", "b1", "English", "2019-05-01T00:00:00Z", 100_000, 3, 90, "[0, 1]"),
            ("s3", "Lantern", None, None, None, None, None, None, None),
        ),
        "albums": rows("album_id title release_date", ("b1", "Harbour", "2019")),
        "artists": rows("artist_id name", ("a1", "Lin"), ("a2", "Mo")),
        "song_artists": rows(
            "song_id artist_id role", ("s1", "a1", "singer"), ("s2", "a1", None), ("s2", "a2", "featured"), ("s3", "a2", "composer")
        ),
        "song_tags": rows("song_id kind tag weight", ("s1", "style", "folk", None), ("s2", "scene", "night", 0.4)),
        "dramas": rows("drama_id title year", ("d1", "The Long Street", 2018)),
        "soundtracks": rows("drama_id album_id song_id", ("d1", "b1", None), ("d1", None, "s3")),
        "variety_shows": rows("show_id title", ("w1", "Voice of Night")),
        "show_appearances": rows("show_id season artist_id song_id", ("w1", 1, "a1", "s1"), ("w1", 2, "a2", None)),
        "mvs": rows("mv_id title song_id published_at", ("m1", "夜航星 MV", "s1", 1_580_000_000)),
        "mlogs": rows("mlog_id title song_id published_at", ("g1", "A walk", "s2", None)),
        "playlists": rows("playlist_id title owner", ("p1", "Late", "u1")),
        "playlist_songs": rows("playlist_id song_id position", ("p1", "s1", 1), ("p1", "s1", 3), ("p1", "s2", 2)),
        "triples": rows(
            "head relation tail valid_from source confidence",
            ("artist:a1", "influenced by", "artist:a2", None, None, 0.5),
            ("album:b1", "published_by", "label:Blue Kite", "2020-01-01", "press", None),
        ),
        "users": rows("user_id gender birth_year", ("u1", "female", 1990), ("u2", None, None)),
        "events": events(
            ("e1", "u1", "s1", "play", NOW - 500, None, "daily", 190_000, 1),
            ("e2", "u1", "s2", "play", NOW - 400, "song", "search", 9_000, 0),
            ("e3", "u1", "s3", "play", NOW - 300, None, None, None, None),
            ("e4", "u3", "m1", "play", NOW - 250, "mv", "mv", 60_000, None),
            ("e5", "u2", "a2", "block_artist", NOW - 200, None, None, None, None),
            ("e6", "u1", "s1", "comment", NOW - 100, None, None, None, None),
        ),
        "friends": rows("user_id friend_id", ("u1", "u3")),
        "comments": rows("user_id song_id ts text", ("u1", "s1", NOW - 100, "so calm"), ("u4", "s2", NOW - 50, "again")),
    }


def events(*values: Sequence[Any]) -> Rows:
    return rows("event_id user_id item_id behaviour ts item_kind scene play_ms is_organic", *values)


def write_sqlite(path: Path, tables: Mapping[str, Rows]) -> str:
    """A database of untyped columns at `path`; returns its URL. A table without rows gets the columns of `house`;
    a row may leave columns out."""
    with sqlite3.connect(path) as connection:
        for name, table in tables.items():
            columns = list(dict.fromkeys(column for row in table or house()[name] for column in row))
            connection.execute(f'CREATE TABLE "{name}" ({", ".join(columns)})')
            marks = ", ".join("?" * len(columns))
            connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', [tuple(map(row.get, columns)) for row in table])
    connection.close()
    return f"sqlite:///{path}"


def build(
    path: Path, tables: Mapping[str, Rows], rules: CleaningRules | None = None, max_rejected: float = 1.0, **mapping: str
) -> tuple[Lake, EtlReport]:
    """The lake of `tables`, written to a new SQLite file at `path`."""
    source = Source(write_sqlite(path, tables), mapping)
    return build_lake(source, rules or CleaningRules(), max_rejected=max_rejected, now=NOW, progress=None)
