"""Approximate search by inner product: inverted lists (Sivic and Zisserman, ICCV 2003; Jégou, Douze and Schmid, PAMI 2011, IVFADC
without the codes).

FAISS finds the centroids (spherical k-means on a sample) and the list of every vector. A query scans the lists of the centroids that
are nearest to it, whole vectors and no codes, so that what it finds has its exact score; queries that probe one list are multiplied
with it together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import faiss
import numpy as np
import numpy.typing as npt

from recall.block_scan import Blocks, Excluded, Probes, Rows, Scanned, Vectors, blocks, inner_products, scan
from recall.exact_index import ExactIndex

QUERIES = 1024
"""Queries scanned together: the more, the more of them share a list."""
NOTHING: npt.NDArray[np.bool_] = np.empty(0, bool)


@dataclass(frozen=True)
class ListSettings:
    """Shape of the lists."""

    lists_per_root: float = 4.0
    """Lists are so many times the square root of the number of vectors."""
    sample_per_list: int = 40
    """Vectors of the sample that k-means learns from, for each list."""
    iterations: int = 8
    probes: int = 170
    """Lists that a query scans: recall@100 of 0.99 on trained song vectors (benchmarks/results/vector_index.md)."""


@dataclass(frozen=True)
class InvertedLists:
    """Vectors in the order of their lists."""

    centroids: Vectors
    """`[n_lists, dim]`"""
    blocks: Blocks
    n_probes: int
    queries_at_once: int = QUERIES

    @cached_property
    def _coarse(self) -> ExactIndex:
        return ExactIndex.of(self.centroids)

    def __len__(self) -> int:
        return len(self.blocks.row)

    @classmethod
    def build(cls, vectors: Vectors, settings: ListSettings, seed: int) -> Self:
        """Cluster `vectors` `[n, dim]` and sort them into lists: the same for the same seed."""
        n_lists = max(1, round(settings.lists_per_root * len(vectors) ** 0.5))
        centroids = _centroids(vectors, n_lists, settings, seed)
        return cls.of(vectors, centroids, nearest(centroids, vectors), min(settings.probes, n_lists))

    @classmethod
    def of(cls, vectors: Vectors, centroids: Vectors, list_of: Rows, n_probes: int) -> Self:
        """Lists of `vectors` of which `list_of` `[n]` says where each belongs."""
        row = np.argsort(list_of, kind="stable")
        start = np.searchsorted(list_of[row], np.arange(len(centroids) + 1)).astype(np.int64)
        return cls(centroids, blocks(vectors[row], start, row.astype(np.int32)), n_probes)

    def moved(self, vectors: Vectors, list_of: Rows) -> Self:
        """The same lists for other vectors, of which `list_of` `[n]` says where each belongs: nothing is clustered anew."""
        return self.of(vectors, self.centroids, list_of, self.n_probes)

    def list_of(self) -> Rows:
        """`[n]` the list of each row."""
        out = np.empty(len(self), np.int32)
        out[self.blocks.row] = np.repeat(np.arange(len(self.centroids), dtype=np.int32), np.diff(self.blocks.start))
        return out

    def search(self, queries: Vectors, k: int, open_: npt.NDArray[np.bool_], excluded: Excluded, n_probes: int | None = None) -> Scanned:
        """As `ExactIndex.search`, in the nearest lists alone."""
        wanted = min(n_probes or self.n_probes, len(self.centroids))
        return scan(self.blocks, queries, self._probes(queries, wanted), k, open_, excluded)

    def _probes(self, queries: Vectors, n_probes: int) -> Probes:
        """The `n_probes` centroids of largest inner product with each query, ties by centroid, chosen as exactly as an answer is."""
        none = Excluded(np.zeros(len(queries) + 1, np.int64), np.empty(0, np.int64))
        near = self._coarse.search(queries, n_probes, NOTHING, none)
        score = inner_products(queries, near.query, self.centroids, near.row)
        order = np.lexsort((near.row, -score, near.query))
        rank = np.arange(len(order)) - np.searchsorted(near.query, near.query)
        chosen = order[rank < n_probes]
        lists, query = near.row[chosen], near.query[chosen]
        by_list = np.argsort(lists, kind="stable")
        first = np.searchsorted(lists[by_list], np.arange(len(self.centroids) + 1)).astype(np.int64)
        return Probes(first, query[by_list].astype(np.int64))


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
