"""Multi-hop recall: what a user's recent songs say about other songs along typed relations.

The score of node i for seeds s with weights v_s is

    score(i) = prior_i · Σ_s v_s · Σ_m w_m · Σ_{simple walks s → i along meta-path m} Π_{hops n → n'} γ · c(n, n') / deg(n)^β

with hop decay γ, confidence c of the fact, and deg(n) the number of n's edges of that hop: with β = 1 a hop is a step of a random
walk on the meta-path (PCRW, Lao & Cohen 2010), with β = 0 it counts paths (PathCount, Sun et al. 2011); between the two a hub passes
less to each neighbour than a small node, but more in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from graph import spread
from graph.hops import SpreadSettings, lay_out
from graph.metapaths import MetaPath
from graph.projection import Projection
from graph.spread import Hops

Ints = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]


class Ragged(NamedTuple):
    """A list of node ids for each user: user u holds `items[offsets[u]:offsets[u + 1]]`."""

    offsets: Offsets
    items: Ints


class Seeds(NamedTuple):
    """The songs that evidence spreads from, with weights (negative: evidence against), ragged by user."""

    offsets: Offsets
    songs: Ints
    weights: npt.NDArray[np.floating]


class Ranked(NamedTuple):
    """The best nodes of each user, best first, ties by id. Arrays of `[n]`."""

    user: Ints
    """Position of the user in the seeds."""
    item: Ints
    score: npt.NDArray[np.float32]


class Parts(NamedTuple):
    """What each meta-path alone contributes, before its weight."""

    score: npt.NDArray[np.float32]
    """`[n_pairs, n_paths]` part of each pair's score; 0 where the meta-path does not arrive or the item is excluded"""
    mass: npt.NDArray[np.float64]
    """`[n_users, n_paths]` sum of the parts over all nodes that are not excluded"""


class BestPaths(NamedTuple):
    """For each pair the walk that carries most; `length` 0 where no walk arrives."""

    nodes: Ints
    """`[n, longest + 1]`, -1 beyond `length`"""
    steps: npt.NDArray[np.int16]
    """`[n, longest]` step of the projection, -1 beyond `length - 1`"""
    meta_path: npt.NDArray[np.int16]
    """`[n]` index into `MultiHop.meta_paths`, -1 without a path"""
    mass: npt.NDArray[np.float64]
    """`[n]` what the walk adds to the score, before the prior"""

    @property
    def length(self) -> npt.NDArray[np.int8]:
        """`[n]` number of nodes."""
        length: npt.NDArray[np.int8] = np.count_nonzero(self.nodes >= 0, axis=1).astype(np.int8)
        return length


