"""What one search scans: parts of the index, what each query leaves out of them, and the best of all parts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from recall.block_scan import Excluded, Scanned, Vectors, best_of_each, inner_products
from recall.exact_index import ExactIndex
from recall.id_rows import IdRows
from recall.inverted_lists import InvertedLists

Ints = npt.NDArray[np.int64]


class Search(Protocol):
    """The best places of each query in a part."""

    def __call__(self, queries: Vectors, k: int, open_: npt.NDArray[np.bool_], excluded: Excluded) -> Scanned:
        """As `block_scan.scan` on what is searched."""
        ...


Exclude = tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]] | None
"""Pairs (position of a query, item) that a search leaves out, each an array, in any order."""


class Found(NamedTuple):
    """The best items of each query, queries in the order given, best first, ties by item. Arrays of `[n]`."""

    row: npt.NDArray[np.int32]
    """Position of the query."""
    item: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]


class Target(NamedTuple):
    """What is searched. Arrays by row."""

    vectors: Vectors
    ids: npt.NDArray[np.int32]
    open_: npt.NDArray[np.bool_]
    """False for rows that nobody may get; empty where all are open."""


@dataclass(frozen=True)
class Pairs:
    """Pairs (query, row) left out, ascending by query."""

    query: Ints
    row: Ints
    n_queries: int

    @classmethod
    def of(cls, exclude: Exclude, ids: IdRows, n_queries: int) -> Self:
        """Pairs of `exclude` (query, id) that name an item of the index, each once."""
        if exclude is None:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64), n_queries)
        rows, n = ids.rows(exclude[1]).astype(np.int64), max(len(ids.id), 1)
        held = rows >= 0
        pair = np.unique(exclude[0][held].astype(np.int64) * n + rows[held])
        return cls(pair // n, pair % n, n_queries)

    def ragged(self) -> Excluded:
        """The same by query."""
        return Excluded(np.searchsorted(self.query, np.arange(self.n_queries + 1)).astype(np.int64), self.row)


@dataclass(frozen=True)
class Part:
    """Rows that are searched in one way."""

    search: Search
    queries_at_once: int

    @classmethod
    def exact(cls, index: ExactIndex) -> Self:
        """All rows of `index`."""
        return cls(index.search, index.queries_at_once)

    @classmethod
    def listed(cls, lists: InvertedLists, open_share: float) -> Self:
        """The rows in `lists`, of which this share is open."""
        return cls(partial(lists.search, open_share=open_share), lists.queries_at_once)


def find_best(target: Target, queries: Vectors, parts: Sequence[Part], pairs: Pairs, k: int) -> Found:
    """The `k` best of all `parts` together for each of `queries` `[n_queries, dim]`."""
    chunk = min((part.queries_at_once for part in parts), default=1)
    excluded = pairs.ragged()
    starts = range(0, len(queries) if k > 0 else 0, chunk)
    found = [_chunk(target, queries[a : a + chunk], parts, Excluded(excluded.first[a:], excluded.row), k, a) for a in starts]
    if not found:
        return Found(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
    return Found(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _chunk(target: Target, queries: Vectors, parts: Sequence[Part], excluded: Excluded, k: int, first: int) -> Found:
    found = [part.search(queries, k, target.open_, excluded) for part in parts]
    query, row = (np.concatenate(column) for column in zip(*found, strict=True))
    score, item = inner_products(queries, query, target.vectors, row), target.ids[row]
    query, item, score = best_of_each(query, item, score, len(queries), k)
    return Found(query + np.int32(first), item, score)
