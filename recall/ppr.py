"""Personalised PageRank: songs at which a walk over the facts, begun at songs that the user liked lately, most probably ends.

Beside the graph route, which walks named chains only, it takes in every relation and any number of hops. With `play_weight` the
listeners of a song are its neighbours too, and the walk does collaborative filtering along with the facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.errors import UserError
from graph import forward_push
from graph.forward_push import Push, WalkGraph
from graph.multihop import Ragged, Seeds, by_blocks, columns, nothing, ranked
from graph.projection import Projection
from recall.candidates import Candidates, Paths
from recall.histories import played_songs
from recall.latest import FEW_USERS, Latest
from recall.route_settings import read_settings, write_settings
from recall.seeds import SeedSettings, check_above_zero, listeners, user_seeds
from recall.snapshot import Snapshot
from recall.top_k import candidates, dense_top_k, rows_at

SECTION = "recall.ppr"


@dataclass(frozen=True)
class PprSettings(SeedSettings):
    """Where walks start, how far they go and over what. Defaults chosen on the validation part of a real listening log."""

    stop: float = 0.5
    """α: chance that a walk ends where it is."""
    tolerance: float = 1e-5
    """ε: a node is pushed while more than ε times its edges' weight waits there; work is at most 1/(α ε) edges for each user."""
    max_degree: int = 5000
    """A node of more facts says nothing: its edges are left out."""
    play_weight: float = 0.0
    """Weight of the edge between a listener and a song played, where a fact has its confidence; 0: facts only."""
    popularity_power: float = 0.6
    """A candidate's probability is multiplied by (1 + number of its listeners)^power."""
    max_hops: int = 6
    """Longest walk that explains."""
    threads: int = 1

    def __post_init__(self) -> None:
        above_zero = ("half_life_days", "half_life_plays", "max_seeds", "tolerance", "max_degree", "max_hops", "threads")
        check_above_zero(self, SECTION, *above_zero)
        if not 0 < self.stop < 1:
            raise UserError(f"stop = {self.stop} in [{SECTION}] must lie between 0 and 1: set it so or leave it out")
        if not self.play_weight >= 0:
            raise UserError(f"play_weight = {self.play_weight} in [{SECTION}] must be 0 or more: set it so or leave it out")


