"""Area under the ROC curve, over all examples and within each user; ties count half."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class GroupAuc(NamedTuple):
    """AUC of each group, columns `[n_groups]`, groups ascending."""

    group: npt.NDArray[np.int64]
    auc: npt.NDArray[np.float64]
    """NaN where a group has only positives or only negatives."""
    n: npt.NDArray[np.int64]
    """Number of examples."""


def auc(labels: npt.NDArray[np.floating], scores: npt.NDArray[np.floating]) -> float:
    """Probability that a positive scores above a negative, ties half; NaN where there is only one class."""
    of_all = group_auc(np.zeros(len(labels), dtype=np.int64), labels, scores)
    return float(of_all.auc[0]) if len(of_all.auc) else float("nan")


def group_auc(groups: npt.NDArray[np.integer], labels: npt.NDArray[np.floating], scores: npt.NDArray[np.floating]) -> GroupAuc:
    """AUC within each group (user) of `[n]` examples, from mid-ranks (Mann and Whitney)."""
    order = np.lexsort((scores, groups))
    group, score, positive = groups[order], scores[order], labels[order] > 0
    starts_group = _changes(group)
    starts_tie = starts_group | _changes(score)
    first_of_tie = np.flatnonzero(starts_tie)
    tie = np.cumsum(starts_tie) - 1
    last_of_tie = np.append(first_of_tie[1:], len(order)) - 1 if len(order) else first_of_tie
    start = np.flatnonzero(starts_group)
    which = np.cumsum(starts_group) - 1
    mid_rank = (first_of_tie + last_of_tie)[tie] / 2.0 + 1.0 - start[which]
    n = np.bincount(which, minlength=len(start))
    n_positive = np.bincount(which, weights=positive, minlength=len(start))
    rank_sum = np.bincount(which, weights=mid_rank * positive, minlength=len(start))
    pairs = n_positive * (n - n_positive)
    wins = rank_sum - n_positive * (n_positive + 1) / 2.0
    return GroupAuc(group[start].astype(np.int64), np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan), n.astype(np.int64))


def gauc(users: npt.NDArray[np.integer], labels: npt.NDArray[np.floating], scores: npt.NDArray[np.floating]) -> float:
    """Mean of the users' AUCs weighted by their numbers of examples, over users with both classes (Zhu et al., KDD 2017); NaN without."""
    of_user = group_auc(users, labels, scores)
    both = ~np.isnan(of_user.auc)
    return float(np.average(of_user.auc[both], weights=of_user.n[both])) if both.any() else float("nan")


def log_loss(labels: npt.NDArray[np.floating], logits: npt.NDArray[np.floating]) -> float:
    """Mean cross-entropy of logits, in nats; NaN without examples."""
    if not len(labels):
        return float("nan")
    return float(np.mean(np.logaddexp(0.0, logits.astype(np.float64)) - labels * logits))


def _changes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """True at each row that differs from the one before, and at the first."""
    changes = np.ones(len(values), dtype=bool)
    changes[1:] = values[1:] != values[:-1]
    return changes
