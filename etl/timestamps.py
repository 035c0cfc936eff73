"""Times as sources write them (ISO-8601 text, SQL timestamps, Unix seconds) → Unix seconds, UTC."""

from __future__ import annotations

from typing import Final

import polars as pl

ISO: Final = (
    r"^(?<y>\d{4})(?:-?(?<mo>\d{2})(?:-?(?<d>\d{2})(?:[T ](?<h>\d{2}):?(?<mi>\d{2})(?::?(?<s>\d{2})(?:[.,]\d+)?)?)?)?)?"
    r"\s*(?:[Zz]|UTC|(?<sign>[+-])(?<oh>\d{2}):?(?<om>\d{2})?)?$"
)
"""Dates and times of ISO-8601, extended and basic; a month or day that is not said is the first, a zone that is not said is UTC."""
NUMBER: Final = r"^-?\d+(?:\.\d+)?$"
FIRST_YEAR: Final = 1000
LAST_YEAR: Final = 2999
"""Numbers from FIRST_YEAR to LAST_YEAR in a date column are years: as Unix seconds they would be minutes of 1970."""
EARLIEST: Final = -62_135_596_800
LATEST: Final = 253_402_300_799
"""Unix seconds in which the years 1 and 9999 begin and end: what lies outside is no time, but milliseconds or a slip."""


def unix_seconds(column: pl.Series, *, date: bool = False) -> pl.Series:
    """Unix seconds of every value, Int64, null where there is none, it cannot be read, or it is in no year from 1 to 9999.

    Args:
        column: integers or floats (Unix seconds), datetimes (naive ones are UTC), dates, or text of either kind.
        date: the column holds dates, so a number between 1000 and 2999 is a year.
    """
    seconds = _seconds(column, date).alias("seconds").to_frame()
    return seconds.select(pl.when(pl.col("seconds").is_between(EARLIEST, LATEST)).then("seconds")).to_series().alias(column.name)


def _seconds(column: pl.Series, date: bool) -> pl.Series:
    dtype = column.dtype
    if dtype == pl.String:
        return _of_text(column, date)
    if dtype.is_numeric():
        return _of_numbers(column, date)
    if isinstance(dtype, pl.Datetime):
        return _of_datetimes(column)
    if dtype == pl.Date:
        return _of_datetimes(column.cast(pl.Datetime("us")))
    return pl.Series(column.name, [None], dtype=pl.Int64).new_from_index(0, len(column))


def years(column: pl.Series) -> pl.Series:
    """Calendar year of every value, Int64: a year, or any time that `unix_seconds` reads."""
    return pl.from_epoch(unix_seconds(column, date=True), time_unit="s").dt.year().cast(pl.Int64)


def start_of_year(year: pl.Expr) -> pl.Expr:
    """Unix seconds of the first of January; null for a number that is no year."""
    return pl.datetime(pl.when(year.is_between(FIRST_YEAR, LAST_YEAR)).then(year), 1, 1).dt.epoch("s")


def _of_datetimes(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.dt.epoch("s")


def _of_numbers(column: pl.Series, date: bool) -> pl.Series:
    seconds = column.cast(pl.Float64).floor() if column.dtype.is_float() else column
    seconds = seconds.cast(pl.Int64, strict=False)
    if not date:
        return seconds
    return seconds.to_frame("seconds").select(pl.coalesce(start_of_year(pl.col("seconds")), "seconds")).to_series()


def _of_text(column: pl.Series, date: bool) -> pl.Series:
    text = column.str.strip_chars().alias("text")
    numbers = _of_numbers(text.set(~text.str.contains(NUMBER), None).cast(pl.Float64, strict=False), date)
    # Four or eight digits alone are a year or a day of the ISO basic form; a clock counted in seconds has nine or ten.
    basic = text.str.contains(r"^(?:1[0-9]|2[0-9])\d{2}(?:\d{4})?$") & (text.str.len_chars().eq(8) | date)
    iso = _of_iso(text)
    frame = pl.DataFrame({"basic": basic, "iso": iso, "number": numbers})
    return frame.select(pl.when("basic").then("iso").otherwise(pl.coalesce("number", "iso"))).to_series().alias(column.name)


def _of_iso(text: pl.Series) -> pl.Series:
    parts = text.to_frame("text").select(pl.col("text").str.extract_groups(ISO)).unnest("text")

    def part(name: str, default: str) -> pl.Expr:
        return pl.col(name).fill_null(default)

    moment = pl.format(
        "{}-{}-{} {}:{}:{}", pl.col("y"), part("mo", "01"), part("d", "01"), part("h", "00"), part("mi", "00"), part("s", "00")
    ).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
    minutes = part("oh", "0").cast(pl.Int64) * 60 + part("om", "0").cast(pl.Int64)
    offset = pl.when(pl.col("sign") == "-").then(-minutes).otherwise(minutes) * 60
    return parts.select(moment.dt.epoch("s") - offset).to_series()
