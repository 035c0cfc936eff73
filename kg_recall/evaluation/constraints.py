"""What the final lists keep of `[recommend.rerank]`: for every constraint its target, what lists have, and how many keep it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from kg_recall.cascade import RankedLists
from kg_recall.evaluation.metrics import PerUser
from kg_recall.evaluation.report import Report, Section
from kg_recall.reranking import Reranking
from ranking.rerank.kept import Kept, kept

Values = npt.NDArray[np.float64]


class KeptConstraints:
    """Collects, chunk by chunk, what the lists of one scenario keep."""

    def __init__(self, reranking: Reranking, scenario: str) -> None:
        self.reranking = reranking
        self.constraints = reranking.constraints(scenario)
        self._users: list[npt.NDArray[np.int32]] = []
        self._found: dict[str, list[Kept]] = defaultdict(list)

    def add(self, lists: RankedLists) -> None:
        """Look at the final lists of some users."""
        if not self.constraints.declared or len(lists.user) == 0:
            return
        columns = self.reranking.columns(lists)
        self._users.append(columns.user[columns.first[:-1]])
        for one in kept(columns, self.reranking.reranker(self.constraints).songs, self.constraints):
            self._found[one.name].append(one)

    def report(self, report: Report) -> None:
        """A row `kept_NAME` of every constraint that is on (share of the lists that keep it), and a table for people."""
        if not self._found:
            return
        users, lines = np.concatenate(self._users).astype(np.int64), []
        for name, parts in self._found.items():
            holds = np.concatenate([one.holds for one in parts]).astype(np.float64)
            value = np.concatenate([one.value for one in parts])
            report.add("final", "daily", "true", "all", f"kept_{name}", self.constraints.places, PerUser(users, holds, np.ones(len(holds))))
            sign = "at most" if parts[0].is_most else "at least"
            lines.append(f"| {name} | {sign} {parts[0].target:g} | {value.mean():.3f} | {holds.mean():.1%} of {len(holds)} |")
        places = self.constraints.places
        head = (f"In the first {places} places of the final lists; a constraint that the candidates do not allow is given up.", "")
        table = ("| constraint | target | mean of lists | lists that keep it |", "|---|---|---|---|")
        report.sections.append(Section("Constraints on the list", (*head, *table, *lines)))
