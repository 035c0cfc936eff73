"""Content vectors of songs (text, audio, image): JSON or SQL arrays → lists of f32 of one length."""

from __future__ import annotations

import polars as pl

from etl.cleaning import Ledger
from etl.typed_columns import ROW


def is_vector_column(name: str) -> bool:
    """A column named `vector`, `vector_…` or `…_vector`."""
    return name.lower() == "vector" or name.lower().startswith("vector_") or name.lower().endswith("_vector")


def read_vectors(songs: pl.DataFrame, raw: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """`songs` with its vector columns as `list<f32>`; one that cannot be read, or of another length than most, is set aside."""
    for name in [column for column in songs.columns if is_vector_column(column)]:
        values = _numbers(songs[name])
        frame = songs.select(ROW).with_columns(value=values, given=songs[name].is_not_null())
        lengths = values.list.len().drop_nulls().value_counts().sort("count", values.name, descending=[True, False])
        usual = lengths[values.name][0] if lengths.height else 0
        unread = pl.when(pl.col("value").is_null()).then(pl.lit(f"unreadable {name}"))
        reason = unread.when(pl.col("value").list.len() != usual).then(pl.lit(f"{name} of another length"))
        marked = frame.filter("given").with_columns(reason=reason)
        bad = marked.filter(pl.col("reason").is_not_null())
        if bad.height:
            ledger.read[f"songs.{name}"] = marked.height
            ledger.set_aside(f"songs.{name}", ("song_id",), raw, bad.select(ROW, "reason"))
        songs = songs.with_columns(values.set(frame[ROW].is_in(bad[ROW].implode()), None).alias(name))
    return songs


def _numbers(values: pl.Series) -> pl.Series:
    """Lists of finite f32; null where a value is no such list."""
    if values.dtype == pl.String:
        inner = values.str.strip_chars().str.extract(r"^[\[{](.*)[\]}]$")
        values = inner.str.split(",").list.eval(pl.element().str.strip_chars())
    if not isinstance(values.dtype, pl.List):
        return pl.Series(values.name, [None], dtype=pl.List(pl.Float32)).new_from_index(0, len(values))
    lists = values.list.eval(pl.element().cast(pl.Float32, strict=False))
    sound = lists.list.eval(pl.element().is_not_null() & pl.element().is_finite()).list.all() & (lists.list.len() > 0)
    return lists.to_frame("v").select(pl.when(sound).then("v")).to_series().alias(values.name)