class PprRoute:
    """Forward push over the graph of facts and, if asked for, plays; nothing is learned, `observe` counts."""

    name: ClassVar[str] = "ppr"

    def __init__(self, settings: PprSettings = PprSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the users' seeds, the facts known at the snapshot's moment, and who played what."""
        settings, projection = self.settings, snapshot.projection
        self._step_names = projection.step_names
        self._played = played_songs(snapshot)
        self._seeds = unit_seeds(user_seeds(snapshot, settings))
        self._graph = walk_graph(projection, snapshot.now, settings.max_degree, self._played, settings.play_weight)
        self._prior = np.zeros(len(self._graph.strength))
        popularity = np.power(1.0 + listeners(snapshot)[: projection.n_songs], settings.popularity_power)
        self._prior[: projection.n_songs] = popularity
        self._scores = Latest(self._scores_of_all)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs at which most walks end, times popularity."""
        if len(users) <= FEW_USERS:
            return candidates(users, dense_top_k(self._scores.of(users), users, k, self._played if new_only else None))
        keys = np.zeros((len(users), max(min(k, len(self._prior)), 1)), dtype=np.uint64)
        size = np.zeros(len(users), dtype=np.int64)
        skip = Ragged(*rows_at(self._played, users)[:2]) if new_only else nothing(len(users))
        seeds = self._of(users)
        self._run(
            len(users), lambda *part: forward_push.top_k(self._graph, self._push, *seeds, *columns(skip), self._prior, *part, keys, size)
        )
        found = ranked(keys, size if k > 0 else 0 * size)
        return Candidates(users[found.user].astype(np.int32), found.item, found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The walks' chance to end at each pair's item, times popularity, `[n]`; 0 where none has come that far."""
        score = np.zeros(len(users), dtype=np.float32)
        order, distinct, pairs = _by_user(users, items)
        if len(distinct) <= FEW_USERS:
            return self._scores.of(distinct)[np.searchsorted(distinct, users), items]
        found, seeds = np.zeros(len(users), dtype=np.float32), self._of(distinct)
        self._run(
            len(distinct), lambda *part: forward_push.scores(self._graph, self._push, *seeds, *columns(pairs), self._prior, *part, found)
        )
        score[order] = found
        return score

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The likeliest walk over facts from a song of the history to each pair's item."""
        n, hops = len(users), self.settings.max_hops
        order, distinct, pairs = _by_user(users, items)
        nodes, steps = np.full((n, hops + 1), -1, dtype=np.int32), np.full((n, hops), -1, dtype=np.int16)
        found, seeds = (nodes.copy(), steps.copy()), self._of(distinct)
        self._run(len(distinct), lambda *part: forward_push.best_walks(self._graph, self._push, *seeds, *columns(pairs), *part, *found))
        nodes[order], steps[order] = found
        return Paths(nodes, steps, np.count_nonzero(nodes >= 0, axis=1).astype(np.int8), self._step_names)

    def save(self, folder: Path) -> None:
        """Write the settings; the counts are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, PprSettings))
        route.observe(snapshot)
        return route

    @property
    def _push(self) -> Push:
        return Push(self.settings.stop, self.settings.tolerance)

    def _scores_of_all(self, users: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The same of every node, `[len(users), n_nodes]`."""
        score, seeds = np.zeros((len(users), len(self._prior)), dtype=np.float32), self._of(users)
        self._run(len(users), lambda *part: forward_push.scores_of_all(self._graph, self._push, *seeds, self._prior, *part, score))
        return score

    def _of(self, users: npt.NDArray[np.int32]) -> Seeds:
        offsets, songs, weights = rows_at(self._seeds, users)
        return Seeds(offsets, songs, weights.astype(np.float64))

    def _run(self, n_users: int, kernel: Callable[[int, int], None]) -> None:
        by_blocks(n_users, self.settings.threads, kernel)


def unit_seeds(seeds: csr_array) -> csr_array:
    """Positive seeds only, each user's summing to 1."""
    row = np.repeat(np.arange(seeds.shape[0]), np.diff(seeds.indptr))
    kept = seeds.data > 0
    row, column, data = row[kept], seeds.indices[kept], seeds.data[kept].astype(np.float64)
    total = np.bincount(row, weights=data, minlength=seeds.shape[0])
    return csr_array((data / total[row], (row, column)), shape=seeds.shape)


def walk_graph(projection: Projection, now: int, max_degree: int, played: csr_array, play_weight: float) -> WalkGraph:
    """The facts known at `now` without the edges of hubs; users follow the projection's nodes where plays have weight."""
    n_nodes, n_users = projection.n_nodes, played.shape[0] if play_weight > 0 else 0
    source = np.repeat(np.arange(n_nodes, dtype=np.int32), np.diff(projection.indptr))
    known = projection.valid_from <= now
    hub = np.bincount(source[known], minlength=n_nodes) > max_degree
    kept = known & ~hub[source] & ~hub[projection.target]
    blocks = [(source[kept], projection.target[kept], projection.confidence[kept], projection.step[kept])]
    if n_users:
        user = n_nodes + np.repeat(np.arange(n_users, dtype=np.int32), np.diff(played.indptr))
        weight, no_fact = np.full(played.nnz, play_weight, np.float32), np.full(played.nnz, -1, np.int16)
        blocks += [(user, played.indices, weight, no_fact), (played.indices, user, weight, no_fact)]
    ends = [np.concatenate(column) for column in zip(*blocks, strict=True)]
    order = np.lexsort((ends[3], ends[1], ends[0]))
    source, target, weight, step = (column[order] for column in ends)
    indptr = np.zeros(n_nodes + n_users + 1, dtype=np.int64)
    np.cumsum(np.bincount(source, minlength=n_nodes + n_users), out=indptr[1:])
    strength = np.bincount(source, weights=weight, minlength=n_nodes + n_users).astype(np.float64)
    return WalkGraph(indptr, target.astype(np.int32), weight.astype(np.float32), step.astype(np.int16), strength)


def _by_user(users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32], Ragged]:
    """Rows of the pairs by user, the users that they have, and their items."""
    order = np.argsort(users, kind="stable")
    distinct, count = np.unique(users[order], return_counts=True)
    return order, distinct, Ragged(np.concatenate(([0], np.cumsum(count))), items[order].astype(np.int32))
