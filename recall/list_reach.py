"""How high the scores of an inverted list may reach, told before it is scanned.

The vectors of list l scatter around their mean m_l. With their spread s_l (root of the mean squared distance) and the share g_d of it that
lies along dimension d, the scores of a query q have mean `q . m_l` and deviation about `s_l sqrt(sum_d g_d q_d^2)`: a list is worth
scanning where the mean and some deviations reach the worst score that is still among the best. The shares are those of all lists
together, so that both terms are one inner product of `dim + 1` numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numba
import numpy as np

from recall.block_scan import Blocks, Probes, Vectors

LISTS_AT_ONCE = 256
"""Lists whose sums stay in the first cache."""
ROWS = 4
"""Rows of the table that are added at a time: its height is a multiple."""


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


@dataclass(frozen=True)
class ListReach:
    """Mean and spread of every list."""

    table: Vectors
    """`[at least dim + 1, n_lists]` a column for each list: its mean, its spread, zeros."""
    share: Vectors
    """`[dim]` share of the spread along each dimension, of sum 1."""

    @classmethod
    def of(cls, lists: Blocks) -> Self:
        """Of the vectors in `lists`."""
        n_lists, dim = len(lists.start) - 1, lists.vectors.shape[1]
        table, squares = np.zeros((-(-(dim + 1) // ROWS) * ROWS, n_lists), np.float32), np.zeros(dim)
        _moments(lists.vectors, lists.start, table, squares)
        return cls(table, (squares / max(squares.sum(), 1e-30)).astype(np.float32))

    def __call__(self, queries: Vectors, deviations: float) -> Vectors:
        """`[n_queries, n_lists]` the score that each list reaches so many deviations above its mean; a query's depend on no other."""
        dim, given = queries.shape[1], np.zeros((len(queries), len(self.table)), np.float32)
        given[:, :dim] = queries
        for d in range(dim):
            # One dimension after the other: the order of a sum over an axis is NumPy's own affair.
            given[:, dim] += np.square(queries[:, d]) * self.share[d]
        given[:, dim] = np.float32(deviations) * np.sqrt(given[:, dim])
        out = np.zeros((len(queries), self.table.shape[1]), np.float32)
        _products(given, self.table, out)
        return out


def probes_between(reach: Vectors, low: Vectors, high: Vectors) -> Probes:
    """Every query scans the lists of which `reach` `[n_queries, n_lists]` is at least its `low` and less than its `high` `[n_queries]`."""
    return Probes(*_between(reach, low, high))


@_jit
def _moments(vectors, start, table, squares):  # type: ignore[no-untyped-def]
    """Fill in mean and spread of each list, and add up squared distances from the mean `[dim]`."""
    dim = vectors.shape[1]
    mean, square = np.empty(dim), np.empty(dim)
    for block in range(len(start) - 1):
        n = start[block + 1] - start[block]
        if n == 0:
            continue
        mean[:], square[:] = 0.0, 0.0
        for i in range(start[block], start[block + 1]):
            for d in range(dim):
                mean[d] += vectors[i, d]
                square[d] += np.float64(vectors[i, d]) * vectors[i, d]
        total = 0.0
        for d in range(dim):
            mean[d] /= n
            table[d, block] = mean[d]
            apart = max(square[d] - n * mean[d] * mean[d], 0.0)
            total += apart
            squares[d] += apart
        table[dim, block] = np.sqrt(total / n)


@_jit
def _products(given, table, out):  # type: ignore[no-untyped-def]
    """`given @ table`, each sum in the order of its terms whatever else is in the batch: a batch of one comes out to the bit."""
    n_lists = table.shape[1]
    for a in range(0, n_lists, LISTS_AT_ONCE):
        b = min(a + LISTS_AT_ONCE, n_lists)
        for q in range(len(given)):
            into = out[q, a:b]
            for d in range(0, table.shape[0], ROWS):
                w0, w1, w2, w3 = given[q, d], given[q, d + 1], given[q, d + 2], given[q, d + 3]
                t0, t1, t2, t3 = table[d, a:b], table[d + 1, a:b], table[d + 2, a:b], table[d + 3, a:b]
                for j in range(b - a):
                    into[j] = (((into[j] + w0 * t0[j]) + w1 * t1[j]) + w2 * t2[j]) + w3 * t3[j]


@_jit
def _between(reach, low, high):  # type: ignore[no-untyped-def]
    n_queries, n_lists = reach.shape
    first = np.zeros(n_lists + 1, np.int64)
    for q in range(n_queries):
        for block in range(n_lists):
            first[block + 1] += low[q] <= reach[q, block] < high[q]
    first = np.cumsum(first)
    at, query = first[:-1].copy(), np.empty(first[-1], np.int64)
    for q in range(n_queries):
        for block in range(n_lists):
            if low[q] <= reach[q, block] < high[q]:
                query[at[block]] = q
                at[block] += 1
    return first, query
