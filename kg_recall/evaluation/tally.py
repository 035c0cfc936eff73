"""Judges lists chunk by chunk of users, and hands the report one row per metric and slice."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from kg_recall.cascade import RankedLists
from kg_recall.evaluation.cold import cold_groups
from kg_recall.evaluation.metrics import Judged, PerUser
from kg_recall.evaluation.report import ColdGroup, GraphState, Report, SliceName, Stage
from kg_recall.listening import is_played
from kg_recall.moments import Window
from recall.candidate_table import CandidateTable
from recall.snapshot import Snapshot

RECALL_AT: Final = (20, 100, 500)
DEEP: Final = 1000
"""Places of the merged list whose recall is the ceiling of everything that orders it anew."""
NDCG_AT: Final = (10, 50)
DEPTH: Final = 500
"""Places of a list that are judged."""
TAIL_PLAYS: Final = 5
"""A song with fewer training plays than this is in the tail; with none it is cold."""
LEARNED: Final[tuple[Stage, str, GraphState]] = ("merged", "learned", "true")
"""What routes and other merges are compared with, user by user."""


@dataclass(frozen=True)
class Truth:
    """Relevant pairs of the test part, ascending by user and item, and the slice that each belongs to."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    slices: dict[SliceName, npt.NDArray[np.bool_]]
    """`[n]` mask of each slice."""
    cold: dict[ColdGroup, npt.NDArray[np.bool_]] = field(default_factory=dict)
    """`[n]` mask of each group of cold users and songs that has a pair."""

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
        return cls(window.user, window.item, slices, cold_groups(window, before, training_plays))

    def n_users(self, part: SliceName) -> int:
        """Users with a relevant song in the slice."""
        return len(np.unique(self.user[self.slices[part]]))


class Tally:
    """Collects per-user metrics of many lists."""

    def __init__(self, truth: Truth, n_songs: int) -> None:
        self.truth = truth
        self.n_songs = n_songs
        self._values: dict[tuple[Stage, str, GraphState, SliceName, str, int | None], list[PerUser]] = defaultdict(list)
        self._listed: dict[tuple[Stage, str, GraphState, int], npt.NDArray[np.bool_]] = {}
        self._found: dict[SliceName, list[npt.NDArray[np.bool_]]] = defaultdict(list)
        self._routes: tuple[str, ...] = ()

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
        for group, mask in self.truth.cold.items():
            rows = mask & mine
            own = np.isin(lists.user, self.truth.user[rows])
            judged = Judged.of(lists.user[own], lists.item[own], lists.rank[own], self.truth.user[rows], self.truth.item[rows])
            for k in RECALL_AT:
                self._values[stage, name, graph, group.slice, group.metric, k].append(judged.recall(k))
        for k in (20, 100):
            listed = self._listed.setdefault((stage, name, graph, k), np.zeros(self.n_songs, dtype=bool))
            listed[lists.item[lists.rank <= k]] = True

    def add_candidates(self, users: npt.NDArray[np.int32], table: CandidateTable, merged: RankedLists) -> None:
        """Judge what there was to order: recall of all candidates, of the best `DEEP` of the merged list, and which routes found each.

        Args:
            users: the chunk.
            table: its candidates.
            merged: all of them in merged order.
        """
        mine, self._routes = np.isin(self.truth.user, users), table.routes
        for part in ("all", "new"):
            rows = mine & self.truth.slices[part]
            user, item = self.truth.user[rows], self.truth.item[rows]
            for name, k, rank in (("candidates", None, np.ones_like(merged.rank)), ("learned", DEEP, merged.rank)):
                judged = Judged.of(merged.user, merged.item, rank, user, item)
                self._values["merged", name, "true", part, "recall", k].append(judged.recall(DEEP))
            self._found[part].append(table.rank_of(user, item) > 0)

    def report(self, report: Report) -> None:
        """Hand over every mean with its interval, what is lost against the learned merge, coverage, and what only one route found."""
        report.cold = list(self.truth.cold)
        whole = {key: PerUser(*(np.concatenate(column) for column in zip(*chunks, strict=True))) for key, chunks in self._values.items()}
        for (stage, name, graph, part, metric, k), measured in whole.items():
            report.add(stage, name, graph, part, metric, k, measured)
        for (stage, name, graph, part, metric, k), measured in whole.items():
            best = whole.get((*LEARNED, part, metric, k))
            compared = stage in ("route", "merged") and part in ("all", "new") and metric in ("recall", "ndcg")
            if best is not None and (stage, name, graph) != LEARNED and compared:
                # The same users in the same order: the difference is paired.
                report.add(stage, name, graph, part, f"{metric}_lost", k, measured._replace(value=best.value - measured.value))
        for (stage, name, graph, k), listed in self._listed.items():
            report.add_value(stage, name, graph, "all", "coverage", k, float(listed.mean()), self.n_songs)
        for part, chunks in self._found.items():
            self._report_only_found(report, part, np.concatenate(chunks))

    def _report_only_found(self, report: Report, part: SliceName, found: npt.NDArray[np.bool_]) -> None:
        """Of the relevant pairs `[n, n_routes]` that any route listed, the share that one route alone listed."""
        listed = found[found.any(axis=1)]
        alone = listed[listed.sum(axis=1) == 1]
        for column, name in enumerate(self._routes if len(listed) else ()):
            report.add_value("route", name, "true", part, "only_found", None, float(alone[:, column].sum() / len(listed)), len(listed))