@dataclass(frozen=True)
class MultiHop:
    """The edges of every hop of the meta-paths, weighed and laid out for the kernels of `graph.spread`."""

    meta_paths: tuple[MetaPath, ...]
    """Those that the projection has relations for."""
    hops: Hops
    n_nodes: int

    @classmethod
    def build(
        cls,
        projection: Projection,
        meta_paths: Sequence[MetaPath],
        settings: SpreadSettings,
        *,
        now: int | None = None,
        importance: npt.NDArray[np.floating] | None = None,
    ) -> Self:
        """Hops of the facts known at `now` (Unix seconds; None: all). `importance` `[n_nodes]` says whom `fanout` keeps."""
        usable, hops = lay_out(projection, meta_paths, settings, now, importance)
        return cls(usable, hops, projection.n_nodes)

    def top_k(
        self,
        seeds: Seeds,
        k: int,
        prior: npt.NDArray[np.floating],
        *,
        exclude: Ragged | None = None,
        threads: int = 1,
    ) -> Ranked:
        """The `k` best nodes of each user, of positive score. `prior` `[n_nodes]` multiplies the sums; 0 keeps a node out."""
        n_users = len(seeds.offsets) - 1
        keys = np.zeros((n_users, max(min(k, self.n_nodes), 1)), dtype=np.uint64)
        size = np.zeros(n_users, dtype=np.int64)
        skip = exclude or nothing(n_users)
        offsets, songs, weights = _in_order(seeds)
        by_blocks(
            n_users,
            threads,
            lambda start, stop: spread.top_k(
                self.hops, offsets, songs, weights, *columns(skip), prior.astype(np.float32, copy=False), start, stop, keys, size
            ),
        )
        return ranked(keys, size if k > 0 else 0 * size)

    def scores_of_pairs(self, seeds: Seeds, pairs: Ragged, prior: npt.NDArray[np.floating], *, threads: int = 1) -> npt.NDArray[np.float32]:
        """Score of each pair `[n]`, the same number as in `top_k`; 0 where it is not positive."""
        score = np.zeros(len(pairs.items), dtype=np.float32)
        offsets, songs, weights = _in_order(seeds)
        by_blocks(
            len(seeds.offsets) - 1,
            threads,
            lambda start, stop: spread.scores(
                self.hops, offsets, songs, weights, *columns(pairs), prior.astype(np.float32, copy=False), start, stop, score
            ),
        )
        return score

    def scores_of_all(self, seeds: Seeds, prior: npt.NDArray[np.floating], *, threads: int = 1) -> npt.NDArray[np.float32]:
        """Score of every node for each user, `[n_users, n_nodes]`, the same numbers: for some users, whose memory grows with the graph."""
        n_users, weight = len(seeds.offsets) - 1, prior.astype(np.float32, copy=False)
        score, given = np.zeros((n_users, self.n_nodes), dtype=np.float32), _in_order(seeds)
        by_blocks(n_users, threads, lambda start, stop: spread.scores_of_all(self.hops, *given, weight, start, stop, score))
        return score

    def parts(
        self, seeds: Seeds, pairs: Ragged, prior: npt.NDArray[np.floating], *, exclude: Ragged | None = None, threads: int = 1
    ) -> Parts:
        """What each meta-path alone says of each pair, at weight 1: with `meta_paths`' weights the rows add up to `scores_of_pairs`."""
        n_users, n_paths = len(seeds.offsets) - 1, len(self.meta_paths)
        found = Parts(np.zeros((len(pairs.items), n_paths), np.float32), np.zeros((n_users, n_paths)))
        skip = exclude or nothing(n_users)
        offsets, songs, weights = _in_order(seeds)
        hops = self.hops._replace(path_weight=np.ones(n_paths))
        given = *columns(skip), *columns(pairs), prior.astype(np.float32, copy=False)
        by_blocks(n_users, threads, lambda start, stop: spread.parts(hops, offsets, songs, weights, *given, start, stop, *found))
        return found

    def best_paths(self, seeds: Seeds, pairs: Ragged, *, threads: int = 1) -> BestPaths:
        """The walk of largest mass to each pair's item; equal masses by seed id, then order of the meta-paths."""
        n, longest = len(pairs.items), self.hops.path_hop.shape[1]
        best = BestPaths(
            np.full((n, longest + 1), -1, np.int32), np.full((n, longest), -1, np.int16), np.full(n, -1, np.int16), np.zeros(n)
        )
        offsets, songs, weights = _in_order(seeds)
        by_blocks(
            len(seeds.offsets) - 1,
            threads,
            lambda start, stop: spread.best_paths(self.hops, offsets, songs, weights, *columns(pairs), self.n_nodes, start, stop, best),
        )
        return best


def _in_order(seeds: Seeds) -> Seeds:
    """Each user's seeds with positive weights first, then by id, so that the batch's order has no say; zero weights dropped."""
    user = np.repeat(np.arange(len(seeds.offsets) - 1), np.diff(seeds.offsets))
    order = np.lexsort((seeds.songs, seeds.weights < 0, user))
    order = order[seeds.weights[order] != 0]
    offsets = np.zeros(len(seeds.offsets), dtype=np.int64)
    np.cumsum(np.bincount(user[order], minlength=len(offsets) - 1), out=offsets[1:])
    return Seeds(offsets, seeds.songs[order].astype(np.int32), seeds.weights[order].astype(np.float64))


def nothing(n_users: int) -> Ragged:
    """Empty lists."""
    return Ragged(np.zeros(n_users + 1, np.int64), np.zeros(0, np.int32))


def columns(ragged: Ragged) -> tuple[Offsets, Ints]:
    """The lists as the kernels take them."""
    return ragged.offsets.astype(np.int64, copy=False), ragged.items.astype(np.int32, copy=False)


def by_blocks(n_users: int, threads: int, kernel: Callable[[int, int], None]) -> None:
    """Run a kernel over the users, in one block or in one a thread (kernels hold no lock and write to rows of their own)."""
    edges = np.linspace(0, n_users, max(threads, 1) + 1).astype(int).tolist()
    blocks = list(pairwise(edges))
    if len(blocks) == 1:
        kernel(*blocks[0])
        return
    with ThreadPoolExecutor(len(blocks)) as pool:
        list(pool.map(lambda block: kernel(*block), blocks))


def ranked(keys: npt.NDArray[np.uint64], size: npt.NDArray[np.int64]) -> Ranked:
    """Rows of keys (score bits, then the complement of the id) as columns."""
    user, place = np.nonzero(np.arange(keys.shape[1]) < size[:, None])
    key = keys[user, place]
    item = (np.uint64(0xFFFFFFFF) - (key & np.uint64(0xFFFFFFFF))).astype(np.int32)
    return Ranked(user.astype(np.int32), item, (key >> np.uint64(32)).astype(np.uint32).view(np.float32))
