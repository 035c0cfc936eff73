"""The list of a request, deeper than it was asked for: what leaves songs out of the same list afterwards needs no second scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recall.block_scan import Vectors
from recall.index_parts import Exclude, Found

FEW = 16
"""Queries of a request at most: those of one listener, or of some."""
DEEPER = 2
"""Times as many items as were asked for."""


@dataclass(frozen=True)
class DeepSearch:
    """The `depth` best items of each query by an exact search of everything."""

    queries: Vectors
    depth: int
    found: Found
    whole: bool
    """Whether these are all items."""

    def answers(self, queries: Vectors, k: int) -> bool:
        """Whether lists of `k` of these queries may be in it."""
        return k <= self.depth and np.array_equal(queries, self.queries)

    def best(self, k: int, exclude: Exclude) -> Found | None:
        """The `k` best without the pairs (query, item) of `exclude`; None where a query has them further down."""
        row, item, score = self.found
        if exclude is not None:
            kept = ~np.isin(_code(row, item), _code(*exclude))
            row, item, score = row[kept], item[kept], score[kept]
        if not self.whole and (np.bincount(row, minlength=len(self.queries)) < k).any():
            return None
        first = np.arange(len(row)) - np.searchsorted(row, row) < k
        return Found(row[first], item[first], score[first])


def _code(row: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    return (row.astype(np.int64) << 32) | item.astype(np.int64)
