"""Profile columns of the users as codes: a vocabulary for text, quantile buckets for numbers and dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

MAX_VALUES = 1_000
"""Values of a text column that get a code of their own: the most frequent."""
BUCKETS = 16
DATE_SHARE = 0.9
"""A text column is one of dates where so many of its values begin with one (`2024-05-31`)."""


@dataclass(frozen=True)
class Column:
    """How one column becomes codes `0 .. size - 1`; 0 is a missing or unknown value."""

    name: str
    values: tuple[str, ...] | None
    """Vocabulary of a text column; None for a number."""
    edges: tuple[float, ...] = ()
    """Inner edges of the buckets of a number."""
    is_date: bool = False

    @property
    def size(self) -> int:
        """Number of codes."""
        return 1 + (len(self.values) if self.values is not None else len(self.edges) + 1)

    def encode(self, users: pl.DataFrame) -> npt.NDArray[np.int64]:
        """Codes `[n_users]`; all 0 where the column is missing."""
        if self.name not in users.columns:
            return np.zeros(users.height, np.int64)
        if self.values is not None:
            code_of = {value: code for code, value in enumerate(self.values, 1)}
            text = users[self.name].cast(pl.String)
            return text.replace_strict(code_of, default=0, return_dtype=pl.Int64).fill_null(0).to_numpy()
        number = _number(users[self.name], self.is_date)
        return np.where(np.isnan(number), 0, 1 + np.searchsorted(np.array(self.edges), number, side="right"))


@dataclass(frozen=True)
class ProfileSchema:
    """The columns that a model takes from the users."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, users: pl.DataFrame) -> Self:
        """The schema of every column beside `user_id` that tells users apart; nested columns are left out."""
        found = [_column(users[name]) for name in sorted(users.columns) if name != "user_id" and not users[name].dtype.is_nested()]
        return cls(tuple(column for column in found if column is not None))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each column."""
        return tuple(column.size for column in self.columns)

    def encode(self, users: pl.DataFrame) -> npt.NDArray[np.int64]:
        """Codes `[n_users, n_columns]`."""
        codes = [column.encode(users) for column in self.columns]
        return np.stack(codes, axis=1) if codes else np.zeros((users.height, 0), np.int64)

    @classmethod
    def from_json(cls, columns: list[dict[str, Any]]) -> Self:
        """The inverse of `dataclasses.asdict` on each column, after JSON."""
        return cls(
            tuple(Column(c["name"], None if c["values"] is None else tuple(c["values"]), tuple(c["edges"]), c["is_date"]) for c in columns)
        )


def _column(values: pl.Series) -> Column | None:
    known = values.drop_nulls()
    if known.n_unique() < 1:
        return None
    is_date = known.dtype == pl.String and _number(known, is_date=True).size > 0 and _share_of_dates(known) >= DATE_SHARE
    if is_date or known.dtype.is_numeric() or known.dtype.is_temporal():
        number = _number(known, is_date)
        edges = np.unique(np.quantile(number[~np.isnan(number)], np.arange(1, BUCKETS) / BUCKETS))
        return Column(values.name, None, tuple(float(edge) for edge in edges), is_date)
    counts = known.cast(pl.String).rename("value").value_counts(name="n").sort(["n", "value"], descending=[True, False])
    return Column(values.name, tuple(counts["value"].head(MAX_VALUES).to_list()))


def _share_of_dates(values: pl.Series) -> float:
    return float(np.mean(~np.isnan(_number(values, is_date=True))))


def _number(values: pl.Series, is_date: bool) -> npt.NDArray[np.float64]:
    """A column as numbers, NaN where unknown; dates as days, times in their own unit."""
    if is_date:
        values = values.cast(pl.String).str.head(10).str.to_date("%Y-%m-%d", strict=False)
    if values.dtype.is_temporal():
        values = values.to_physical()
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
