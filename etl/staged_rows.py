"""One batch of the table `events` → rows that pass every rule which looks at a row alone, coded in small integers."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from etl.behaviours import NAMES
from etl.cleaning import Check, checked, rejected_rows
from etl.codebook import Codebook
from etl.contract import KINDS, TABLES
from etl.events import SECONDS_PER_DAY
from etl.typed_columns import ROW, unreadable
from etl.watermark import form_of

ITEM_KINDS: Final = tuple(kind for kind in KINDS if kind != "user")
EVENTS: Final = TABLES["events"]
FIRST_TS: Final = -62_135_596_800
"""First second of the year 1: the calendar has no day before it."""
BEFORE_NUMBER: Final = string.ascii_letters + "-_:.#/"
"""What an event id may begin with whose rest is its number: of events of one second, the smaller number came first."""
STAGED_SCHEMA: Final = {
    "day": pl.Int32,
    "ts": pl.Int64,
    "order": pl.Int64,
    "event_id": pl.String,
    "user": pl.Int32,
    "item": pl.Int32,
    "behaviour": pl.Int8,
    "scene": pl.Int32,
    "play_ms": pl.Int32,
    "is_organic": pl.Int8,
    "count": pl.Float32,
    "key": pl.UInt64,
}
SECONDS: Final = "seconds of events"
"""Name under which the sum of all times of a day is counted."""
READ_SCHEMA: Final = {"day": pl.Int32, "name": pl.String, "n": pl.Int64}
CONTENT: Final = ("user", "item", "behaviour", "ts", "scene", "play_ms")
"""What tells events without an id apart."""


@dataclass
class Codebooks:
    """Names of users, items (`kind:id`) and scenes that staged rows hold as codes."""

    users: Codebook = field(default_factory=Codebook)
    items: Codebook = field(default_factory=Codebook)
    scenes: Codebook = field(default_factory=Codebook)

    def write(self, folder: Path) -> None:
        """Write the three into `folder`."""
        for name, book in vars(self).items():
            book.write(folder / f"{name}.parquet")

    @classmethod
    def read(cls, folder: Path) -> Codebooks:
        """What `write` wrote."""
        return cls(*(Codebook.read(folder / f"{name}.parquet") for name in ("users", "items", "scenes")))


@dataclass(frozen=True)
class StagedBatch:
    """What became of one batch; `day` counts from 1970 and is null where a row has no time."""

    rows: pl.DataFrame
    """Accepted rows with the columns of `STAGED_SCHEMA`, in source order."""
    rejected: pl.DataFrame
    """`day` and the columns of `REJECTED_SCHEMA`."""
    read: pl.DataFrame
    """`day, name, n`: rows read, the sum of their times, and values given in each optional column that can be unreadable."""
    n_read: int
    form: str | None
    """How the source writes times (`etl.watermark.form_of`); None where the batch has none."""


def stage_batch(raw: pl.DataFrame, books: Codebooks, last_ts: int) -> StagedBatch:
    """Check and code the rows of `raw`; times after `last_ts` (Unix seconds) are in the future.

    References to items and keys that several rows share are left for when everything has been read.
    """
    marked = checked(
        EVENTS,
        raw,
        {},
        Check("unreadable ts", pl.col("ts") < FIRST_TS),
        Check("future ts", pl.col("ts") > last_ts),
        Check("unknown behaviour", ~pl.col("behaviour").is_in(NAMES)),
        Check("unknown item_kind", ~pl.col("item_kind").is_in(ITEM_KINDS)),
        read_as=(_behaviour(), _item_kind()),
    )
    calendar = pl.when(pl.col("ts") >= FIRST_TS).then(pl.col("ts").floordiv(SECONDS_PER_DAY)).cast(pl.Int32, strict=False)
    marked = marked.with_columns(day=calendar)
    good = marked.filter(pl.col("reason").is_null())
    rejected = [_rejected("events", raw, marked.filter(pl.col("reason").is_not_null()))]
    counts = [_counts(marked, "events", pl.col(ROW).is_not_null()), _counts(marked, SECONDS, pl.col("ts"))]
    for name in (column.name for column in EVENTS.columns if not column.required and unreadable(column.name) in marked.columns):
        unread = pl.col(unreadable(name))
        rejected.append(_rejected(f"events.{name}", raw, good.filter(unread).with_columns(reason=pl.lit(f"unreadable {name}"))))
        counts.append(_counts(good, f"events.{name}", unread | pl.col(name).is_not_null()))
    return StagedBatch(_coded(good, books), pl.concat(rejected), pl.concat(counts), raw.height, form_of(raw["ts"], marked["ts"]))


def _behaviour() -> pl.Expr:
    return pl.col("behaviour").str.to_lowercase()


def _item_kind() -> pl.Expr:
    """Kind of the item of a row; what a listener blocks with `block_artist` is an artist, whatever the kind says."""
    given = pl.col("item_kind").str.to_lowercase().fill_null("song")
    return pl.when(_behaviour() == "block_artist").then(pl.lit("artist")).otherwise(given).alias("item_kind")


def _coded(good: pl.DataFrame, books: Codebooks) -> pl.DataFrame:
    codes = {name: code for code, name in enumerate(NAMES)}
    item = good.select(pl.concat_str("item_kind", pl.lit(":"), "item_id")).to_series()
    coded = good.select(
        "day",
        "ts",
        _number_in_id().alias("order"),
        "event_id",
        books.users.encode(good["user_id"]).alias("user"),
        books.items.encode(item).alias("item"),
        pl.col("behaviour").replace_strict(codes, return_dtype=pl.Int8),
        books.scenes.encode(good["scene"]).alias("scene"),
        pl.col("play_ms").fill_null(-1).cast(pl.Int32),
        pl.col("is_organic").fill_null(-1).cast(pl.Int8),
        pl.col("count").fill_null(1.0).cast(pl.Float32),
    )
    return coded.with_columns(_key(named=coded["event_id"].null_count() == 0)).select(list(STAGED_SCHEMA))


def _number_in_id() -> pl.Expr:
    return pl.col("event_id").str.strip_chars_start(BEFORE_NUMBER).str.to_integer(strict=False).fill_null(0)


def _key(named: bool) -> pl.Expr:
    """Hash of what no two events share: the id, or without one the content. Rows of equal hash are compared in full later."""
    own, content = pl.col("event_id").hash(), pl.struct(CONTENT).hash()
    # The hash of nothing is a number too.
    return (own if named else pl.when(pl.col("event_id").is_null()).then(content).otherwise(own)).alias("key")


def _rejected(name: str, raw: pl.DataFrame, marked: pl.DataFrame) -> pl.DataFrame:
    return rejected_rows(name, EVENTS.key, raw, marked).insert_column(0, marked["day"])


def _counts(frame: pl.DataFrame, name: str, counted: pl.Expr) -> pl.DataFrame:
    return frame.group_by("day").agg(n=counted.sum().cast(pl.Int64)).select("day", pl.lit(name).alias("name"), "n")


def named_rows(staged: pl.DataFrame, books: Codebooks, columns: Sequence[str]) -> pl.DataFrame:
    """Staged rows with the `columns` of the source again: how a row reads that is set aside after all."""
    items = books.items.decode(staged["item"])
    known = {name: pl.when(pl.col(name) >= 0).then(pl.col(name)) for name in ("play_ms", "is_organic")}
    named = staged.select(
        "event_id",
        books.users.decode(staged["user"]).alias("user_id"),
        items.str.replace("^[^:]*:", "").alias("item_id"),
        pl.col("behaviour").replace_strict(dict(enumerate(NAMES)), return_dtype=pl.String),
        "ts",
        items.str.extract("^([^:]*):").alias("item_kind"),
        books.scenes.decode(staged["scene"]).alias("scene"),
        **known,
        count="count",
    )
    return named.select(columns)
