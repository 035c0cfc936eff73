"""Themed playlists as a file: titles in both languages, columns, and what is told of themes left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from merge_house import SNAPSHOT

from kg_recall.themed import SCHEMA, summary, titles, write_themed
from recall.themes import ThemedPlaylists

VALUES = {"style": pl.String, "scene": pl.String, "emotion": pl.String}
THEMES = pl.DataFrame([("folk", "night", "calm"), ("shoegaze", None, None)], schema=VALUES, orient="row")
LEFT = pl.DataFrame([("rock", "rain", None)], schema=VALUES, orient="row").with_columns(n_fitting=pl.lit(7))
FOUND = ThemedPlaylists(
    THEMES.with_columns(n_fitting=pl.lit(3), coherence=pl.Series([0.5, 0.4])),
    np.array([0, 0, 1]),
    np.array([4, 2, 9], np.int32),
    np.array([1.0, 0.5, 0.1]),
    0.2,
    LEFT,
)


def test_titles_say_what_it_sounds_like_and_what_it_is_for() -> None:
    assert titles(THEMES, "en").to_list() == ["Calm folk for night", "Shoegaze"]
    assert titles(THEMES, "zh").to_list() == ["深夜 · 平静民谣歌单", "shoegaze歌单"]


def test_the_file_holds_a_row_for_each_song_and_names_what_was_left_out(tmp_path: Path) -> None:
    out = tmp_path / "themed.parquet"
    write_themed(FOUND, SNAPSHOT, "en", out)
    table = pq.read_table(out)
    assert table.schema.names == SCHEMA.names
    rows = table.to_pylist()
    assert [(row["playlist_id"], row["rank"], row["song_id"]) for row in rows] == [
        ("folk/night/calm", 1, "4"),
        ("folk/night/calm", 2, "2"),
        ("shoegaze//", 1, "9"),
    ]
    assert json.loads(table.schema.metadata[b"left_out"]) == [{"style": "rock", "scene": "rain", "emotion": None, "n_fitting": 7}]
    first = out.read_bytes()
    write_themed(FOUND, SNAPSHOT, "en", out)
    assert out.read_bytes() == first


def test_the_summary_names_playlists_and_themes_left_out() -> None:
    lines = summary(FOUND, "en", 20)
    assert lines[0] == "Calm folk for night: 2 songs, coherence 0.50"
    assert lines[-1] == "left out, fewer than 20 coherent songs: Rock for rain (7)"
