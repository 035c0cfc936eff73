"""Exact search by inner product: BLAS finds the candidates, one fixed order of summation decides among them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
MARGIN = 16
"""Candidates beyond k that are summed again: BLAS rounds by the shape of its block, so near-equal scores may change places."""


class Found(NamedTuple):
    """The best items of each query, queries in the order given, best first, ties by item. Arrays of `[n]`."""

    row: npt.NDArray[np.int32]
    """Position of the query."""
    item: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]


class VectorIndex:
    """Vectors of items `[n_items, dim]`, searched whole."""

    def __init__(self, vectors: Vectors, chunk: int = 256) -> None:
        """`chunk` is how many queries are scored at once: memory is `chunk * n_items` floats."""
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.chunk = chunk

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self,
        queries: Vectors,
        k: int,
        exclude: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]] | None = None,
    ) -> Found:
        """The `k` items of largest inner product with each of `queries` `[n_queries, dim]`.

        Args:
            queries: their number and order change no score and no rank.
            k: at most; fewer come back where fewer are left.
            exclude: pairs (position of a query, item) that are left out, each an array, in any order.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        k = min(k, len(self))
        if exclude is not None:
            by_row = np.argsort(exclude[0], kind="stable")
            exclude = exclude[0][by_row], exclude[1][by_row]
        parts = [self._search_chunk(queries, start, k, exclude) for start in range(0, len(queries) if k > 0 else 0, self.chunk)]
        if not parts:
            return Found(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
        return Found(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def score(self, queries: Vectors, row: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> Vectors:
        """Inner product `[n]` of query `row[i]` and item `item[i]`, the number that `search` gives."""
        chunks = range(0, len(row), 65_536)
        parts = [_inner(queries[row[a : a + 65_536]], self.vectors[item[a : a + 65_536]]) for a in chunks]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def _search_chunk(
        self, queries: Vectors, start: int, k: int, exclude: tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]] | None
    ) -> Found:
        block = queries[start : start + self.chunk]
        rough = block @ self.vectors.T
        if exclude is not None:
            first, last = np.searchsorted(exclude[0], (start, start + len(block)))
            rough[exclude[0][first:last] - start, exclude[1][first:last]] = -np.inf
        depth = min(k + MARGIN, len(self))
        bar = np.partition(rough, len(self) - depth, axis=1)[:, len(self) - depth]
        # Everything equal to the bar stays in, so that which of equal items are kept is decided by item and not by the partition.
        row, item = np.nonzero((rough >= bar[:, None]) & (rough > -np.inf))
        score = self.score(block, row, item)
        order = np.lexsort((item, -score, row))
        row, item, score = row[order], item[order], score[order]
        keep = np.arange(len(row)) - np.searchsorted(row, row) < k
        return Found((row[keep] + start).astype(np.int32), item[keep].astype(np.int32), score[keep])


def _inner(left: Vectors, right: Vectors) -> Vectors:
    """Row-wise inner product, summed in 64 bits and in one order whatever else is in the batch."""
    return np.asarray(np.einsum("nd,nd->n", left.astype(np.float64), right.astype(np.float64)), np.float32)
