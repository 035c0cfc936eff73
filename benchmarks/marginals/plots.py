"""Three figures: how plays fall on songs and listeners, how songs return, what a session and a day look like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from marginals.cells import Cell
from marginals.portrait import ENDS_AT

Columns = dict[str, Sequence[Cell]]
STYLE: Final = {
    "xiami": ("black", "-"), "thirtymusic-sessions": ("0.5", "-"), "default": ("tab:blue", "-"), "kg-strong": ("tab:green", "--"),
    "kg-useless": ("tab:red", ":"), "drift": ("tab:purple", "-."), "robots": ("tab:orange", "-"),
}  # fmt: skip
"""Colour and line of each log: real ones in black and grey."""


def draw(columns: Columns, folder: Path) -> list[Path]:
    """Write the figures into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, drawers in PANELS.items():
        figure, axes = plt.subplots(1, len(drawers), figsize=(3.7 * len(drawers), 3.3), layout="constrained")
        for axis, drawer in zip(axes, drawers, strict=True):
            drawer(axis, columns)
            axis.grid(alpha=0.25)
        handles, names = _all_handles(axes)
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=8)
        paths.append(folder / f"marginals-{name}.png")
        figure.savefig(paths[-1], dpi=90, metadata={"Software": None})
        plt.close(figure)
    return paths


def _all_handles(axes: Sequence[Axes]) -> tuple[list[object], list[str]]:
    found = {name: handle for axis in axes for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    return [found[name] for name in found], list(found)


def _lines(axis: Axes, columns: Columns, curve: str, x: np.ndarray | None = None, start: int = 0) -> None:
    """One line a log: the mean over its cells."""
    for name, cells in columns.items():
        values = [np.array(cell.curves[curve]) for cell in cells]
        if not len(values[0]) or np.isnan(values[0]).all():
            continue
        mean = np.mean(values, axis=0)
        colour, line = STYLE[name]
        axis.plot(np.arange(start, start + len(mean)) if x is None else x, mean, color=colour, linestyle=line, linewidth=1.4, label=name)


def _titled(axis: Axes, title: str, x: str, y: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    axis.tick_params(labelsize=8)


def _popularity(axis: Axes, columns: Columns) -> None:
    _lines(axis, columns, "popularity", np.logspace(-4, 0, 81))
    axis.set_xscale("log")
    _titled(axis, "Plays of the most popular songs", "share of the songs played", "share of plays")


def _activity(axis: Axes, columns: Columns) -> None:
    _survival(axis, columns, "activity")
    _titled(axis, "Activity of listeners", "plays", "listeners with at least as many")


def _survival(axis: Axes, columns: Columns, curve: str) -> None:
    """Survival function: one less the quantile's level."""
    for name, cells in columns.items():
        if len(cells[0].curves[curve]):
            values = np.mean([cell.curves[curve] for cell in cells], axis=0)
            colour, line = STYLE[name]
            axis.plot(values[:-1], 1 - np.linspace(0, 1, len(values))[:-1], color=colour, linestyle=line, linewidth=1.4, label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")


def _repeat_share(axis: Axes, columns: Columns) -> None:
    _lines(axis, columns, "repeat_by_place", start=1)
    _titled(axis, "Repeats as a history grows", "play of the listener", "share that are repeats")


def _hazard_plays(axis: Axes, columns: Columns) -> None:
    _returns(axis, columns, "plays")
    _power_law(axis, 0.02, 200)
    _titled(axis, "Return of a song, by plays since", "plays since it was last heard", "chance that it is next")


def _hazard_days(axis: Axes, columns: Columns) -> None:
    _returns(axis, columns, "days")
    _power_law(axis, 0.06, 30)
    _titled(axis, "Return of a song, by days since", "days since it was last heard", "chance that it is heard on the day")


def _returns(axis: Axes, columns: Columns, unit: str) -> None:
    for name, cells in columns.items():
        if len(cells[0].curves[f"lag_{unit}"]):
            lag, chance = (np.mean([cell.curves[f"{curve}_{unit}"] for cell in cells], axis=0) for curve in ("lag", "hazard"))
            colour, line = STYLE[name]
            axis.plot(lag, np.where(chance > 0, chance, np.nan), color=colour, linestyle=line, linewidth=1.4, label=name)


def _power_law(axis: Axes, height: float, longest: int) -> None:
    lags = np.array([1, longest])
    axis.plot(lags, height * lags**-0.5, color="0.3", linestyle=(0, (1, 3)), linewidth=1, label="slope of d = 0.5")
    axis.set_xscale("log")
    axis.set_yscale("log")


def _sessions(axis: Axes, columns: Columns) -> None:
    _survival(axis, columns, "sessions")
    _titled(axis, "Length of sessions", "plays", "sessions with at least as many")


def _left(axis: Axes, columns: Columns) -> None:
    _lines(axis, columns, "left_by_position", start=1)
    axis.axhline(0.486, color="0.3", linestyle=(0, (1, 3)), linewidth=1, label="Lamere 2014")
    axis.set_ylim(0, 0.7)
    _titled(axis, f"Left before {ENDS_AT:.0%} of the song", "place in the session", "share of plays")


def _hours(axis: Axes, columns: Columns) -> None:
    _lines(axis, columns, "hours")
    axis.set_ylim(bottom=0)
    _titled(axis, "Hour of the day", "hour as the log tells time", "share of plays")


def _weekdays(axis: Axes, columns: Columns) -> None:
    _lines(axis, columns, "weekdays")
    axis.set_xticks(range(7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    axis.set_ylim(bottom=0)
    _titled(axis, "Day of the week", "", "share of plays")


PANELS: Final = {
    "popularity": (_popularity, _activity),
    "repeats": (_repeat_share, _hazard_plays, _hazard_days),
    "sessions": (_sessions, _left, _hours, _weekdays),
}
"""What each figure shows, from left to right."""
