"""The kernel under both indexes: blocks of vectors times queries, by BLAS where they are many, and the best of what comes by.

Such products round by the shape of the block, so they only say who may be among the best: everything within the rounding error of the
k-th place stays in, and `inner_products`, summed in 64 bits and in one order, decides among them. What a query gets is therefore
the same whatever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

NO_ROWS: Rows = np.empty(0, np.int32)
CAPACITY = 1024
"""Places that a query has for candidates before they are thinned out to the best k."""
FEW = 8
"""So many queries are multiplied with a block by a loop that reads it once: BLAS first copies it, which pays for more of them."""


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


class Blocks(NamedTuple):
    """Vectors in the order in which they are scanned, cut into blocks."""

    vectors: Vectors
    """`[n, dim]`"""
    start: Offsets
    """`[n_blocks + 1]`"""
    row: Rows
    """`[n]` the row that each vector is known by outside; empty where it is its place."""
    longest: float
    """Largest length of a vector."""


class Probes(NamedTuple):
    """Which query scans which block, ragged by block."""

    first: Offsets
    """`[n_blocks + 1]`"""
    query: Offsets
    """Position of the query, `[first[-1]]`."""


class Excluded(NamedTuple):
    """Rows that each query leaves out, ragged by query, ascending within a query."""

    first: Offsets
    row: Offsets


class Scanned(NamedTuple):
    """The best of each query, grouped by query, unordered within it, with everything that may tie with the k-th. Arrays of `[n]`."""

    query: Rows
    row: Rows


def blocks(vectors: Vectors, start: Offsets, row: Rows = NO_ROWS) -> Blocks:
    """Blocks of `vectors` with the bound that `scan` needs."""
    longest = float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max(initial=0.0)))
    return Blocks(vectors, start, row, longest)


def every_block(n_blocks: int, n_queries: int) -> Probes:
    """Every query scans every block."""
    return Probes(np.arange(n_blocks + 1, dtype=np.int64) * n_queries, np.tile(np.arange(n_queries, dtype=np.int64), n_blocks))


def scan(
    kept: Blocks,
    queries: Vectors,
    probes: Probes,
    k: int,
    open_: npt.NDArray[np.bool_],
    excluded: Excluded,
    bar: Vectors | None = None,
) -> Scanned:
    """At least the `k` best rows of each query in the blocks that it probes: all whose product may reach the k-th largest.

    Args:
        kept: what is scanned.
        queries: `[n_queries, dim]`.
        probes: who scans what.
        k: rows wanted, at least 1.
        open_: by row, false for what nobody may get; empty where all are open.
        excluded: rows left out for single queries.
        bar: `[n_queries]` what a score must reach to be wanted; None: anything.
    """
    # Twice the error of a sum of `dim` products in 32 bits, on either side of the k-th.
    lengths = np.sqrt(np.einsum("nd,nd->n", queries, queries))
    slack = (4 * queries.shape[1] * 2.0**-24 * kept.longest * lengths).astype(np.float32)
    least = np.full(len(queries), -np.inf, np.float32) if bar is None else bar - slack
    capacity = max(CAPACITY, 4 * k)
    while True:
        full, row, size = _scan(kept.vectors, kept.start, kept.row, queries, *probes, k, slack, open_, *excluded, least, capacity)
        if not full:
            break
        # So many near-equal products (songs that share one vector) do not fit: more room, and again.
        capacity *= 4
    query, column = np.nonzero(np.arange(row.shape[1]) < size[:, None])
    return Scanned(query.astype(np.int32), row[query, column])


@_jit
def inner_products(queries, query, vectors, row):  # type: ignore[no-untyped-def]
    """Inner product `[n]` of query `query[i]` and vector `row[i]`, in 64 bits, one term after the other, rounded to 32 bits."""
    out = np.empty(len(query), np.float32)
    for i in range(len(query)):
        total = 0.0
        for d in range(queries.shape[1]):
            total += np.float64(queries[query[i], d]) * np.float64(vectors[row[i], d])
        out[i] = total
    return out


@_jit
def kth_largest(score, query, n_queries, k):  # type: ignore[no-untyped-def]
    """`[n_queries]` the `k`-th largest of each query's `score` `[n]`, grouped by query; minus infinity where it has fewer."""
    out = np.full(n_queries, -np.inf, np.float32)
    low = 0
    while low < len(query):
        high = low
        while high < len(query) and query[high] == query[low]:
            high += 1
        if high - low >= k:
            out[query[low]] = np.partition(score[low:high], high - low - k)[high - low - k]
        low = high
    return out


@_jit
def _scan(vectors, start, row_of, queries, first, query, k, slack, open_, x_first, x_row, least, capacity):  # type: ignore[no-untyped-def]
    n_queries = len(queries)
    score = np.empty((n_queries, capacity), np.float32)
    rows = np.empty((n_queries, capacity), np.int32)
    size = np.zeros(n_queries, np.int64)
    bar = least.copy()
    for block in range(len(start) - 1):
        low, high, a, b = start[block], start[block + 1], first[block], first[block + 1]
        if low == high or a == b:
            continue
        if b - a <= FEW:
            product = _few_products(queries[query[a:b]], vectors[low:high])
        else:
            product = np.dot(queries[query[a:b]], vectors[low:high].T)
        for t in range(b - a):
            q = query[a + t]
            for j in range(high - low):
                if product[t, j] < bar[q]:
                    continue
                row = row_of[low + j] if len(row_of) else low + j
                if (len(open_) and not open_[row]) or _holds(x_row[x_first[q] : x_first[q + 1]], row):
                    continue
                score[q, size[q]] = product[t, j]
                rows[q, size[q]] = row
                size[q] += 1
                if size[q] == capacity:
                    size[q], bar[q] = _thin(score[q], rows[q], size[q], k, slack[q])
                    if size[q] > capacity // 2:
                        return True, rows, size
    for q in range(n_queries):
        if size[q] > k:
            size[q], bar[q] = _thin(score[q], rows[q], size[q], k, slack[q])
    return False, rows, size


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _few_products(queries, vectors):  # type: ignore[no-untyped-def]
    """`queries @ vectors.T`, summed in whatever order is fastest."""
    out = np.empty((len(queries), len(vectors)), np.float32)
    for j in range(len(vectors)):
        for q in range(len(queries)):
            total = np.float32(0)
            for d in range(vectors.shape[1]):
                total += vectors[j, d] * queries[q, d]
            out[q, j] = total
    return out


@_jit
def _thin(score, rows, size, k, slack):  # type: ignore[no-untyped-def]
    """Keep what may be among the best `k`; returns how many and the bar that they reach."""
    bar = np.partition(score[:size], size - k)[size - k] - slack
    kept = 0
    for i in range(size):
        if score[i] >= bar:
            score[kept], rows[kept] = score[i], rows[i]
            kept += 1
    return kept, bar


@_jit
def _holds(ascending, value):  # type: ignore[no-untyped-def]
    if len(ascending) == 0:
        return False
    at = np.searchsorted(ascending, value)
    return at < len(ascending) and ascending[at] == value
