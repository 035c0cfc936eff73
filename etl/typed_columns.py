"""Columns as they came → columns of the contract's types; what cannot be read becomes null and is marked."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from etl.contract import Column, Table
from etl.timestamps import unix_seconds, years

ROW: Final = "row number"
"""Name of the column that keeps a row's place in the source table."""
LARGEST: Final = 2**31 - 1
SAMPLE: Final = 1_000
"""Values at the beginning of a column by which it is judged whether values come often: then the distinct ones are looked at alone."""
FLAGS: Final = {"0": 0, "1": 1, "f": 0, "t": 1, "false": 0, "true": 1, "no": 0, "yes": 1}


def unreadable(column: str) -> str:
    """Name of the boolean column that marks values of `column` which could not be read."""
    return f"unreadable {column}"


def typed(raw: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Every contract column of `table` in its type (null where absent), its marks, the row number, and the extras as they are."""
    rows = pl.Series(ROW, np.arange(raw.height, dtype=np.int64))
    columns = [rows]
    for column in table.columns:
        if column.name not in raw.columns:
            columns.append(pl.Series(column.name, [None], dtype=_dtype(column)).new_from_index(0, raw.height))
            continue
        value = read_values(raw[column.name], column).alias(column.name)
        columns.append(value)
        if column.type not in ("id", "text"):
            columns.append((_given(raw[column.name]) & value.is_null()).alias(unreadable(column.name)))
    extras = [raw[name] for name in raw.columns if name not in table.names]
    return pl.DataFrame(columns + extras)


def read_values(values: pl.Series, column: Column) -> pl.Series:
    """Values in the type of `column`; null where there is none or it cannot be read."""
    match column.type:
        case "id" | "text":
            return as_text(values)
        case "integer":
            number = values.cast(pl.Int64, strict=False) if values.dtype.is_integer() else as_numbers(values).round()
            return number.set(~number.is_between(-LARGEST, LARGEST), None).cast(pl.Int64)
        case "number":
            return as_numbers(values)
        case "time" | "date":
            return unix_seconds(values, date=column.type == "date")
        case "year":
            return years(values)
        case "flag":
            if values.dtype.is_integer():
                return values.set(~values.is_between(0, 1), None).cast(pl.Int8)
            return as_text(values).str.to_lowercase().replace_strict(FLAGS, default=None, return_dtype=pl.Int8)


def as_text(values: pl.Series) -> pl.Series:
    """Trimmed text; blank is null. A whole number in a float column is written without a fraction, so that ids of two tables meet."""
    if values.dtype.is_float() and values.drop_nulls().is_finite().all() and (values.drop_nulls() % 1 == 0).all():
        values = values.cast(pl.Int64)
    text = temporal_as_text(values).cast(pl.String, strict=False)
    if text.head(SAMPLE).n_unique() < SAMPLE // 2 and _are_trimmed(text.unique()):
        return text
    text = text.str.strip_chars()
    return text.set(text == "", None)


def _are_trimmed(text: pl.Series) -> bool:
    """Whether no value is blank or begins or ends with a blank."""
    return text.equals(text.str.strip_chars()) and not (text == "").any()


def temporal_as_text(values: pl.Series) -> pl.Series:
    """Dates and times in ISO form; other types as they are."""
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S")
    if values.dtype in (pl.Date, pl.Time, pl.Duration):
        return values.cast(pl.String)
    return values


def as_numbers(values: pl.Series) -> pl.Series:
    """Float64; null where a value is no finite number."""
    if not (values.dtype.is_numeric() or values.dtype in (pl.String, pl.Null)):
        return pl.Series(values.name, [None], dtype=pl.Float64).new_from_index(0, len(values))
    number = (values.str.strip_chars() if values.dtype == pl.String else values).cast(pl.Float64, strict=False)
    return number.set(~number.is_finite(), None)


def _given(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String:
        return values.is_not_null() & (values.str.strip_chars() != "").fill_null(False)
    return values.is_not_null()


def _dtype(column: Column) -> pl.DataType:
    numbers = {"integer": pl.Int64(), "number": pl.Float64(), "time": pl.Int64(), "date": pl.Int64(), "year": pl.Int64(), "flag": pl.Int8()}
    return numbers.get(column.type, pl.String())
