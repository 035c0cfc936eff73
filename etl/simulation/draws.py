"""Random draws in columns: one from a weighted group per row, one column per row of a weight matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class WeightedGroups:
    """Groups of weighted values (an artist's songs, a show's competitors), drawn from by inverting one running sum."""

    offsets: Ints
    """Where each group starts in `values`, `[n_groups + 1]`."""
    values: Ints
    running: Floats
    """Sum of the weights before each value, `[n_values + 1]`."""

    @classmethod
    def build(cls, groups: Ints, values: Ints, weights: Floats, n_groups: int) -> WeightedGroups:
        """Rows `(group, value, weight)`; rows of a negative group are left out."""
        kept = groups >= 0
        order = np.argsort(groups[kept], kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(groups[kept], minlength=n_groups))]).astype(np.int64)
        running = np.concatenate([[0.0], np.cumsum(weights[kept][order])])
        return cls(offsets, values[kept][order], running)

    def draw(self, rng: np.random.Generator, groups: Ints) -> Ints:
        """One value for each of `groups`, `[n]`; -1 where the group is negative or empty."""
        if len(self.values) == 0:
            return np.full(len(groups), -1, dtype=np.int64)
        start, end = self.offsets[groups], self.offsets[groups + 1]
        low, high = self.running[start], self.running[end]
        at = np.searchsorted(self.running, low + rng.random(len(groups)) * (high - low), side="right") - 1
        at = np.clip(at, start, np.maximum(end - 1, start))
        drawn = self.values[np.minimum(at, len(self.values) - 1)]
        return np.where((groups >= 0) & (end > start), drawn, -1)


def choose(rng: np.random.Generator, weights: Floats) -> Ints:
    """A column for each row of `weights` `[n, m]`, in proportion; -1 where a row has no weight."""
    running = np.cumsum(weights, axis=1)
    total = running[:, -1]
    column = (running <= (rng.random(len(weights)) * total)[:, None]).sum(axis=1)
    return np.where(total > 0, np.minimum(column, weights.shape[1] - 1), -1)


def zipf(n: int, exponent: float) -> Floats:
    """Weights `1/rank^exponent` of `n` ranks."""
    return np.asarray(1.0 / np.arange(1, n + 1) ** exponent)


def sigmoid(x: Floats) -> Floats:
    """Logistic function."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
