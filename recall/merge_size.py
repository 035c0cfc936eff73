"""How large the trees of the merge may be: found by cross-validation over listeners, since few listeners carry only small trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from recall.tree_kernel import TreeKernel

STAGE: Final = 10
"""Trees between two judgements."""
DEPTH: Final = 100
"""Places of a list that are judged."""
FOLDS: Final = 3
MANY: Final = 3_000
"""Listeners from which on one fold says enough."""
JUDGED: Final = 300
"""Held-out listeners of a fold who are judged: bounds memory."""

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]


class TreeSize(NamedTuple):
    """Size of boosted trees."""

    leaves: int
    trees: int


class HeldCandidates(NamedTuple):
    """All candidates of some listeners, grouped by listener."""

    columns: Floats
    """`[n_features, n]`"""
    user: npt.NDArray[np.int32]
    """`[n]`"""
    label: Mask
    """`[n]`"""
    new: Mask
    """`[n]` whether the song was new to the listener."""

    def gain(self, score: npt.NDArray[np.float64]) -> float:
        """Mean of NDCG@`DEPTH` of all candidates and of the new ones, over the listeners who have a positive among them.

        Only candidates count as relevant: what no route listed cannot tell one order from another.
        """
        parts = [_ndcg(self.user[rows], self.label[rows], score[rows]) for rows in (slice(None), self.new)]
        found = [part.mean() for part in parts if len(part)]
        return float(np.mean(found)) if found else 0.0


def folds_of(users: Ints, seed: int) -> Iterator[tuple[Mask, npt.NDArray[np.int64]]]:
    """For each fold which rows of `users` `[n]` are learned from, and the listeners who are judged, ascending."""
    distinct = np.unique(users)
    drawn = np.random.default_rng(seed).permutation(len(distinct))
    for fold in range(FOLDS if len(distinct) <= MANY else 1):
        held = distinct[drawn % FOLDS == fold]
        judged = distinct[(drawn % FOLDS == fold) & (drawn < JUDGED * FOLDS)]
        if 0 < len(held) < len(distinct):
            yield ~np.isin(users, held), judged.astype(np.int64)


def best_size(
    sizes: list[TreeSize],
    folds: Iterator[tuple[Mask, HeldCandidates]],
    learn: Callable[[TreeSize, Mask], lgb.Booster],
) -> TreeSize:
    """The size with the largest mean gain over the folds, of each size in `sizes` and of its first trees; the smallest of equals.

    Where nobody can be judged, since too few listeners are there, the largest.

    Args:
        sizes: what may be learned, the smallest first.
        folds: rows to learn from, and who is judged.
        learn: trees of a size from the rows of a mask.
    """
    stages = [range(STAGE, size.trees + 1, STAGE) or range(size.trees, size.trees + 1) for size in sizes]
    gains = [np.zeros(len(stage)) for stage in stages]
    for rows, held in folds:
        for size, stage, gain in zip(sizes, stages, gains, strict=True):
            gain += [held.gain(score) for score in staged(learn(size, rows), held.columns, stage)]
    if not any(gain.any() for gain in gains):
        return sizes[-1]
    best = int(np.argmax([gain.max() for gain in gains]))
    return TreeSize(sizes[best].leaves, stages[best][int(np.argmax(gains[best]))])


def staged(booster: lgb.Booster, columns: Floats, stages: range) -> Iterator[npt.NDArray[np.float64]]:
    """Scores `[n]` of the first trees, at each number of them in `stages`. A booster that stopped short stays as it is."""
    kernel, done = TreeKernel.of(booster), 0
    total = np.zeros(columns.shape[1])
    for stage in stages:
        end = min(stage, booster.num_trees())
        if end > done:
            more = kernel.part(done, end).score(columns) if kernel else booster.predict(columns.T, done, end - done, raw_score=True)
            total, done = total + more, end
        yield total


def _ndcg(user: npt.NDArray[np.int32], label: Mask, score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """NDCG@`DEPTH` of each listener with a positive, ties in the order given."""
    order = np.lexsort((-score, user))
    owner = user[order]
    place = np.arange(len(order)) - np.searchsorted(owner, owner, side="left")
    hit = label[order] & (place < DEPTH)
    who, n_positive = np.unique(user[label], return_counts=True)
    found = np.bincount(np.searchsorted(who, owner[hit]), weights=1 / np.log2(place[hit] + 2.0), minlength=len(who))
    ideal = np.cumsum(1 / np.log2(np.arange(DEPTH) + 2.0))
    return np.asarray(found / ideal[np.minimum(n_positive, DEPTH) - 1])
