"""Value shapes: what the sampled values of a column look like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import polars as pl
import sqlalchemy as sa

from etl.timestamps import unix_seconds

TimeForm = Literal["written", "day", "seconds", "milliseconds", "yyyymmdd", "year"]
"""How a time is written: SQL or ISO with a time of day, without one, Unix seconds or milliseconds, an integer like 20240501, a year."""
READABLE: Final = 0.9
"""Share of the sampled values that must be times before a column counts as one."""
NUMBERS: Final[dict[TimeForm, tuple[float, float]]] = {
    "seconds": (3e8, 4e9),
    "milliseconds": (3e11, 4e12),
    "yyyymmdd": (1_900_01_01, 2_100_12_31),
    "year": (1_900, 2_100),
}
"""Form → range of its numbers."""


@dataclass(frozen=True)
class Shape:
    """What was seen of one column."""

    family: Literal["integer", "number", "text", "time", "other"]
    values: pl.Series = field(repr=False)
    """Sampled values without nulls."""
    nulls: int
    distinct: int
    flag: bool
    """A truth value: boolean, or integers 0 and 1."""
    time: TimeForm | None
    boolean: bool = False
    """Of the SQL type boolean."""

    @classmethod
    def of(cls, column: pl.Series, sql_type: Any) -> Shape:
        """Shape of the sampled values; of an empty column its SQL type speaks."""
        values = column.drop_nulls()
        family = _family(values, sql_type)
        boolean = isinstance(sql_type, sa.Boolean)
        flag = boolean or (family == "integer" and len(values) > 0 and values.is_in([0, 1]).all())
        return cls(family, values, len(column) - len(values), values.n_unique(), flag, _time(values, family), boolean)

    @property
    def distinct_share(self) -> float:
        """Different values by values; 0 where there is none."""
        return self.distinct / len(self.values) if len(self.values) else 0.0

    @property
    def numeric(self) -> bool:
        """True for integers and other numbers."""
        return self.family in ("integer", "number")

    @property
    def listed(self) -> bool:
        """True for text that names one of a few things."""
        return self.family == "text" and 0 < self.distinct <= max(12, len(self.values) // 5)

    def texts(self) -> list[str]:
        """The different values of a text column, by frequency, then by name."""
        if self.family != "text":
            return []
        counts = self.values.alias("value").value_counts(name="n")
        return list(counts.sort("n", "value", descending=[True, False])["value"])

    def span(self) -> str:
        """Smallest and largest value, in words."""
        if not len(self.values) or self.family == "other":
            return "no values"
        first, last = str(self.values.min()), str(self.values.max())
        return f"{first}…{last}"


def _family(values: pl.Series, sql_type: Any) -> Literal["integer", "number", "text", "time", "other"]:
    dtype = values.dtype if len(values) else _declared(sql_type)
    if dtype.is_integer() or dtype == pl.Boolean:
        return "integer"
    if dtype.is_numeric():
        return "number"
    if dtype == pl.String:
        return "text"
    return "time" if dtype in (pl.Date, pl.Datetime) else "other"


def _declared(sql_type: Any) -> pl.DataType:
    kinds = ((sa.Boolean, pl.Boolean), (sa.Integer, pl.Int64), (sa.Numeric, pl.Float64), (sa.DateTime, pl.Datetime), (sa.Date, pl.Date))
    return next((polars() for kind, polars in kinds if isinstance(sql_type, kind)), pl.String())


def _time(values: pl.Series, family: str) -> TimeForm | None:
    if family == "time":
        return "day" if values.dtype == pl.Date else "written"
    if family in ("integer", "number"):
        return _time_of_numbers(values)
    return _time_of_text(values) if family == "text" and len(values) else None


def _time_of_numbers(values: pl.Series) -> TimeForm | None:
    number = values.cast(pl.Float64)
    for form, (first, last) in NUMBERS.items():
        inside = number.is_between(first, last)
        if form == "yyyymmdd":
            inside &= (number // 100 % 100).is_between(1, 12) & (number % 100).is_between(1, 31)
        if len(values) and float(inside.mean() or 0.0) >= READABLE:  # type: ignore[arg-type]
            return form
    return None


def _time_of_text(values: pl.Series) -> TimeForm | None:
    text = values.str.strip_chars()
    plain = text.str.contains(r"^\d+(\.\d+)?$")
    if plain.all():
        number = text.cast(pl.Float64, strict=False).drop_nulls()
        form = _time_of_numbers(number)
        return "day" if form == "yyyymmdd" else form
    if float((unix_seconds(text, date=True).is_not_null() & ~plain).mean() or 0.0) < READABLE:  # type: ignore[arg-type]
        return None
    return "written" if text.str.contains(r"[T ]\d").any() else "day"
