"""The learned merge: LambdaMART (Burges, 2010; LightGBM) over the routes' scores and ranks and traits of song, user and pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from recall.candidate_table import CandidateTable
from recall.merge_features import MergeFeatures
from recall.merge_size import HeldCandidates, TreeSize, best_size, folds_of
from recall.snapshot import Snapshot
from recall.tree_kernel import TreeKernel

FEATURES_AT_ONCE = 500_000
"""Candidates whose columns are in memory together while the merge learns, about."""


@dataclass(frozen=True)
class MergeSettings:
    """Size of the trees, and what they are to get right."""

    trees: int = 150
    """At most; how many of them is found by cross-validation over listeners."""
    learning_rate: float = 0.06
    leaves: int = 31
    small_leaves: int = 7
    """Trees of so few leaves are tried beside those of `leaves`. 0 tries nothing: `trees` and `leaves` are as they are."""
    min_leaf: int = 50
    """Least candidates in a leaf."""
    truncation: int = 30
    """Places of a list that the loss looks at: the cost of training grows with it."""
    new_gain: int = 1
    """Relevance grade of a played song that was new to the user, where a repeat has grade 1; LambdaMART's gain is 2^grade - 1."""
    negatives_per_user: int = 150
    """Candidates that were not played and are learned from, drawn for each user."""
    threads: int = 2


class LearnedMerge:
    """Orders candidates by boosted trees trained on what was played in a time-later window."""

    def __init__(self, settings: MergeSettings = MergeSettings(), seed: int = 0, size: TreeSize | None = None) -> None:
        """With `size` the trees are as large as it says; without, the size is found where the merge is fitted."""
        self.settings = settings
        self.seed = seed
        self.size = size
        self._features: MergeFeatures | None = None

    def fit(self, table: CandidateTable, labels: npt.NDArray[np.bool_], snapshot: Snapshot) -> None:
        """Learn from candidates `[n]` collected at `snapshot`, labelled true where the user played the song afterwards.

        Raises:
            ValueError: no candidate is positive.
        """
        rows = self._sample(table.user, labels)
        if not labels[rows].any():
            raise ValueError("the learned merge has no positive candidate to learn from")
        features = MergeFeatures(snapshot)
        names = _plain(features.names(table.routes, table.parts))
        matrix, user, grade = _rows_of(features, table, rows), table.user[rows], labels[rows].astype(np.int8)
        last = names.index("song_last")
        grade[labels[rows] & np.isnan(matrix[:, last])] = self.settings.new_gain

        def learn(size: TreeSize, chosen: npt.NDArray[np.bool_] | slice) -> lgb.Booster:
            _, group = np.unique(user[chosen], return_counts=True)
            data = lgb.Dataset(matrix[chosen], grade[chosen], group=group, feature_name=names, free_raw_data=True)
            return lgb.train(self._parameters(size.leaves), data, num_boost_round=size.trees)

        def judged() -> Iterator[tuple[npt.NDArray[np.bool_], HeldCandidates]]:
            for chosen, held in folds_of(user, self.seed):
                part = np.isin(table.user, held)
                columns = features.columns(table.take(part))
                yield chosen, HeldCandidates(columns, table.user[part], labels[part], np.isnan(columns[last]))

        if self.size is None:
            largest = TreeSize(self.settings.leaves, self.settings.trees)
            small = self.settings.small_leaves
            self.size = best_size([TreeSize(small, largest.trees), largest], judged(), learn) if small else largest
        self._hold(learn(self.size, slice(None)))

    def _sample(self, user: npt.NDArray[np.int32], labels: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
        """Ascending rows to learn from: every positive, and drawn negatives of users that have a positive."""
        has_positive = np.isin(user, user[labels])
        negative = np.flatnonzero(~labels & has_positive)
        draw = np.random.default_rng(self.seed).random(len(negative))
        order = negative[np.lexsort((draw, user[negative]))]
        place = np.arange(len(order)) - np.searchsorted(user[order], user[order], side="left")
        return np.sort(np.concatenate([np.flatnonzero(labels), order[place < self.settings.negatives_per_user]]))

    def _parameters(self, leaves: int) -> dict[str, object]:
        settings = self.settings
        return {
            "objective": "lambdarank",
            "lambdarank_truncation_level": settings.truncation,
            "learning_rate": settings.learning_rate,
            "num_leaves": leaves,
            "min_data_in_leaf": settings.min_leaf,
            "feature_fraction": 0.8,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": settings.threads,
            "verbosity": -1,
        }

    def score(self, table: CandidateTable, snapshot: Snapshot) -> npt.NDArray[np.float32]:
        """Merge score of each candidate `[n]`, comparable within a user."""
        if len(table) == 0:
            return np.zeros(0, dtype=np.float32)
        # What is counted over all of a snapshot's plays serves every chunk of users.
        if self._features is None or self._features.snapshot is not snapshot:
            self._features = MergeFeatures(snapshot)
        columns = self._features.columns(table)
        given, learned = _plain(self._features.names(table.routes, table.parts)), self._trees.feature_name()
        if given != learned:
            # Chains come and go with the relations of the graph: what the trees do not know is left out, what is gone is unknown.
            row = np.array([given.index(name) if name in given else -1 for name in learned])
            columns = np.where(row[:, None] < 0, np.float32(np.nan), columns[row])
        score = self._trees.predict(columns.T) if self._kernel is None else self._kernel.score(columns)
        return np.asarray(score, dtype=np.float32)

    def _hold(self, trees: lgb.Booster) -> None:
        self._trees = trees
        # Trees of more leaves than the kernel's masks hold are left to LightGBM: the same scores, more slowly.
        self._kernel = TreeKernel.of(trees)

    def importance(self) -> pl.DataFrame:
        """`feature, gain` (share of the loss that splits on it removed), largest first."""
        gain = self._trees.feature_importance("gain")
        frame = pl.DataFrame({"feature": self._trees.feature_name(), "gain": gain / max(gain.sum(), 1e-12)})
        return frame.sort("gain", "feature", descending=[True, False])

    def save(self, folder: Path) -> None:
        """Write the trees into `folder`."""
        self._trees.save_model(folder / "merge.txt")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The merge saved in `folder`; it scores as before, and is not fitted again."""
        merge = cls()
        merge._hold(lgb.Booster(model_file=folder / "merge.txt"))
        return merge


def _rows_of(features: MergeFeatures, table: CandidateTable, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """The columns of some rows (ascending), `[n_rows, n_features]`.

    They are made for all candidates of some users at a time, since a user's best score is over all of its candidates, and then
    cut to the rows: the whole table's would need many times the memory of the table.
    """
    heads = np.flatnonzero(np.concatenate([[True], table.user[1:] != table.user[:-1]]))
    cuts = np.append(heads[np.searchsorted(heads, np.arange(0, len(table), FEATURES_AT_ONCE)) % len(heads)], len(table))
    parts = []
    for start, end in pairwise(np.unique(cuts).tolist()):
        mine = rows[np.searchsorted(rows, start) : np.searchsorted(rows, end)] - start
        parts.append(features.columns(table.take(slice(start, end)))[:, mine].T)
    return np.concatenate(parts)


def _plain(names: list[str]) -> list[str]:
    """Feature names as LightGBM takes them."""
    return [name.replace(" ", "_").replace("'", "") for name in names]
