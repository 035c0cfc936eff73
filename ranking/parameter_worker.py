"""A worker of the parameter server: pulls what a batch needs, learns it one example after the other on its copy, pushes what changed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol, Self

import numba
import numpy as np
import numpy.typing as npt

from ranking.ftrl_kernel import Rates, learn_rows
from ranking.hashing import HashedTerms
from ranking.parameter_log import Update

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]


class Shards(Protocol):
    """Where rows are pulled from and pushed to, one entry a shard."""

    def pull(self, rows: list[Rows]) -> list[Floats]:
        """The pairs (z, n) of the rows of each shard."""
        ...

    def push(self, clock: int, updates: list[Update]) -> None:
        """Hand each shard its update; returns when all have acknowledged."""
        ...


class Batch(NamedTuple):
    """Examples as columns `[n, …]`, as `HashedTerms.checked` and `checked_labels` made them."""

    codes: npt.NDArray[np.int64] | npt.NDArray[np.int32]
    values: Floats
    labels: Floats
    weights: Floats

    def take(self, rows: slice | npt.NDArray[np.bool_]) -> Batch:
        """Examples at `rows`, in that order; values or weights that there are none of stay none."""
        values = self.values[rows] if len(self.values) else self.values
        weights = self.weights[rows] if len(self.weights) else self.weights
        return Batch(self.codes[rows], values, self.labels[rows], weights)


class Keys(NamedTuple):
    """The distinct slots of a batch, grouped by shard."""

    rows: Rows
    """`[n_keys]` row in its shard."""
    first: npt.NDArray[np.int64]
    """`[n_shards + 1]` start of each shard's keys."""
    place: Rows
    """`[n, n_terms]` place of each term's slot among the keys."""

    @classmethod
    def of(cls, slots: Rows, n_shards: int, rows_per_shard: int) -> Self:
        """Those of `slots [n, n_terms]`; shard s holds slots `s · rows_per_shard …`, ranges of a hash and so of equal load."""
        return cls(*_distinct(slots, n_shards, rows_per_shard))

    def by_shard(self, column: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """A column `[n_keys, …]` cut into the shards' parts."""
        return np.split(column, self.first[1:-1])


def learn_batch(terms: HashedTerms, rates: Rates, shards: Shards, n_shards: int, rows_per_shard: int, clock: int, batch: Batch) -> Floats:
    """Learn a batch against the shards; the logit of each example as it was before it was learned."""
    slots, factors = terms.slots(batch.codes, batch.values if len(batch.values) else None)
    keys = Keys.of(slots, n_shards, rows_per_shard)
    before = np.concatenate(shards.pull(keys.by_shard(keys.rows)))
    after, logits = before.copy(), np.empty(len(slots), np.float32)
    learn_rows(after, keys.place, factors, batch.labels, batch.weights, rates, 0, len(slots), logits)
    gradient = np.zeros(len(before), np.float64)
    _sum_gradients(keys.place, factors, batch.labels, batch.weights, logits, gradient)
    columns = (keys.rows, before, after, gradient.astype(np.float32))
    shards.push(clock, [Update(*parts) for parts in zip(*(keys.by_shard(column) for column in columns), strict=True)])
    return logits


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _distinct(slots: Rows, n_shards: int, rows_per_shard: int) -> tuple[Rows, npt.NDArray[np.int64], Rows]:
    n, n_terms = slots.shape
    capacity = 1
    while capacity < 2 * n * n_terms:
        capacity *= 2
    held = np.full(capacity, -1, np.int32)  # open addressing; slots are hashes already
    keys, place = np.empty(n * n_terms, np.int32), np.empty((n, n_terms), np.int32)
    first = np.zeros(n_shards + 1, np.int64)
    n_keys = 0
    for row in range(n):
        for term in range(n_terms):
            slot = slots[row, term]
            at = slot & (capacity - 1)
            while held[at] >= 0 and keys[held[at]] != slot:
                at = (at + 1) & (capacity - 1)
            if held[at] < 0:
                held[at], keys[n_keys] = n_keys, slot
                n_keys += 1
                first[slot // rows_per_shard + 1] += 1
            place[row, term] = held[at]
    first = np.cumsum(first)
    rows, moved, free = np.empty(n_keys, np.int32), np.empty(n_keys, np.int32), first.copy()
    for key in range(n_keys):
        shard = keys[key] // rows_per_shard
        moved[key] = free[shard]
        rows[free[shard]] = keys[key] - shard * rows_per_shard
        free[shard] += 1
    for row in range(n):
        for term in range(n_terms):
            place[row, term] = moved[place[row, term]]
    return rows, first, place


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _sum_gradients(
    place: Rows, factors: Floats, labels: Floats, weights: Floats, logits: Floats, gradient: npt.NDArray[np.float64]
) -> None:
    for row in range(len(labels)):
        residual = np.float32(1.0) / (np.float32(1.0) + math.exp(-logits[row])) - labels[row]
        if len(weights):
            residual *= weights[row]
        for term in range(place.shape[1]):
            gradient[place[row, term]] += residual * factors[row, term]
