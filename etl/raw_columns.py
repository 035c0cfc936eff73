"""Rows as a database driver gives them, turned into columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

NUMBERS_OR_NOTHING = (pl.Int64, pl.Float64, pl.Null)


def frame_of_rows(rows: Sequence[Sequence[Any]], names: list[str]) -> pl.DataFrame:
    """Rows of one chunk as a frame; each column takes the type that its values have."""
    return pl.DataFrame([_column(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)])


def concat_chunks(chunks: list[pl.DataFrame], names: list[str]) -> pl.DataFrame:
    """Chunks of one table below each other; a column whose chunks disagree in type becomes text unless all are numbers."""
    if not chunks:
        return pl.DataFrame({name: pl.Series(name, [], dtype=pl.String) for name in names})
    for name in names:
        kinds = {chunk.schema[name] for chunk in chunks} - {pl.Null()}
        if len(kinds) > 1 and not all(kind in NUMBERS_OR_NOTHING for kind in kinds):
            chunks = [chunk.with_columns(_as_text(chunk[name])) for chunk in chunks]
    return pl.concat(chunks, how="vertical_relaxed")


def plain_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame whose columns have only types that the lake keeps."""
    return frame.with_columns([_plain(column) for column in frame])


def _column(name: str, values: tuple[Any, ...]) -> pl.Series:
    """Values of one column. SQLite lets a column hold numbers and text side by side: such a column becomes text."""
    for dtype in (None, pl.Int128, pl.Float64):
        try:
            column = pl.Series(name, values, dtype=dtype, strict=True)
        except (TypeError, OverflowError, pl.exceptions.PolarsError):
            continue
        return _plain(column)
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _plain(column: pl.Series) -> pl.Series:
    """Only types that the lake keeps: integers, floats, text, times, lists of numbers."""
    dtype = column.dtype
    if column.null_count() == len(column):
        return column.cast(pl.Null)  # what type a column without values has, each database says in its own way
    if dtype == pl.Boolean or dtype.is_integer() or (isinstance(dtype, pl.Decimal) and dtype.scale == 0):
        whole = column.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == column.null_count() else column.cast(pl.String)  # an id of 20 digits stays exact
    if dtype.is_decimal() or dtype.is_float():
        return column.cast(pl.Float64).fill_nan(None)
    if dtype in (pl.String, pl.Null) or dtype.is_temporal() or _is_numbers(dtype):
        return column
    return _as_text(column)


def _is_numbers(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.DataType) and dtype.inner.is_numeric()


def _as_text(column: pl.Series) -> pl.Series:
    return pl.Series(column.name, [_text(value) for value in column.to_list()], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _text_of_bytes(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _text_of_bytes(value: bytes) -> str:
    """Text where the bytes are UTF-8, else hexadecimal digits: two binary ids never become one."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
