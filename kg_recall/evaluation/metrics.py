"""Metrics of ranked lists and of scores, over columns; lists are measured per user, so that users can be resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ranking.auc import auc, gauc, group_auc, log_loss

__all__ = ["Judged", "PerUser", "auc", "auc_per_user", "calibration_error", "coverage", "gauc", "log_loss", "log_loss_per_user"]

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]


class PerUser(NamedTuple):
    """A metric of each user, columns `[n_users]`, users ascending; the metric of all is the mean under `weight`."""

    user: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]

    @property
    def mean(self) -> float:
        """The metric of all users; NaN without any."""
        return float(np.average(self.value, weights=self.weight)) if len(self.value) else float("nan")


@dataclass(frozen=True)
class Judged:
    """Ranked lists against what was relevant. It speaks of the users that have something relevant, with or without a list."""

    user: npt.NDArray[np.int64]
    """`[n_users]` users with a relevant item, ascending."""
    n_relevant: npt.NDArray[np.int64]
    """`[n_users]` distinct relevant items of each."""
    hit_row: npt.NDArray[np.int64]
    """`[n_hits]` row of `user` of each relevant item that was listed."""
    hit_rank: npt.NDArray[np.int64]
    """`[n_hits]` its rank, 1 is best."""

    @classmethod
    def of(cls, user: Ints, item: Ints, rank: Ints, relevant_user: Ints, relevant_item: Ints) -> Self:
        """Judge lists `[n]` by the relevant pairs `[m]`. Pairs given twice count once, a listed one at its best rank."""
        n_items = int(max(np.max(item, initial=0), np.max(relevant_item, initial=0))) + 1
        relevant = np.unique(relevant_user.astype(np.int64) * n_items + relevant_item)
        owners, n_relevant = np.unique(relevant // n_items, return_counts=True)
        order = np.argsort(rank, kind="stable")
        listed, first = np.unique(user[order].astype(np.int64) * n_items + item[order], return_index=True)
        hit = np.isin(listed, relevant, assume_unique=True)
        return cls(owners, n_relevant, np.searchsorted(owners, listed[hit] // n_items), rank[order][first[hit]].astype(np.int64))

    def recall(self, k: int) -> PerUser:
        """Hits among the top k over min(k, relevant)."""
        hits = np.bincount(self.hit_row[self.hit_rank <= k], minlength=len(self.user))
        return self._even(hits / np.minimum(k, self.n_relevant))

    def ndcg(self, k: int) -> PerUser:
        """Discounted gain of the top k, 1 / log2(rank + 1) a hit, over that of the ideal list: min(k, relevant) hits from the top.

        The ideal takes *all* that is relevant, not only the hits: with 5 relevant items, one hit at rank 1 gives 0.339, not 1.
        """
        top = self.hit_rank <= k
        gain = np.bincount(self.hit_row[top], weights=1.0 / np.log2(self.hit_rank[top] + 1.0), minlength=len(self.user))
        ideal = np.cumsum(1.0 / np.log2(np.arange(2.0, k + 2.0)))
        return self._even(gain / ideal[np.minimum(k, self.n_relevant) - 1])

    def reciprocal_rank(self, k: int) -> PerUser:
        """One over the rank of the first hit among the top k, 0 without one."""
        best = np.zeros(len(self.user))
        top = self.hit_rank <= k
        np.maximum.at(best, self.hit_row[top], 1.0 / self.hit_rank[top])
        return self._even(best)

    def _even(self, value: npt.NDArray[np.float64]) -> PerUser:
        return PerUser(self.user, value, np.ones(len(value)))


def coverage(item: Ints, rank: Ints, k: int, n_items: int) -> float:
    """Share of the catalogue's `n_items` that stand in some user's top k."""
    return len(np.unique(item[rank <= k])) / n_items


def auc_per_user(user: Ints, label: Floats, score: Floats) -> PerUser:
    """AUC within each user that has both classes, weighted by the number of their examples: the mean is gAUC."""
    of_user = group_auc(user, label, score)
    both = ~np.isnan(of_user.auc)
    return PerUser(of_user.group[both], of_user.auc[both], of_user.n[both].astype(np.float64))


def log_loss_per_user(user: Ints, label: Floats, logit: Floats) -> PerUser:
    """Mean cross-entropy of each user's examples in nats, weighted by their number: the mean is the log loss."""
    users, row, n = np.unique(user, return_inverse=True, return_counts=True)
    loss = np.logaddexp(0.0, logit.astype(np.float64)) - label * logit
    return PerUser(users.astype(np.int64), np.bincount(row, weights=loss, minlength=len(users)) / n, n.astype(np.float64))


def calibration_error(label: Floats, logit: Floats, n_bins: int = 10) -> float:
    """Expected calibration error: |mean probability − share of positives| over even bins of probability, weighted by their examples."""
    if not len(label):
        return float("nan")
    probability = expit(logit.astype(np.float64))
    bins = np.minimum((probability * n_bins).astype(np.int64), n_bins - 1)
    excess = np.bincount(bins, weights=probability - label, minlength=n_bins)
    return float(np.abs(excess).sum() / len(label))
