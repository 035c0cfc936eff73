"""Songs of Indian cinema: 57,005 songs, 12,672 albums of films (1931–2025) and others; a catalogue without events.

`albums_*.csv` and `songs_*.csv` cover one period each. A film album is the soundtrack of its film, which the source contract
calls a drama. One album id is given twice with different facts; the first stands.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.errors import UserError
from etl.imports.source import ImportedSource

ALBUM_COLUMNS = ["album_uuid", "album_title", "album_year", "album_category", "album_music_director", "album_lyricist", "album_label"]
SONG_COLUMNS = ["song_uuid", "album_uuid", "track_number", "song_title", "song_singers"]
ANONYMOUS = "Traditional"
"""Stands for nobody where the data set names a music director or lyricist."""


def import_film_songs(folder: Path) -> ImportedSource:
    """Tables of the data set in `folder`: songs, albums, singers, films as dramas, and who composed, wrote and published."""
    albums = _read(folder, "albums_*.csv", ALBUM_COLUMNS).unique("album_uuid", keep="first", maintain_order=True)
    songs = _read(folder, "songs_*.csv", SONG_COLUMNS).unique("song_uuid", keep="first", maintain_order=True)
    singers = _people(songs, "song_uuid", "song_singers")
    composed = _people(albums, "album_uuid", "album_music_director")
    written = _people(albums, "album_uuid", "album_lyricist")
    names = pl.concat([singers["name"], composed["name"], written["name"]]).unique().sort()
    films = albums.filter(_is_film())
    tables = {
        "songs": _songs(songs, albums),
        "albums": albums.select(pl.col("album_uuid").alias("album_id"), pl.col("album_title").alias("title"), _release_date()),
        "artists": pl.DataFrame({"artist_id": names, "name": names}),
        "song_artists": singers.select(
            pl.col("song_uuid").alias("song_id"), pl.col("name").alias("artist_id"), pl.lit("singer").alias("role")
        ),
        "dramas": films.select(_id("drama_id"), pl.col("album_title").alias("title"), pl.col("album_year").cast(pl.Int64).alias("year")),
        "soundtracks": films.select(_id("drama_id"), _id("album_id")),
        "triples": pl.concat([_credits(composed, "COMPOSED_BY"), _credits(written, "WRITTEN_BY"), _labels(albums)]),
        "events": pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "behaviour": pl.String, "ts": pl.Int64}),
    }
    note = "a catalogue without events: for graph, cypher and path"
    return ImportedSource(tables, EvaluateDefaults("time", why="there are no events to evaluate on"), note)


def _read(folder: Path, pattern: str, columns: list[str]) -> pl.DataFrame:
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(f"no {pattern} in {folder}: give the folder that holds the data set's files")
    try:
        frame = pl.concat([pl.read_csv(path, infer_schema=False, columns=columns) for path in paths])
    except (pl.exceptions.ColumnNotFoundError, pl.exceptions.ComputeError) as error:
        raise UserError(f"cannot read {pattern} in {folder}: {str(error).splitlines()[0]}; expected {', '.join(columns)}") from None
    return frame.select(columns).select(pl.all().str.strip_chars())


def _id(name: str) -> pl.Expr:
    return pl.col("album_uuid").alias(name)


def _release_date() -> pl.Expr:
    """Only the year is known: its first day stands for it."""
    return pl.format("{}-01-01", "album_year").alias("release_date")


def _is_film() -> pl.Expr:
    category = pl.col("album_category")
    return category.str.contains("Film", literal=True) & ~category.str.contains("Non Film", literal=True)


def _songs(songs: pl.DataFrame, albums: pl.DataFrame) -> pl.DataFrame:
    language = pl.col("album_category").str.split(",").list.first().str.strip_chars().alias("language")
    known = songs.join(albums.select("album_uuid", language, _release_date()), on="album_uuid", how="left", maintain_order="left")
    return known.select(
        pl.col("song_uuid").alias("song_id"), pl.col("song_title").alias("title"), _id("album_id"), "language", "release_date"
    )


def _people(frame: pl.DataFrame, key: str, column: str) -> pl.DataFrame:
    """`key, name`: one row for each name of a list joined by commas; a duo joined by a dash is one name."""
    names = frame.select(key, pl.col(column).str.split(",").alias("name")).explode("name").with_columns(pl.col("name").str.strip_chars())
    return names.filter(pl.col("name").is_not_null() & ~pl.col("name").is_in(["", ANONYMOUS])).unique(maintain_order=True)


def _credits(people: pl.DataFrame, relation: str) -> pl.DataFrame:
    return _facts(people, relation, pl.format("artist:{}", "name"))


def _labels(albums: pl.DataFrame) -> pl.DataFrame:
    known = albums.filter(pl.col("album_label").is_not_null() & (pl.col("album_label") != ""))
    return _facts(known, "PUBLISHED_BY", pl.format("label:{}", "album_label"))


def _facts(frame: pl.DataFrame, relation: str, tail: pl.Expr) -> pl.DataFrame:
    return frame.select(
        pl.format("album:{}", "album_uuid").alias("head"), pl.lit(relation).alias("relation"), tail.alias("tail"),
        pl.lit("film-songs").alias("source"),
    )  # fmt: skip
