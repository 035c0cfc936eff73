"""What the final lists keep of `[recommend.rerank]`: for every constraint its target, what lists have, and how many keep it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from kg_recall.cascade import RankedLists
from kg_recall.evaluation.metrics import PerUser
from kg_recall.evaluation.report import Report, Section
from kg_recall.reranking import Reranking
from ranking.rerank.kept import Kept, allowed, kept

Values = npt.NDArray[np.float64]


class KeptConstraints:
    """Collects, chunk by chunk, what the lists of one scenario keep."""

    def __init__(self, reranking: Reranking, scenario: str) -> None:
        self.reranking = reranking
        self.scenario = scenario
        self.constraints = reranking.constraints(scenario)
        self._users: list[npt.NDArray[np.int32]] = []
        self._found: dict[str, list[tuple[Kept, npt.NDArray[np.bool_]]]] = defaultdict(list)

    def add(self, lists: RankedLists) -> None:
        """Look at the re-ranked lists of some users, all candidates of each."""
        if not self.constraints.declared or len(lists.user) == 0:
            return
        columns, songs = self.reranking.columns(lists), self.reranking.reranker(self.constraints).songs
        self._users.append(columns.user[columns.first[:-1]])
        for one in kept(columns, songs, self.constraints):
            self._found[one.name].append((one, allowed(columns, songs, self.constraints, one.name)))

    def report(self, report: Report) -> None:
        """Two rows of every constraint that is on, and a table for people.

        `kept_NAME` is the share of the lists that keep it, `kept_where_possible_NAME` that of the lists whose candidates allow it.
        """
        if not self._found:
            return
        lines = [self._line(report, name, parts) for name, parts in self._found.items()]
        places = self.constraints.places
        head = (f"In the first {places} places of the final lists; a constraint that the candidates do not allow is given up.", "")
        table = (
            "| constraint | target | mean of lists | lists that keep it | of those whose candidates allow it |",
            "|---|---|---|---|---|",
        )
        report.sections.append(Section("Constraints on the list", (*head, *table, *lines)))

    def _line(self, report: Report, name: str, parts: list[tuple[Kept, npt.NDArray[np.bool_]]]) -> str:
        users = np.concatenate(self._users).astype(np.int64)
        holds, possible = (np.concatenate(column) for column in zip(*((one.holds, where) for one, where in parts), strict=True))
        for metric, rows in ((f"kept_{name}", np.ones(len(holds), dtype=bool)), (f"kept_where_possible_{name}", possible)):
            measured = PerUser(users[rows], holds[rows].astype(np.float64), np.ones(int(rows.sum())))
            report.add("final", self.scenario, "true", "all", metric, self.constraints.places, measured)
        target = f"{'at most' if parts[0][0].is_most else 'at least'} {parts[0][0].target:g}"
        mean = np.concatenate([one.value for one, _ in parts]).mean()
        where = f"{holds[possible].mean():.1%} of {possible.sum()}" if possible.any() else ""
        return f"| {name} | {target} | {mean:.3f} | {holds.mean():.1%} of {len(holds)} | {where} |"
