"""Hard search in a listener's whole history: the latest entries that share the target's artist or style (SIM, Pi et al., CIKM 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.sequences import BehaviourSequences
from graph.projection import Projection
from ranking.gru_kernels import kernel
from ranking.song_rows import FacetRows

RELATIONS: Final = ("SUNG_BY", "HAS_STYLE")
"""What a match shares with the target, the closest kind first."""
Ints = npt.NDArray[np.int64]


class Found(NamedTuple):
    """Entries found for `n` targets: target i owns `rows[offsets[i]:offsets[i + 1]]`, rows of the sequences, ascending."""

    offsets: Ints
    rows: Ints

    @property
    def owner(self) -> npt.NDArray[np.intp]:
        """`[p]` target of each entry."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True)
class FacetIndex:
    """Where each listener met each facet of one relation, in time order: a question is two binary searches."""

    facets: FacetRows
    key: Ints
    """`[m]` (listener × nodes + facet) × span + row, ascending."""
    rows: Ints
    """`[m]` row in the sequences."""
    span: int

    @classmethod
    def of(cls, histories: BehaviourSequences, projection: Projection, relation: str) -> Self:
        """Index of all entries of `histories` by their songs' facets."""
        facets = FacetRows.of(projection, relation)
        owner, facet = facets.expand(histories.item)
        listener = np.repeat(np.arange(histories.n_users), np.diff(histories.offsets))[owner]
        span = len(histories) + 1
        key = facets.key(listener, facet) * span + owner
        order = np.argsort(key, kind="stable")
        return cls(facets, key[order], owner[order], span)

    def entries(self, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer], before: Ints) -> tuple[Ints, Ints, Ints]:
        """For every facet of every target: which target it is of, and the range `low:high` of `rows` strictly before row `before` `[n]`."""
        owner, facet = self.facets.expand(item)
        key = self.facets.key(user[owner], facet) * self.span
        return owner, np.searchsorted(self.key, key), np.searchsorted(self.key, key + before[owner])


@dataclass(frozen=True)
class HistorySearch:
    """Search by several relations."""

    indexes: tuple[FacetIndex, ...]

    @classmethod
    def of(cls, histories: BehaviourSequences, projection: Projection, relations: tuple[str, ...] = RELATIONS) -> Self:
        """Search in `histories`; a relation without facts finds nothing."""
        return cls(tuple(FacetIndex.of(histories, projection, relation) for relation in relations))

    def last(self, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer], before: Ints, k: int) -> Found:
        """At most `k` entries of each listener `[n]` before row `before` `[n]` whose songs share a facet with the target `item` `[n]`.

        Entries that share the first relation come before those that share only a later one; among equals the latest count.
        """
        n = len(user)
        rows, count = np.empty((n, k), np.int64), np.zeros(n, np.int64)
        for index in self.indexes:
            owner, low, high = index.entries(user, item, before)
            first = np.searchsorted(owner, np.arange(n + 1))
            _take_latest(first, low, high.copy(), index.rows, rows, count)
        kept = np.arange(k) < count[:, None]
        rows[~kept] = np.iinfo(np.int64).max
        rows.sort(axis=1)
        return Found(np.concatenate(([0], np.cumsum(count))).astype(np.int64), rows[kept])


@kernel
def _take_latest(first: Ints, low: Ints, high: Ints, entries: Ints, rows: Ints, count: Ints) -> None:
    """Merge each target's lists `low:high` of `entries` (ascending) from their ends into `rows` `[n, k]` after `count` `[n]` rows there.

    A row already there is not taken again. `high` is used up.
    """
    k = rows.shape[1]
    for target in range(len(count)):
        there = count[target]
        while count[target] < k:
            latest = -1
            for facet in range(first[target], first[target + 1]):
                if high[facet] > low[facet]:
                    latest = max(latest, entries[high[facet] - 1])
            if latest < 0:
                break
            for facet in range(first[target], first[target + 1]):
                if high[facet] > low[facet] and entries[high[facet] - 1] == latest:
                    high[facet] -= 1
            new = True
            for place in range(there):
                new = new and rows[target, place] != latest
            if new:
                rows[target, count[target]] = latest
                count[target] += 1
