"""Events with the same id, or without one with the same content: the earliest stays, whatever order the table has."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.staged_rows import CONTENT

IDENTITY: Final = ("event_id", *CONTENT)


class Duplicates:
    """Decides day by day, in order, which staged rows repeat an earlier one. Only rows whose hash occurs twice are compared."""

    def __init__(self, keys: npt.NDArray[np.uint64], earlier_keys: npt.NDArray[np.uint64]) -> None:
        """Hashes of the rows that are judged, and of those that stay from an earlier extraction, `[n]` each."""
        ordered = np.sort(keys)
        repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        among_earlier = earlier_keys[np.isin(earlier_keys, ordered)] if len(earlier_keys) else earlier_keys
        self.keys: npt.NDArray[np.uint64] = np.union1d(repeated, among_earlier)
        self._seen = pl.DataFrame()

    def candidates(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """`[n]` true for rows, by their hashes `[n]`, that may repeat another or be repeated."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.bool_)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(self.keys[place] == keys)

    def mark(self, rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """`[n]` true for rows that repeat an earlier row; `rows` are those of the next day in time order."""
        marked = np.zeros(rows.height, dtype=np.bool_)
        if not len(self.keys):
            return marked
        at = np.flatnonzero(self.candidates(rows["key"].to_numpy()))
        identity = _identity(rows[at]).with_columns(at=pl.Series(at))
        first = identity.unique(IDENTITY, keep="first", maintain_order=True)
        if self._seen.height:
            first = first.join(self._seen, on=IDENTITY, how="anti", nulls_equal=True, maintain_order="left")
        marked[at] = True
        marked[first["at"].to_numpy()] = False
        self._seen = pl.concat([self._seen, first.drop("at")]) if self._seen.height else first.drop("at")
        return marked


def _identity(rows: pl.DataFrame) -> pl.DataFrame:
    """What is compared: the id, or the content of a row without one."""
    unnamed = pl.col("event_id").is_null()
    return rows.select("event_id", *(pl.when(unnamed).then(pl.col(name)).alias(name) for name in CONTENT))
