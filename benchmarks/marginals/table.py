"""The marginals of every log in one Markdown table, and how two worlds that should share them differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from marginals.cells import Cell
from marginals.portrait import MEASURES, Measure
from marginals.published import beside


def main_table(columns: dict[str, Sequence[Cell]]) -> list[str]:
    """One row a measure, one column a log: the mean over its cells, with the half range where it has several."""
    lines = [f"| | published | {' | '.join(columns)} |", "|---|---|" + "---:|" * len(columns)]
    for row in MEASURES:
        values = [_cell_text(row, [cell.numbers[row.key] for cell in cells]) for cells in columns.values()]
        lines.append(f"| {row.title} | {beside(row.key)} | {' | '.join(values)} |")
    return lines


def difference_table(one: Sequence[Cell], other: Sequence[Cell]) -> list[str]:
    """For each measure the mean of both worlds, the largest difference at one seed, and the spread of seeds within a world."""
    names = f"{_preset(one)} | {_preset(other)}"
    lines = [f"| | {names} | largest difference at a seed | range over seeds within one |", "|---|---:|---:|---:|---:|"]
    for row in MEASURES:
        left, right = (np.array([cell.numbers[row.key] for cell in cells]) for cells in (one, other))
        if np.isnan(left).any() or np.isnan(right).any():
            continue
        within = max(np.ptp(left), np.ptp(right))
        apart = float(np.abs(left - right).max())
        shown = (_number(row, float(value)) for value in (left.mean(), right.mean(), apart, within))
        lines.append(f"| {row.title} | {' | '.join(shown)} |")
    return lines


def shared_plays(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> dict[str, str]:
    """Of two worlds' kept plays: which tables are equal, the share of plays (listener and time) in both, and of those the same song."""
    same = {name: "the same" if str(one[name]) == str(other[name]) else "DIFFERENT" for name in ("songs", "users", "facts")}
    mine, its = (_keyed(kept) for kept in (one, other))
    _, here, there = np.intersect1d(mine, its, return_indices=True)
    share = len(here) / max(len(mine), len(its))
    song = float((one["song"][here] == other["song"][there]).mean()) if len(here) else math.nan
    return {**same, "plays": f"{share:.1%}", "song": f"{song:.1%}"}


def _keyed(kept: dict[str, np.ndarray]) -> np.ndarray:
    """One integer for listener and time."""
    return np.asarray(kept["user"].astype(np.int64) * 2**40 + kept["ts"])


def _preset(cells: Sequence[Cell]) -> str:
    return cells[0].name.rsplit("-", 1)[0]


def _cell_text(row: Measure, values: Sequence[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "–"
    spread = f" ± {_number(row, (max(known) - min(known)) / 2)}" if len(known) > 1 else ""
    return _number(row, sum(known) / len(known)) + spread


def _number(row: Measure, value: float) -> str:
    return f"{value:,.{row.digits}f}"
