"""The kernel under both indexes: blocks of vectors times queries, and the best of what comes by.

Many queries are multiplied by BLAS, which rounds by the shape of its block, few in bytes, which are coarser. Such products only say who
may be among the best: everything within their error of the k-th place stays in, and `inner_products`, summed in 64 bits and in one
order, decides among them. What a query gets is therefore the same whatever else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from recall.byte_codes import ByteCodes, code_products, query_codes

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

NO_ROWS: Rows = np.empty(0, np.int32)
CAPACITY = 1024
"""Places that a query has for candidates before they are thinned out to the best k."""
FEW = 8
"""So many queries alone are multiplied with bytes in place of vectors: what few cost is the reading, which many share."""


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
    codes: ByteCodes | None = None,
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
        codes: of `kept.vectors`, to be multiplied in their place; None: they themselves are.
    """
    capacity = max(CAPACITY, 4 * k)
    while True:
        coded, slack = _coded(kept, queries, codes)
        least = np.full(len(queries), -np.inf, np.float32) if bar is None else bar - slack
        full, row, size = _scan(kept.vectors, kept.start, kept.row, queries, *coded, *probes, k, slack, open_, *excluded, least, capacity)
        if not full:
            break
        # So many near-equal products (songs that share one vector) do not fit: finer products, then more room, and again.
        capacity, codes = (4 * capacity, None) if codes is None else (capacity, None)
    query, column = np.nonzero(np.arange(row.shape[1]) < size[:, None])
    return Scanned(query.astype(np.int32), row[query, column])


def _coded(kept: Blocks, queries: Vectors, codes: ByteCodes | None) -> tuple[tuple[Any, ...], Vectors]:
    """Codes and scales of vectors and queries, empty without codes, and twice the error of a product, for either side of the k-th."""
    if codes is not None:
        given = query_codes(queries, codes, kept.longest)
        return (codes.code, codes.scale, given.code, given.scale), np.asarray(2 * given.error, np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", queries, queries))
    nothing = np.empty((0, 0), np.int8), np.empty(0, np.float32), np.empty((0, 0), np.int16), np.empty(0, np.float32)
    return nothing, (4 * queries.shape[1] * 2.0**-24 * kept.longest * lengths).astype(np.float32)


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
def best_of_each(query, item, score, n_queries, k):  # type: ignore[no-untyped-def]
    """Queries, items and scores of the `k` largest scores of each query, best first, ties by item; rows `[n]` in any order."""
    place = np.zeros(n_queries + 1, np.int64)
    for q in query:
        place[q + 1] += 1
    place = np.cumsum(place)
    keys, at = np.empty(len(query), np.uint64), place[:-1].copy()
    # One integer a row: bits of the score in the order of the numbers (those of a negative one are turned), then the item's complement.
    bits = (score + np.float32(0)).view(np.uint32)
    for i in range(len(query)):
        ordered = ~bits[i] if bits[i] >> np.uint32(31) else bits[i] | np.uint32(0x80000000)
        keys[at[query[i]]] = (np.uint64(ordered) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.uint64(item[i]))
        at[query[i]] += 1
    n = 0
    out_query, out_key = np.empty(len(query), np.int32), np.empty(len(query), np.uint64)
    for q in range(n_queries):
        mine = keys[place[q] : place[q + 1]]
        if len(mine) > k:
            mine = np.partition(mine, len(mine) - k)[len(mine) - k :]
        out_query[n : n + len(mine)] = q
        out_key[n : n + len(mine)] = np.sort(mine)[::-1]
        n += len(mine)
    ordered_bits = (out_key[:n] >> np.uint64(32)).astype(np.uint32)
    for i in range(n):
        ordered_bits[i] = ordered_bits[i] & np.uint32(0x7FFFFFFF) if ordered_bits[i] >> np.uint32(31) else ~ordered_bits[i]
    out_item = (np.uint64(0xFFFFFFFF) - (out_key[:n] & np.uint64(0xFFFFFFFF))).astype(np.int32)
    return out_query[:n], out_item, ordered_bits.view(np.float32)


@_jit
def _scan(vectors, start, row_of, queries, code, scale, q_code, q_scale, first, query, k, slack, open_, x_first, x_row, least, capacity):  # type: ignore[no-untyped-def]
    n_queries = len(queries)
    score = np.empty((n_queries, capacity), np.float32)
    rows = np.empty((n_queries, capacity), np.int32)
    size = np.zeros(n_queries, np.int64)
    bar = least.copy()
    for block in range(len(start) - 1):
        low, high, a, b = start[block], start[block + 1], first[block], first[block + 1]
        if low == high or a == b:
            continue
        if len(code):
            product = code_products(q_code[query[a:b]], q_scale[query[a:b]], code[low:high], scale[low:high])
        elif b - a == 1:
            product = np.dot(vectors[low:high], queries[query[a]]).reshape(1, high - low)
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
