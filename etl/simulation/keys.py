"""Ids of the simulated tables: a letter for the kind and the row number."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from etl.simulation.draws import Ints, Mask

PREFIX: Final = {
    "song": "s", "album": "b", "artist": "a", "drama": "d", "show": "w", "mv": "v", "mlog": "g", "playlist": "p", "user": "u", "event": "e",
}  # fmt: skip
DIGITS: Final = {"event": 9}


def ids(kind: str, rows: Ints) -> pl.Series:
    """Ids such as `s000123`; null where a row is negative."""
    number = pl.Series(rows.astype(np.int64))
    text = pl.Series([PREFIX[kind]]) + number.cast(pl.String).str.zfill(DIGITS.get(kind, 6))
    return _null_where(text, rows < 0)


def numbered(kind: str, first: int, n: int) -> pl.Series:
    """Ids of `n` rows from `first` on."""
    return ids(kind, np.arange(first, first + n))


def keys(kind: str, rows: Ints) -> pl.Series:
    """Keys such as `song:s000123`; null where a row is negative."""
    return pl.Series([f"{kind}:"]) + ids(kind, rows)


def labels(names: tuple[str, ...], codes: Ints) -> pl.Series:
    """The name of each code; null where it is negative."""
    text = pl.Series(names, dtype=pl.String).gather(pl.Series(np.maximum(codes, 0)))
    return _null_where(text, codes < 0)


def _null_where(text: pl.Series, missing: Mask) -> pl.Series:
    return pl.select(pl.when(pl.Series(~missing)).then(text)).to_series()
