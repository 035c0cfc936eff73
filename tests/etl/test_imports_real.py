"""The published counts of the public data sets."""

from pathlib import Path

import polars as pl
import pytest

from etl.imports.registry import IMPORTS
from etl.imports.source import END_TS, ImportedSource

pytestmark = pytest.mark.real_data
FOLDERS = {name: name for name in IMPORTS}


def read(name: str, data_dir: Path) -> ImportedSource:
    return IMPORTS[name](data_dir / FOLDERS[name])


def heights(source: ImportedSource) -> dict[str, int]:
    return {name: frame.height for name, frame in source.tables.items()}


def test_xiami(data_dir: Path) -> None:
    source = read("xiami", data_dir)
    counts = heights(source)
    # the published 14,827 artists count the unknown one, -1
    assert (counts["users"], counts["songs"], counts["events"], counts["artists"]) == (3_982, 55_878, 632_551, 14_826)
    events = source.tables["events"]
    assert (events.group_by("user_id").agg(pl.col("ts").max())["ts"] == END_TS).all()
    assert events["item_id"].is_in(source.tables["songs"]["song_id"].implode()).all()


def test_thirtymusic(data_dir: Path) -> None:
    source = read("thirtymusic-sessions", data_dir)
    counts = heights(source)
    assert (counts["users"], counts["songs"], counts["artists"], counts["events"]) == (4_620, 57_684, 10_355, 121_547)
    assert source.tables["events"].is_duplicated().sum() > 0
    assert 121_547 - source.tables["events"].unique().height == 3_205


def test_lastfm(data_dir: Path) -> None:
    source = read("lastfm-2k", data_dir)
    assert heights(source) == {"songs": 17_632, "triples": 15_518, "users": 1_892, "events": 92_834, "friends": 25_434}
    triples = source.tables["triples"]
    assert triples["head"].str.starts_with("song:").all()
    assert triples["relation"].str.contains(r"^[A-Z_]+$").all()
    linked = triples["head"].str.strip_prefix("song:")
    assert linked.is_in(source.tables["songs"]["song_id"].implode()).all()


def test_film_songs(data_dir: Path) -> None:
    source = read("film-songs", data_dir)
    counts = heights(source)
    assert (counts["songs"], counts["albums"], counts["events"]) == (57_005, 12_672, 0)
    # 8,916 Hindi films, the published number, and 36 English ones; 7,036 singers and the empty name
    languages = source.tables["songs"].unique("album_id").join(source.tables["soundtracks"], on="album_id")["language"]
    assert counts["dramas"] == 8_952
    assert (languages == "Hindi").sum() == 8_916
    assert source.tables["song_artists"]["artist_id"].n_unique() == 7_036
    years = source.tables["dramas"]["year"]
    assert (years.min(), years.max()) == (1931, 2025)


def test_ml1m(data_dir: Path) -> None:
    assert heights(read("ml1m-sequences", data_dir)) == {"songs": 3_416, "users": 6_040, "events": 987_019}
