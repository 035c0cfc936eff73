"""Which rows of `events` an extraction must read again: those of the last days read, and all that came after."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import polars as pl

from etl.events import SECONDS_PER_DAY
from etl.timestamps import EARLIEST

NUMBER, TIME, ZONED, DATE, TEXT, MIXED = "number", "time", "zoned", "date", "text", "mixed"
"""How a source writes `ts`: Unix seconds, SQL timestamps without or with a zone, SQL dates, ISO-8601 text in UTC, or in no one way."""
DAY_FIRST: Final = r"^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?:\s*Z|\s*z|\s*UTC)?$"
"""Text whose order is that of the days it names: the extended form of ISO-8601, and no offset from UTC."""


_ELAPSED: Final = "TIMESTAMPDIFF(SECOND, '1970-01-01', {})"
_EPOCH: Final = "CASE WHEN isfinite({0}) THEN CAST(FLOOR(EXTRACT(EPOCH FROM {0})) AS BIGINT) END"
_WHOLE: Final = f"CASE WHEN {{0}} >= {EARLIEST} THEN CAST(FLOOR({{0}}) AS {{1}}) END"
_SECONDS: Final = {
    ("sqlite", NUMBER): f"CASE WHEN {{0}} >= {EARLIEST} THEN CAST({{0}} AS INTEGER) END",
    ("sqlite", TEXT): "CAST(strftime('%s', SUBSTR({}, 1, 19)) AS INTEGER)",
    ("postgresql", NUMBER): _WHOLE.format("{0}", "BIGINT"),
    **{("postgresql", form): _EPOCH for form in (TIME, ZONED, DATE)},
    ("mysql", NUMBER): _WHOLE.format("{0}", "SIGNED"),
    ("mysql", TEXT): _ELAPSED.format("LEFT({}, 19)"),
    **{("mysql", form): _ELAPSED for form in (TIME, DATE)},
}
"""Unix seconds of a column, in SQL: whole numbers, so that their sum has no order. A fraction of a second and a zone (UTC) are cut off."""


def seconds_in_sql(dialect: str, form: str, column: str) -> str | None:
    """SQL for the Unix seconds of a `column` (quoted); null where the database cannot read one. None where nothing cheap is sure:
    text on PostgreSQL, whose casts end a query at the first text that is no time, and databases that nobody tried.
    """
    template = _SECONDS.get(("mysql" if dialect == "mariadb" else dialect, form))
    return template.format(column) if template else None


def form_of(raw: pl.Series, ts: pl.Series) -> str | None:
    """Form of the times of one batch.

    Args:
        raw: values as they came.
        ts: the same in Unix seconds, null where a value cannot be read.

    Returns:
        A form; None where there is no value.
    """
    dtype = raw.dtype
    if raw.null_count() == len(raw):
        return None
    if dtype == pl.String:
        return TEXT if _days_first(raw, ts) else MIXED
    if isinstance(dtype, pl.Datetime):
        return ZONED if dtype.time_zone else TIME
    return DATE if dtype == pl.Date else NUMBER if dtype.is_numeric() else MIXED


def _days_first(raw: pl.Series, ts: pl.Series) -> bool:
    """True where a comparison of texts parts the days: what can be read begins with its day, what cannot does not begin with a digit."""
    frame = pl.DataFrame({"raw": raw, "read": ts.is_not_null()}).drop_nulls("raw")
    sound = pl.when("read").then(pl.col("raw").str.contains(DAY_FIRST)).otherwise(~pl.col("raw").str.contains(r"^\d"))
    return bool(frame.select(sound.all()).item())


def one_form(forms: set[str]) -> str:
    """The form of several batches together."""
    return forms.pop() if len(forms) == 1 else MIXED


def moment(form: str, day: int) -> Any:
    """The first moment of a day (counted from 1970), as a source of that form is asked for it."""
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=day)
    match form:
        case "number":
            return day * SECONDS_PER_DAY
        case "text":
            return start.date().isoformat()
        case "date":
            return start.date()
        case "time":
            return start.replace(tzinfo=None)
        case "zoned":
            return start
    raise ValueError(f"a source of {form} times has no order to ask by")
