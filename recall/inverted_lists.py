"""Approximate search by inner product: inverted lists (Sivic and Zisserman, ICCV 2003; Jégou, Douze and Schmid, PAMI 2011, IVFADC
without the codes).

FAISS finds the centroids (spherical k-means on a sample) and the list of every vector. A query first scans the lists whose scores may
reach highest; what it finds there says how high the others must reach to be worth scanning (`list_reach.py`), so that an easy query
scans few lists and a hard one many. Vectors are whole, there are no codes, so that what is found has its exact score; queries that scan
one list are multiplied with it together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import faiss
import numpy as np
import numpy.typing as npt

from recall.block_scan import FEW, Blocks, Excluded, Rows, Scanned, Vectors, blocks, inner_products, kth_largest, scan
from recall.byte_codes import ByteCodes, byte_codes
from recall.list_reach import ListReach, probes_between

QUERIES = 1024
"""Queries scanned together: the more, the more of them share a list."""
NOTHING: npt.NDArray[np.bool_] = np.empty(0, bool)
SPARE = 4
"""The first lists hold at least so many times the items wanted."""


@dataclass(frozen=True)
class ListSettings:
    """Shape of the lists, and which of them a query scans."""

    lists_per_root: float = 4.0
    """Lists are so many times the square root of the number of vectors."""
    sample_per_list: int = 40
    """Vectors of the sample that k-means learns from, for each list."""
    iterations: int = 8
    first: int = 24
    """Lists that every query scans."""
    deviations: float = 4.2
    """Of the others those whose mean score is at most so many deviations below the k-th best of the first: recall@100 of 0.99 on trained
    song vectors (benchmarks/results/vector_index.md)."""


@dataclass(frozen=True)
class InvertedLists:
    """Vectors in the order of their lists."""

    centroids: Vectors
    """`[n_lists, dim]`"""
    blocks: Blocks
    settings: ListSettings
    queries_at_once: int = QUERIES

    @cached_property
    def _reach(self) -> ListReach:
        return ListReach.of(self.blocks)

    @cached_property
    def _codes(self) -> ByteCodes:
        return byte_codes(self.blocks.vectors)

    @cached_property
    def _place(self) -> Rows:
        """`[n]` where each row stands in the lists."""
        place = np.empty(len(self), np.int32)
        place[self.blocks.row] = np.arange(len(self), dtype=np.int32)
        return place

    def __len__(self) -> int:
        return len(self.blocks.row)

    @classmethod
    def build(cls, vectors: Vectors, settings: ListSettings, seed: int) -> Self:
        """Cluster `vectors` `[n, dim]` and sort them into lists: the same for the same seed."""
        n_lists = max(1, round(settings.lists_per_root * len(vectors) ** 0.5))
        centroids = _centroids(vectors, n_lists, settings, seed)
        return cls.of(vectors, centroids, nearest(centroids, vectors), settings)

    @classmethod
    def of(cls, vectors: Vectors, centroids: Vectors, list_of: Rows, settings: ListSettings) -> Self:
        """Lists of `vectors` of which `list_of` `[n]` says where each belongs."""
        row = np.argsort(list_of, kind="stable")
        start = np.searchsorted(list_of[row], np.arange(len(centroids) + 1)).astype(np.int64)
        return cls(centroids, blocks(vectors[row], start, row.astype(np.int32)), settings)

    def moved(self, vectors: Vectors, list_of: Rows) -> Self:
        """The same lists for other vectors, of which `list_of` `[n]` says where each belongs: nothing is clustered anew."""
        return self.of(vectors, self.centroids, list_of, self.settings)

    def list_of(self) -> Rows:
        """`[n]` the list of each row."""
        out = np.empty(len(self), np.int32)
        out[self.blocks.row] = np.repeat(np.arange(len(self.centroids), dtype=np.int32), np.diff(self.blocks.start))
        return out

    def search(self, queries: Vectors, k: int, open_: npt.NDArray[np.bool_], excluded: Excluded, open_share: float = 1.0) -> Scanned:
        """As `ExactIndex.search`, in the lists worth scanning; a query that finds less than `k` in the first scans all.

        `open_share` is the share of rows that are open: the fewer, the more lists come first.
        """
        n_lists, reach = len(self.centroids), self._reach(queries, self.settings.deviations)
        holding = int(np.ceil(SPARE * k / max(open_share * len(self) / n_lists, 1e-9)))
        n_first = min(max(self.settings.first, holding), n_lists)
        everything = np.full(len(queries), np.inf, np.float32)
        low = np.partition(reach, n_lists - n_first, axis=1)[:, n_lists - n_first]
        codes = self._codes if len(queries) <= FEW else None
        near = scan(self.blocks, queries, probes_between(reach, low, everything), k, open_, excluded, codes=codes)
        # The bar is an exact score, so that which lists come next does not depend on the batch.
        bar = kth_largest(inner_products(queries, near.query, self.blocks.vectors, self._place[near.row]), near.query, len(queries), k)
        far = scan(self.blocks, queries, probes_between(reach, bar, low), k, open_, excluded, bar, codes)
        return Scanned(*(np.concatenate(column) for column in zip(near, far, strict=True)))


def nearest(centroids: Vectors, vectors: Vectors) -> Rows:
    """`[n]` the centroid of largest inner product with each vector."""
    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    step = 65_536
    parts = [index.search(np.ascontiguousarray(vectors[a : a + step]), 1)[1][:, 0] for a in range(0, len(vectors), step)]
    return np.concatenate(parts).astype(np.int32) if parts else np.empty(0, np.int32)


def _centroids(vectors: Vectors, n_lists: int, settings: ListSettings, seed: int) -> Vectors:
    """Spherical k-means on a sample drawn by `seed`."""
    n_sample = min(len(vectors), settings.sample_per_list * n_lists)
    sample = vectors[np.sort(np.random.default_rng(seed).permutation(len(vectors))[:n_sample])]
    means = faiss.Clustering(vectors.shape[1], n_lists)
    means.niter, means.seed, means.spherical = settings.iterations, seed, True
    means.min_points_per_centroid, means.max_points_per_centroid = 1, settings.sample_per_list
    means.train(np.ascontiguousarray(sample), faiss.IndexFlatIP(vectors.shape[1]))
    found: Vectors = faiss.vector_to_array(means.centroids).reshape(n_lists, vectors.shape[1]).copy()
    return found
