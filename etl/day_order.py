"""The order of staged rows: days, times, and within a second what their ids say."""

from __future__ import annotations

import numpy as np
import polars as pl

from etl.lake import day_runs


def in_time_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows by time, of one second by the number in their ids; those without a number keep the order of the source."""
    ts, order = (np.diff(rows[name].to_numpy()) for name in ("ts", "order"))
    if bool(np.all((ts > 0) | ((ts == 0) & (order >= 0)))):
        return rows
    return rows.sort("ts", "order", maintain_order=True)


def by_day(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Parts of `rows`, which are ordered by `day`."""
    return {day: rows.slice(start, end - start) for day, start, end in day_runs(rows["day"].to_numpy())}
