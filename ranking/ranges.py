"""Rows of many ranges, one range after the other: how ragged columns are read for a batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def packed(start: npt.NDArray[np.integer], end: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Rows `start:end` of every range `[n]`: which range each is of, ascending, and the row. `[p]` each."""
    n_of_row = end - start
    owner = np.repeat(np.arange(len(n_of_row)), n_of_row)
    return owner, np.arange(len(owner)) + np.repeat(start - (np.cumsum(n_of_row) - n_of_row), n_of_row)


def times_covered(
    start: npt.NDArray[np.integer], end: npt.NDArray[np.integer], n: int, weight: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """`[n]` how many of the ranges hold each of `n` rows; a range counts `weight` `[n_ranges]` times where that is given."""
    covers = np.bincount(start, weights=weight, minlength=n + 1) - np.bincount(end, weights=weight, minlength=n + 1)
    return np.cumsum(covers)[:-1].astype(np.float64)
