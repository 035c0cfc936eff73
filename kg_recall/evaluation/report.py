"""The evaluation report: rows with intervals, as JSON and as a page that a person reads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from kg_recall.evaluation.bootstrap import interval
from kg_recall.evaluation.metrics import PerUser

Stage = Literal["route", "merged", "ranked", "final"]
GraphState = Literal["true", "removed", "randomised"]
SliceName = Literal["all", "new", "repeat", "cold_user", "cold_song", "tail"]

HEADLINES: Final = (("recall", 20, "all"), ("recall", 100, "all"), ("recall", 20, "new"), ("recall", 100, "new"), ("ndcg", 10, "all"))
"""Metrics that the page's first table shows, one column each."""
COLD_K: Final = 100
"""Places of the lists of which the table of cold users and songs tells."""
FOR_PEOPLE: Final = ("notes", "cold", "sections")
"""Fields that `evaluation.json` leaves out."""


class ColdGroup(NamedTuple):
    """Users or songs of whom little was known: a metric of its own within a slice."""

    slice: SliceName
    metric: str
    says: str


class Section(NamedTuple):
    """A part of the page that people read; the file for programs does not hold it."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One measured number and its 95 % bootstrap interval over users."""

    stage: Stage
    name: str
    graph: GraphState
    slice: SliceName
    metric: str
    k: int | None
    value: float
    low: float | None
    high: float | None
    n: int
    """Users (examples, for coverage: songs) that the number speaks of."""


@dataclass
class Report:
    """Everything that `evaluate` found."""

    data: str
    """What was evaluated, in a few words: the source without secrets, and its sizes."""
    split: str
    seed: int
    users: dict[str, int]
    """How many users have a relevant song (`all`), and how many a new one (`new`)."""
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a reader must know: routes left out and why, the blend that was found."""
    cold: list[ColdGroup] = field(default_factory=list)
    """Groups of cold users and songs that were judged, in the order of their columns."""
    sections: list[Section] = field(default_factory=list)
    """What else the page says."""

    def add(self, stage: Stage, name: str, graph: GraphState, part: SliceName, metric: str, k: int | None, measured: PerUser) -> None:
        """Take the mean of a per-user metric with its interval; nothing where no user has one."""
        if len(measured.value) == 0:
            return
        value, low, high = interval(measured.value, self.seed, weight=measured.weight)
        self.rows.append(Row(stage, name, graph, part, metric, k, value, low, high, len(measured.value)))

    def add_value(
        self, stage: Stage, name: str, graph: GraphState, part: SliceName, metric: str, k: int | None, value: float, n: int
    ) -> None:
        """Take a number that has no per-user form."""
        if math.isfinite(value):
            self.rows.append(Row(stage, name, graph, part, metric, k, value, None, None, n))

    def find(self, stage: str, name: str, metric: str, k: int | None, part: str = "all", graph: str = "true") -> Row | None:
        """The row of that description, or None."""
        wanted = (stage, name, graph, part, metric, k)
        return next((row for row in self.rows if (row.stage, row.name, row.graph, row.slice, row.metric, row.k) == wanted), None)

    def write(self, folder: Path) -> None:
        """Write `evaluation.json` and `evaluation.md`."""
        # The file for programs holds what its contract names, and the notes are for people.
        plain: dict[str, Any] = {key: value for key, value in asdict(self).items() if key not in FOR_PEOPLE}
        (folder / "evaluation.json").write_text(json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "evaluation.md").write_text("\n".join(self._page()) + "\n", encoding="utf-8")

    def _page(self) -> Iterable[str]:
        yield f"# Evaluation: {self.data}"
        yield ""
        yield f"Split `{self.split}`, seed {self.seed}; {self.users['all']} users have a relevant song, {self.users['new']} a new one."
        yield "Full ranking of the catalogue; recall@K is hits over min(K, relevant), mean over users, 95 % bootstrap interval over users."
        yield from ("", *(f"- {note}" for note in self.notes))
        yield from ("", "## Stages", "", *self._headline_table("", _cell))
        yield from ("", "## What each part adds", "", *self._losses_table())
        yield from self._cold_table()
        for section in self.sections:
            yield from ("", f"## {section.title}", "", *section.lines)
        yield from ("", "![recall@100](figures/recall.png)", "", "![worth of the graph](figures/graph_worth.png)")
        shown = {(f"{metric}{end}", k, part) for metric, k, part in HEADLINES for end in ("", "_lost")}
        shown |= {(group.metric, COLD_K, group.slice) for group in self.cold}
        others = [row for row in self.rows if (row.metric, row.k, row.slice) not in shown]
        yield from (
            "",
            "## Everything else",
            "",
            "| stage | name | graph | slice | metric | value | interval | n |",
            "|---|---|---|---|---|---|---|---|",
        )
        for row in others:
            metric = row.metric if row.k is None else f"{row.metric}@{row.k}"
            span = "" if row.low is None else f"{row.low:.4f} – {row.high:.4f}"
            yield f"| {row.stage} | {row.name} | {row.graph} | {row.slice} | {metric} | {row.value:.4f} | {span} | {row.n} |"

    def _losses_table(self) -> Iterable[str]:
        """What the learned merge loses without each part, a paired difference user by user."""
        yield "What is lost against the learned merge, user by user; an interval that spans 0 says that nothing is."
        yield from ("", *self._headline_table("_lost", _span))

    def _cold_table(self) -> Iterable[str]:
        """Recall of the groups of whom little was known; nothing where there are none."""
        if not self.cold:
            return
        yield from ("", "## Cold listeners and songs", "")
        yield f"Recall@{COLD_K}, listeners by what was known of them before the test; songs of facts alone had no play to learn from."
        rows = [row for row in self.rows for group in self.cold if _is_of(group, row)]
        most = [max((row.n for row in rows if _is_of(group, row)), default=0) for group in self.cold]
        heads = [f"{group.says} ({n} listeners)" for group, n in zip(self.cold, most, strict=True)]
        yield from ("", "| stage | name | graph | " + " | ".join(heads) + " |", "|---" * (3 + len(heads)) + "|")
        for stage, name, graph in dict.fromkeys((row.stage, row.name, row.graph) for row in rows):
            found = [self.find(stage, name, group.metric, COLD_K, group.slice, graph) for group in self.cold]
            yield f"| {stage} | {name} | {graph} | " + " | ".join(_cell(row) for row in found) + " |"

    def _headline_table(self, end: str, shown: Callable[[Row | None], str]) -> Iterable[str]:
        """One row a stage, one column a headline; `end` ends the names of its metrics."""
        yield "| stage | name | graph | " + " | ".join(f"{part} {metric}@{k}" for metric, k, part in HEADLINES) + " |"
        yield "|---" * (3 + len(HEADLINES)) + "|"
        for stage, name, graph in dict.fromkeys((row.stage, row.name, row.graph) for row in self.rows):
            cells = [self.find(stage, name, f"{metric}{end}", k, part, graph) for metric, k, part in HEADLINES]
            if any(cells):
                yield f"| {stage} | {name} | {graph} | " + " | ".join(shown(row) for row in cells) + " |"


def _is_of(group: ColdGroup, row: Row) -> bool:
    """Whether the table of cold users and songs shows the row under the group."""
    return (row.metric, row.k, row.slice) == (group.metric, COLD_K, group.slice)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    half = "" if row.low is None or row.high is None else f" ±{np.max([row.value - row.low, row.high - row.value]):.3f}"
    return f"{row.value:.3f}{half}"


def _span(row: Row | None) -> str:
    return "" if row is None or row.low is None else f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
