"""HetRec 2011 Last.fm with a Freebase-like graph: 1,892 users, 17,632 artists, 92,834 play counts, friends, triples.

The items are artists, so each is a row of `songs`. The data set has no clock; a user's artists keep the file's order. The tag
names of `tags.dat` come without assignments to artists, so they make no facts. `kg.txt` (KGCN's files) holds
`head, relation, tail` over entity numbers; `item_index2entity_id.txt` says which of them are artists.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.imports.source import ImportedSource, existing, integers, plays, read_separated, spaced_ts

RANDOM_SPLIT = EvaluateDefaults("random", 0.2, 0.2, why="no clock: a random fifth of the pairs is the test, as KGCN does")


def import_lastfm(folder: Path) -> ImportedSource:
    """Tables of the data set in `folder`: artists as songs, one play with its count per pair, friends and triples."""
    artists = read_separated(existing(folder, "artists.dat"), ["id", "name", "url", "pictureURL"])
    tags = read_separated(existing(folder, "tags.dat"), ["tagID", "tagValue"])
    events = _events(existing(folder, "user_artists.dat"))
    friends = read_separated(existing(folder, "user_friends.dat"), ["userID", "friendID"])
    tables = {
        "songs": artists.select(pl.col("id").alias("song_id"), pl.col("name").alias("title")),
        "triples": _triples(existing(folder, "kg.txt"), existing(folder, "item_index2entity_id.txt")),
        "users": _users(events, friends),
        "events": events,
        "friends": friends.rename({"userID": "user_id", "friendID": "friend_id"}),
    }
    note = f"the items are artists, one row of songs each; the {tags.height:,} tag names come without assignments and were left out"
    return ImportedSource(tables, RANDOM_SPLIT, note)


def _events(path: Path) -> pl.DataFrame:
    rows = integers(read_separated(path, ["userID", "artistID", "weight"]), path, "weight").with_columns(spaced_ts("userID"))
    return plays(rows["userID"], rows["artistID"], rows["ts"]).with_columns(rows["weight"].alias("count"))


def _users(events: pl.DataFrame, friends: pl.DataFrame) -> pl.DataFrame:
    ids = pl.concat([events["user_id"], friends["userID"], friends["friendID"]]).unique()
    return pl.DataFrame({"user_id": ids}).sort(pl.col("user_id").cast(pl.Int64, strict=False), "user_id")


def _triples(path: Path, links: Path) -> pl.DataFrame:
    """Facts between `song:ARTISTID` where an entity is linked to an artist, else `entity:ID`.

    A relation such as `film.actor.film` becomes `FILM_ACTOR_FILM`, a name that Cypher takes unquoted.
    """
    linked = read_separated(links, ["artist", "entity"], header=False)
    key_of = {row["entity"]: f"song:{row['artist']}" for row in linked.to_dicts()}
    rows = read_separated(path, ["head", "relation", "tail"], header=False)
    head, tail = (pl.col(side).replace_strict(key_of, default=pl.format("entity:{}", side)) for side in ("head", "tail"))
    relation = pl.col("relation").str.replace_all(r"[^0-9A-Za-z]+", "_").str.to_uppercase()
    return rows.select(head, relation, tail, pl.lit("freebase").alias("source"))
