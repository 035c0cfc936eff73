"""Metrics of scored examples as they would be with other listeners: all on the same drawn weights of users, so differences pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ranking.auc import group_auc

Floats = npt.NDArray[np.float64]

METRICS: Final = ("auc", "gauc", "log_loss", "calibration")
BINS: Final = 20


def user_weights(n_users: int, n_draws: int, seed: int) -> Floats:
    """`[1 + n_draws, n_users]` how often each user stands in each resample of all (Efron 1979); the first row is the users as they are."""
    rng = np.random.default_rng(seed)
    drawn = [np.bincount(rng.integers(0, n_users, n_users), minlength=n_users) for _ in range(n_draws)]
    return np.stack([np.ones(n_users, np.int64), *drawn]).astype(np.float64)


@dataclass(frozen=True)
class Scored:
    """Examples `[n]` of users `0 … n_users - 1` with their labels and the logits of one ranker."""

    user: npt.NDArray[np.int64]
    label: npt.NDArray[np.float32]
    logit: npt.NDArray[np.float32]

    @property
    def n_users(self) -> int:
        """Number of users."""
        return int(self.user.max()) + 1

    def all(self, weights: Floats) -> dict[str, Floats]:
        """Each of `METRICS` under each row of `weights [r, n_users]`: `[r]` each."""
        return {metric: self.of(metric, weights) for metric in METRICS}

    def of(self, metric: str, weights: Floats) -> Floats:
        """One of `METRICS` under each row of `weights [r, n_users]`: `[r]`."""
        if metric == "log_loss":
            return self._mean(self._loss, weights)
        kinds = {"auc": self._auc, "gauc": self._gauc, "calibration": self._calibration}
        return kinds[metric](weights)

    @cached_property
    def _n_of_user(self) -> Floats:
        return np.bincount(self.user, minlength=self.n_users).astype(np.float64)

    @cached_property
    def _loss(self) -> Floats:
        logit = self.logit.astype(np.float64)
        return np.asarray(np.logaddexp(0.0, logit) - self.label * logit)

    def _mean(self, values: Floats, weights: Floats) -> Floats:
        return np.asarray(weights @ np.bincount(self.user, values, self.n_users) / (weights @ self._n_of_user))

    def _gauc(self, weights: Floats) -> Floats:
        of_user = group_auc(self.user, self.label, self.logit)
        both = ~np.isnan(of_user.auc)
        n, value = of_user.n[both].astype(np.float64), of_user.auc[both]
        of_those = weights[:, of_user.group[both]]
        return np.asarray(of_those @ (n * value) / (of_those @ n))

    def _auc(self, weights: Floats) -> Floats:
        """Weighted share of pairs in order, ties half; a row at a time, since each is as long as the examples."""
        order = np.argsort(self.logit, kind="stable")
        score, user, positive = self.logit[order], self.user[order], self.label[order] > 0
        first = np.flatnonzero(np.concatenate(([True], score[1:] != score[:-1])))
        result = np.empty(len(weights))
        for row, weight in enumerate(weights):
            of_example = weight[user]
            good = np.add.reduceat(of_example * positive, first)
            bad = np.add.reduceat(of_example * ~positive, first)
            result[row] = (good @ (np.cumsum(bad) - 0.5 * bad)) / (good.sum() * bad.sum())
        return result

    def _calibration(self, weights: Floats) -> Floats:
        """Mean |share of positives − mean prediction| over groups of equal size by prediction."""
        group = np.empty(len(self.user), dtype=np.int64)
        group[np.argsort(self.logit, kind="stable")] = np.arange(len(group)) * BINS // len(group)
        gap = self.label - expit(self.logit.astype(np.float64))
        of_both = np.bincount(self.user * BINS + group, gap, self.n_users * BINS).reshape(self.n_users, BINS)
        return np.asarray(np.abs(weights @ of_both).sum(axis=1) / (weights @ self._n_of_user))
