"""Judges lists chunk by chunk of users, and hands the report one row per metric and slice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from kg_recall.cascade import RankedLists
from kg_recall.evaluation.metrics import Judged, PerUser
from kg_recall.evaluation.report import GraphState, Report, SliceName, Stage
from kg_recall.listening import is_played
from kg_recall.moments import Window
from recall.snapshot import Snapshot

RECALL_AT: Final = (20, 100, 500)
NDCG_AT: Final = (10, 50)
DEPTH: Final = 500
"""Places of a list that are judged."""
TAIL_PLAYS: Final = 5
"""A song with fewer training plays than this is in the tail; with none it is cold."""


@dataclass(frozen=True)
class Truth:
    """Relevant pairs of the test part, ascending by user and item, and the slice that each belongs to."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    slices: dict[SliceName, npt.NDArray[np.bool_]]
    """`[n]` mask of each slice."""

    @classmethod
    def of(cls, window: Window, before: Snapshot, training_plays: npt.NDArray[np.int64]) -> Truth:
        """Slices of a window's pairs.

        Args:
            window: the relevant pairs.
            before: what was known when the lists were made.
            training_plays: `[n_songs]` plays of each song in the train part.
        """
        played = is_played(before, window.user, window.item)
        has_past = np.bincount(before.events.user, minlength=before.catalogue.n_users) > 0
        slices: dict[SliceName, npt.NDArray[np.bool_]] = {
            "all": np.ones(len(window.user), dtype=bool),
            "new": ~played,
            "repeat": played,
            "cold_user": ~has_past[window.user],
            "cold_song": training_plays[window.item] == 0,
            "tail": training_plays[window.item] < TAIL_PLAYS,
        }
        return cls(window.user, window.item, slices)

    def n_users(self, part: SliceName) -> int:
        """Users with a relevant song in the slice."""
        return len(np.unique(self.user[self.slices[part]]))


class Tally:
    """Collects per-user metrics of many lists."""

    def __init__(self, truth: Truth, n_songs: int) -> None:
        self.truth = truth
        self.n_songs = n_songs
        self._values: dict[tuple[Stage, str, GraphState, SliceName, str, int], list[PerUser]] = defaultdict(list)
        self._listed: dict[tuple[Stage, str, GraphState, int], npt.NDArray[np.bool_]] = {}

    def add(
        self,
        stage: Stage,
        name: str,
        users: npt.NDArray[np.int32],
        lists: RankedLists,
        new_lists: RankedLists,
        graph: GraphState = "true",
    ) -> None:
        """Judge one chunk: `lists` rank every song, `new_lists` only songs that their users had not played."""
        mine = np.isin(self.truth.user, users)
        for part, mask in self.truth.slices.items():
            rows = mine & mask
            judged_lists = new_lists if part == "new" else lists
            judged = Judged.of(judged_lists.user, judged_lists.item, judged_lists.rank, self.truth.user[rows], self.truth.item[rows])
            for k in RECALL_AT:
                self._values[stage, name, graph, part, "recall", k].append(judged.recall(k))
            for k in NDCG_AT if part in ("all", "new") else ():
                self._values[stage, name, graph, part, "ndcg", k].append(judged.ndcg(k))
        for k in (20, 100):
            listed = self._listed.setdefault((stage, name, graph, k), np.zeros(self.n_songs, dtype=bool))
            listed[lists.item[lists.rank <= k]] = True

    def report(self, report: Report) -> None:
        """Hand over every mean with its interval, and coverage."""
        for (stage, name, graph, part, metric, k), chunks in self._values.items():
            whole = PerUser(*(np.concatenate(column) for column in zip(*chunks, strict=True)))
            report.add(stage, name, graph, part, metric, k, whole)
        for (stage, name, graph, k), listed in self._listed.items():
            report.add_value(stage, name, graph, "all", "coverage", k, float(listed.mean()), self.n_songs)
