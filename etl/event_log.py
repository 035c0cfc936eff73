"""The table `events` → accepted events in time order, comments joined in, each once."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from etl.behaviours import NAMES, Behaviour
from etl.cleaning import Check, Ledger, clean
from etl.contract import KINDS, TABLES
from etl.events import Events
from etl.lake import COMMENT_SCHEMA, EVENT_SCHEMA, events_of_frame
from etl.rules import CleaningRules

ITEM_KINDS: Final = tuple(kind for kind in KINDS if kind != "user")
LISTENED: Final = (Behaviour.FULL_PLAY, Behaviour.SKIP)
"""What a source may say of a play in a row of its own."""


def clean_events(raw: pl.DataFrame, ledger: Ledger, item_keys: pl.Series, last_ts: int) -> pl.DataFrame:
    """Accepted rows of `events` in source order.

    Args:
        raw: rows as they came.
        ledger: takes counts and rejected rows.
        item_keys: keys of every entity that an event may name.
        last_ts: Unix seconds after which a time is in the future.
    """
    unknown_item = ~item_key().is_in(item_keys.implode())
    return clean(
        TABLES["events"],
        raw,
        ledger,
        {},
        Check("future ts", pl.col("ts") > last_ts),
        Check("unknown behaviour", ~_behaviour().is_in(NAMES)),
        Check("unknown item_kind", ~_item_kind().is_in(ITEM_KINDS)),
        Check("dangling item_id", unknown_item),
    )


def clean_comments(raw: pl.DataFrame, ledger: Ledger, song_ids: pl.Series, last_ts: int) -> pl.DataFrame:
    """Accepted rows of `comments` in source order."""
    return clean(TABLES["comments"], raw, ledger, {"song": song_ids}, Check("future ts", pl.col("ts") > last_ts))


def item_key() -> pl.Expr:
    """Key of an event's item; what a listener blocks with `block_artist` is an artist, whatever the kind says."""
    return pl.concat_str(_item_kind(), pl.lit(":"), pl.col("item_id"))


def _behaviour() -> pl.Expr:
    return pl.col("behaviour").str.to_lowercase()


def _item_kind() -> pl.Expr:
    given = pl.col("item_kind").str.to_lowercase().fill_null("song")
    return pl.when(_behaviour() == "block_artist").then(pl.lit("artist")).otherwise(given)


def event_table(events: pl.DataFrame, comments: pl.DataFrame) -> pl.DataFrame:
    """All accepted events in time order, by name: `user_id, key, scene` as text, the other columns as in `EVENT_SCHEMA`.

    A comment without an event becomes one. A `full_play` or `skip` that the source gives at the moment of the user's `play` of
    the same item shares that play's `source` and follows it.
    """
    codes = {name: code for code, name in enumerate(NAMES)}
    given = events.select(
        "user_id",
        item_key().alias("key"),
        _behaviour().replace_strict(codes, return_dtype=pl.Int8).alias("behaviour"),
        "ts",
        "scene",
        pl.col("play_ms").fill_null(-1).cast(pl.Int32),
        pl.col("is_organic").fill_null(-1).cast(pl.Int8),
        pl.col("count").fill_null(1.0).cast(pl.Float32),
    )
    every = pl.concat([given, _comment_events(given, comments)])
    # The sort is stable: events of one second keep the order of the source.
    every = every.sort("ts", maintain_order=True).with_columns(pl.Series("source", np.arange(every.height, dtype=np.int64)))
    return _share_source_of_play(every)


def _comment_events(events: pl.DataFrame, comments: pl.DataFrame) -> pl.DataFrame:
    """Comments that no comment event tells of, as events."""
    said = comments.select("user_id", pl.concat_str(pl.lit("song:"), "song_id").alias("key"), "ts").unique(maintain_order=True)
    known = events.filter(pl.col("behaviour") == Behaviour.COMMENT.value)
    new = said.join(known, on=["user_id", "key", "ts"], how="anti", maintain_order="left")
    return new.select(
        "user_id",
        "key",
        pl.lit(Behaviour.COMMENT.value, dtype=pl.Int8).alias("behaviour"),
        "ts",
        pl.lit(None, dtype=pl.String).alias("scene"),
        pl.lit(-1, dtype=pl.Int32).alias("play_ms"),
        pl.lit(-1, dtype=pl.Int8).alias("is_organic"),
        pl.lit(1.0, dtype=pl.Float32).alias("count"),
    )


def _share_source_of_play(events: pl.DataFrame) -> pl.DataFrame:
    listened = pl.col("behaviour").is_in([behaviour.value for behaviour in LISTENED])
    if events.filter(listened).is_empty():
        return events
    moment = ["user_id", "key", "ts"]
    plays = events.filter(pl.col("behaviour") == Behaviour.PLAY.value).unique(moment, keep="first", maintain_order=True)
    joined = events.join(plays.select(*moment, play="source"), on=moment, how="left", maintain_order="left")
    source = pl.when(listened).then(pl.coalesce("play", "source")).otherwise("source")
    return joined.with_columns(source=source, order=listened).sort("source", "order", maintain_order=True).drop("play", "order")


def code_events(table: pl.DataFrame, keys: pl.Series, user_ids: pl.Series, scenes: tuple[str, ...]) -> Events:
    """`event_table` with ids: rows of the catalogue's entities `keys` and users, and places in `scenes`."""
    coded = table.with_columns(
        item=_places(table["key"], keys),
        user=_places(table["user_id"], user_ids),
        scene=_places(table["scene"], pl.Series(scenes, dtype=pl.String)).fill_null(-1),
    )
    return events_of_frame(coded.select(list(EVENT_SCHEMA)).cast(EVENT_SCHEMA))  # type: ignore[arg-type]


def code_comments(comments: pl.DataFrame, song_ids: pl.Series, user_ids: pl.Series) -> pl.DataFrame:
    """`Lake.comments`: ids in place of names, in time order."""
    coded = comments.with_columns(item=_places(comments["song_id"], song_ids), user=_places(comments["user_id"], user_ids))
    return coded.select(list(COMMENT_SCHEMA)).cast(COMMENT_SCHEMA).sort("ts", "user", "item", "text")  # type: ignore[arg-type]


def _places(values: pl.Series, names: pl.Series) -> pl.Series:
    """Place of each value in `names`; null where it is in none."""
    place = pl.DataFrame({"name": names, "place": pl.Series(np.arange(len(names), dtype=np.int64))})
    return values.to_frame("name").join(place, on="name", how="left", maintain_order="left")["place"]


def last_accepted_ts(now: int, rules: CleaningRules) -> int:
    """Unix seconds of the last moment that is not yet in the future, for an extraction at `now`."""
    return now + rules.future_tolerance
