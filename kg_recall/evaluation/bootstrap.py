"""Bootstrap over users: how far a mean would move with other users of the same kind."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

DRAWS_AT_ONCE: Final = 4_000_000
"""Resampled users held in memory at a time."""

Floats = npt.NDArray[np.floating]


class Interval(NamedTuple):
    """A mean and its percentile interval."""

    value: float
    low: float
    high: float


def interval(per_user: Floats, seed: int, n_resamples: int = 1_000, *, weight: Floats | None = None, confidence: float = 0.95) -> Interval:
    """Mean of `[n]` users' values and its percentile bootstrap interval (Efron, 1979); NaN thrice without users.

    Args:
        per_user: value of each user, all finite.
        seed: of the draws; the same seed and values give the same interval.
        n_resamples: resamplings of n users with replacement.
        weight: `[n]` positive weight of each user in the mean (for gAUC the number of examples); None weighs all alike.
        confidence: share of the resampled means inside the interval.

    Raises:
        ValueError: a value is not finite, or a weight not positive.
    """
    value = np.asarray(per_user, dtype=np.float64)
    weights = np.ones(len(value)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not np.isfinite(value).all() or not (weights > 0).all():
        raise ValueError("bootstrap: values must be finite and weights positive; leave out users on whom the metric is undefined")
    if not len(value):
        return Interval(float("nan"), float("nan"), float("nan"))
    means = _resampled_means(value * weights, weights, np.random.default_rng(seed), n_resamples)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(means, (tail, 1.0 - tail))
    return Interval(float(np.average(value, weights=weights)), float(low), float(high))


def paired_difference(
    per_user: Floats, other: Floats, seed: int, n_resamples: int = 1_000, *, weight: Floats | None = None, confidence: float = 0.95
) -> Interval:
    """Mean of `per_user − other`, both `[n]` of the same users in the same order, and its interval: 0 inside means no clear winner.

    The pairs stay together when users are drawn, so what is common to both (hard users) does not widen the interval.
    """
    if len(per_user) != len(other):
        raise ValueError(f"bootstrap: {len(per_user)} users against {len(other)}; a paired difference needs the same users")
    difference = np.asarray(per_user, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return interval(difference, seed, n_resamples, weight=weight, confidence=confidence)


def _resampled_means(
    weighted: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], rng: np.random.Generator, n_resamples: int
) -> npt.NDArray[np.float64]:
    """`[n_resamples]` weighted means of users drawn with replacement, a bounded number of draws at a time."""
    n = len(weighted)
    at_once = max(1, DRAWS_AT_ONCE // n)
    even = bool((weight == weight[0]).all())
    means = []
    for start in range(0, n_resamples, at_once):
        drawn = rng.integers(0, n, size=(min(at_once, n_resamples - start), n), dtype=np.int32)
        below = weight[0] * n if even else weight[drawn].sum(axis=1)
        means.append(weighted[drawn].sum(axis=1) / below)
    return np.concatenate(means)
