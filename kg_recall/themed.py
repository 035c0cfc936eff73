"""Themed playlists as a file: their titles, and a row for each song."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from embeddings.knowledge import KnowledgeEmbeddings
from kg_recall.batch import whole_file
from kg_recall.context import Context
from kg_recall.evaluation.split import TEST
from kg_recall.moments import Moments
from kg_recall.reasons import Language
from recall.snapshot import Snapshot
from recall.theme_values import DIMENSIONS
from recall.themes import ThemedPlaylists, themed_playlists

SCHEMA: Final = pa.schema(
    [
        ("playlist_id", pa.string()),
        ("title", pa.string()),
        ("style", pa.string()),
        ("scene", pa.string()),
        ("emotion", pa.string()),
        ("coherence", pa.float32()),
        ("rank", pa.int32()),
        ("song_id", pa.string()),
        ("song", pa.string()),
        ("artist", pa.string()),
    ]
)
"""Columns of the file, in order; rows by playlist, then rank. Its metadata hold `of_random`, mean cosine of two songs of the catalogue,
and `left_out`, the themes of too few songs with the number of each."""
ZH: Final = {
    "pop": "流行", "folk": "民谣", "rock": "摇滚", "electronic": "电子", "hip-hop": "说唱", "guofeng": "古风",
    "r&b": "节奏布鲁斯", "jazz": "爵士", "classical": "古典", "indie": "独立", "metal": "金属", "dance": "舞曲",
    "post-rock": "后摇", "anime": "动漫", "country": "乡村", "blues": "布鲁斯", "commute": "通勤路上", "study": "自习时分",
    "workout": "运动时刻", "night": "深夜", "rain": "雨天", "travel": "旅途中", "sleep": "睡前", "work": "工作间隙",
    "party": "派对", "morning": "清晨", "calm": "平静", "joyful": "欢快", "longing": "思念", "sad": "伤感",
    "fired-up": "热血", "healing": "治愈", "romantic": "浪漫", "nostalgic": "怀旧", "warm": "温暖", "wistful": "怅然",
}  # fmt: skip
"""What values are called in Chinese; others keep the source's word."""


def themed(context: Context) -> tuple[ThemedPlaylists, Snapshot]:
    """The playlists of a workspace at the moment of recommendation, and what they were found in.

    Raises:
        UserError: the step embed has not been run, or the source has no styles.
    """
    context.require("embed")
    knowledge = KnowledgeEmbeddings.load(context.workspace.path("models", "embeddings"))
    snapshot = Moments.of(context).after(TEST)
    snapshot = replace(snapshot, vectors=knowledge.aligned(snapshot.projection))
    return themed_playlists(snapshot, context.settings.recommend.themes), snapshot


def titles(themes: pl.DataFrame, language: Language) -> pl.Series:
    """`[n]` the title of each theme: what it sounds like, and what it is for."""
    words = themes.select(pl.col(name).replace(ZH) if language == "zh" else pl.col(name) for name in DIMENSIONS)
    style, scene, emotion = (pl.col(name) for name in DIMENSIONS)
    if language == "zh":
        for_it, sound = pl.format("{} · ", scene), pl.concat_str(emotion.fill_null(""), style, pl.lit("歌单"))
        title = pl.concat_str(for_it.fill_null(""), sound)
    else:
        sound = pl.concat_str(pl.format("{} ", emotion).fill_null(""), style)
        capital = sound.str.slice(0, 1).str.to_uppercase() + sound.str.slice(1)
        title = pl.concat_str(capital, pl.format(" for {}", scene).fill_null(""))
    return words.select(title=title)["title"]


def table(playlists: ThemedPlaylists, snapshot: Snapshot, language: Language) -> pl.DataFrame:
    """The columns of `SCHEMA`."""
    themes = playlists.themes.with_columns(
        playlist_id=pl.concat_str([pl.col(name).fill_null("") for name in DIMENSIONS], separator="/"),
        title=titles(playlists.themes, language),
    )
    songs = snapshot.catalogue.songs
    held = songs[playlists.song].select("song_id", song="title", artist="artist")
    rows = themes.drop("n_fitting")[playlists.playlist].hstack(held)
    return rows.with_columns(rank=pl.int_range(1, pl.len() + 1).over("playlist_id")).select(SCHEMA.names)


def write_themed(playlists: ThemedPlaylists, snapshot: Snapshot, language: Language, out: Path) -> None:
    """Write the playlists into one Parquet file, whole or not at all.

    Raises:
        UserError: the place cannot be written, or the disk is full.
    """
    about = {"of_random": playlists.of_random, "left_out": playlists.left_out.to_dicts()}
    schema = SCHEMA.with_metadata({name: json.dumps(value, ensure_ascii=False) for name, value in about.items()})
    with whole_file(out) as draft:
        pq.write_table(table(playlists, snapshot, language).to_arrow().cast(schema), draft, compression="zstd")


def summary(playlists: ThemedPlaylists, language: Language, least: int, most_named: int = 10) -> list[str]:
    """What was written, a line each, and which themes were left out (the fullest ones by name)."""
    n_songs = np.bincount(playlists.playlist, minlength=playlists.themes.height)
    rows = zip(titles(playlists.themes, language), n_songs.tolist(), playlists.themes["coherence"], strict=True)
    lines = [f"{title}: {n} songs, coherence {coherence:.2f}" for title, n, coherence in rows]
    left = playlists.left_out
    if left.height:
        named = [f"{title} ({n})" for title, n in zip(titles(left, language)[:most_named], left["n_fitting"], strict=False)]
        more = f" and {left.height - most_named} with fewer" if left.height > most_named else ""
        lines.append(f"left out, fewer than {least} coherent songs: {', '.join(named)}{more}")
    return lines
