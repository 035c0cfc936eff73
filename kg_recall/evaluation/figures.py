"""Plots of the evaluation report."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kg_recall.evaluation.report import Report, Row

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def draw(report: Report, folder: Path) -> None:
    """Write `recall.png` (every stage, all and new songs) and `graph_worth.png` (graph true, removed, randomised) into `folder`."""
    folder.mkdir(exist_ok=True)
    _recall(report, folder / "recall.png")
    _graph_worth(report, folder / "graph_worth.png")


def _recall(report: Report, path: Path) -> None:
    rows = [row for row in report.rows if (row.metric, row.k, row.graph) == ("recall", 100, "true") and not row.name.startswith("without ")]
    names = list(dict.fromkeys((row.stage, row.name) for row in rows))
    figure, axes = plt.subplots(1, 2, figsize=(11, 0.4 * len(names) + 1.5), sharey=True)
    for axis, part in zip(axes, ("all", "new"), strict=True):
        found = [next((row for row in rows if (row.stage, row.name, row.slice) == (*name, part)), None) for name in names]
        _bars(axis, found)
        axis.set_title(f"{part} songs: recall@100")
    axes[0].set_yticks(range(len(names)), [f"{stage}: {name}" for stage, name in names])
    axes[0].invert_yaxis()
    _save(figure, path)


def _graph_worth(report: Report, path: Path) -> None:
    parts = ("all", "new", "tail", "cold_song")
    figure, axes = plt.subplots(1, len(parts), figsize=(12, 3))
    states = ("true", "removed", "randomised")
    for axis, part in zip(axes, parts, strict=True):
        _bars(axis, [report.find("merged", "learned", "recall", 100, part, state) for state in states])
        axis.set_yticks(range(len(states)), states)
        axis.invert_yaxis()
        axis.set_title(f"{part}: recall@100")
    _save(figure, path)


def _bars(axis: Axes, rows: list[Row | None]) -> None:
    for place, row in enumerate(rows):
        if row is not None:
            error = None if row.low is None or row.high is None else [[row.value - row.low], [row.high - row.value]]
            axis.barh(place, row.value, xerr=error, color="#4a7fb5", ecolor="#333333", capsize=2)
            axis.text(row.value, place, f" {row.value:.3f}", va="center", fontsize=8)


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    # No creation date in the file: the same report gives the same bytes.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
