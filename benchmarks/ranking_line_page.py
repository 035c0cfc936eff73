"""The page of the ranking line: metrics with intervals over listeners, each step against the one before, cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from user_bootstrap import METRICS, Scored, user_weights

from etl.simulation.settings import SimulationSettings

N_DRAWS: Final = 500
REAL: Final = "cm100k"
"""The same listeners under every seed, so they are drawn alike."""
TITLES: Final = {"auc": "AUC", "gauc": "gAUC", "log_loss": "log loss", "calibration": "calibration error"}
COSTS: Final = ("parameters", "epochs", "fit_seconds", "trained_per_second", "scored_per_second")
BESIDE: Final = ("online",)
"""Rows that are no step of the line: they stand beside it, and the next step is measured against the one before them."""

Floats = npt.NDArray[np.float64]
Draws = dict[str, dict[str, Floats]]
"""By ranker and metric: `[1 + N_DRAWS]` means over the seeds, the first of the users as they are."""


@dataclass(frozen=True)
class Cells:
    """Everything that was measured."""

    folder: Path
    seeds: Sequence[int]

    def cost(self, preset: str, name: str, key: str) -> float:
        """Mean of one number over the seeds."""
        return float(np.mean([json.loads((self.folder / f"{preset}-{seed}-{name}.json").read_text())[key] for seed in self.seeds]))

    def draws(self, preset: str, names: Sequence[str], part: str) -> Draws:
        """Metrics of all rankers on one slice, resampled alike."""
        total: Draws = {name: {metric: np.zeros(1 + N_DRAWS) for metric in METRICS} for name in names}
        for seed in self.seeds:
            asked: Any = np.load(self.folder / f"{preset}-{seed}.npz")
            rows = np.flatnonzero(asked["is_new"]) if part == "new" else np.arange(len(asked["user"]))
            _, user = np.unique(asked["user"][rows], return_inverse=True)
            weights = user_weights(int(user.max()) + 1, N_DRAWS, 0 if preset == REAL else seed)
            for name in names:
                logit = np.load(self.folder / f"{preset}-{seed}-{name}.npy")[rows]
                for metric, values in Scored(user, asked["label"][rows], logit).all(weights).items():
                    total[name][metric] += values / len(self.seeds)
        return total

    def sizes(self, preset: str) -> str:
        """Numbers of examples over the seeds, in words."""
        loaded: list[Any] = [np.load(self.folder / f"{preset}-{seed}.npz") for seed in self.seeds]
        train, test = (np.mean([count(one) for one in loaded]) for count in (lambda one: int(one["n_train"]), lambda one: len(one["user"])))
        users = np.mean([len(np.unique(one["user"])) for one in loaded])
        positive, new = (np.mean([one[key].mean() for one in loaded]) for key in ("label", "is_new"))
        return (
            f"{train:,.0f} training and {test:,.0f} test examples of {users:,.0f} listeners (means over the seeds); "
            f"{positive:.1%} of the test examples are positive, {new:.1%} of songs new to the listener."
        )


def page(folder: Path, presets: Sequence[str], seeds: Sequence[int], names: Sequence[str], size: SimulationSettings) -> str:
    """The results as Markdown."""
    cells = Cells(folder, seeds)
    lines = [
        "# The talk's line of rankers",
        "",
        f"`python benchmarks/ranking_line.py --presets {' '.join(presets)} --seeds {' '.join(map(str, seeds))} --songs {size.n_songs} "
        f"--users {size.n_users} --days {size.n_days}`",
        "",
        f"Simulated services of {size.n_songs:,} songs, {size.n_users:,} listeners and {size.n_days} days, a service for each seed, cut by",
        f"time; `{REAL}` is ratings of songs drawn at random, each person's last ones held out. All is scored as in serving: without",
        f"its place in the list. Intervals are 95 %, by {N_DRAWS} resamples of the listeners of each service, averaged over the seeds as",
        "the values are; a calibration error grows with the noise of a resample, so its interval leans upwards. A step is *held* where the",
        "interval of its gain in gAUC over the step before is above 0, *the contrary* where below. `online` (FTRL without crosses) stands",
        "beside the line. `domains` foresees tasks: the label's logit is made of them by a few weights per scene, found on validation.",
        "Speeds are of CPU seconds on one thread: training examples times epochs over the whole fit (features, validation, early stopping",
        "and every strength that FTRL tries included; L-BFGS counts as one epoch), and scoring with features.",
        "",
    ]
    for preset in presets:
        lines += ["", f"## {preset}", "", cells.sizes(preset), ""]
        draws = cells.draws(preset, names, "all")
        lines += [*_metrics(draws, names), "", *_steps(cells, preset, names, draws), "", *_cost(cells, preset, names)]
    return "\n".join(lines) + "\n"


def _metrics(draws: Draws, names: Sequence[str]) -> list[str]:
    head = ["| ranker | " + " | ".join(TITLES[metric] for metric in METRICS) + " |", "|---|" + "---|" * len(METRICS)]
    return head + [f"| {name} | " + " | ".join(_span(draws[name][metric]) for metric in METRICS) + " |" for name in names]


def _steps(cells: Cells, preset: str, names: Sequence[str], draws: Draws) -> list[str]:
    """Each ranker minus the step before it, on all examples and on songs new to the listener."""
    new = cells.draws(preset, names, "new")
    lines = ["| step | gAUC | | AUC | | log loss | gAUC, new songs | |", "|---|---|---|---|---|---|---|---|"]
    before = names[0]
    for name in names[1:]:
        gain = {metric: draws[name][metric] - draws[before][metric] for metric in METRICS}
        of_new = new[name]["gauc"] - new[before]["gauc"]
        parts = [_span(gain["gauc"], True), f"**{verdict(gain['gauc'])}**", _span(gain["auc"], True), verdict(gain["auc"])]
        parts += [_span(gain["log_loss"], True), _span(of_new, True), verdict(of_new)]
        lines.append(f"| {before} → {name} | " + " | ".join(parts) + " |")
        before = before if name in BESIDE else name
    return lines


def _cost(cells: Cells, preset: str, names: Sequence[str]) -> list[str]:
    lines = ["| ranker | parameters | epochs | fit, s | trained, examples/s | scored, examples/s |", "|---|---|---|---|---|---|"]
    for name in names:
        of = {
            key: cells.cost(preset, name, key) for key in ("parameters", "epochs", "fit_seconds", "trained_per_second", "scored_per_second")
        }
        lines.append(
            f"| {name} | {of['parameters']:,.0f} | {of['epochs']:.1f} | {of['fit_seconds']:.1f} | "
            f"{of['trained_per_second']:,.0f} | {of['scored_per_second']:,.0f} |"
        )
    return lines


def verdict(gain: Floats) -> str:
    """Held where the whole interval is above 0, the contrary where it is below."""
    low, high = np.quantile(gain[1:], (0.025, 0.975))
    return "held" if low > 0 else "the contrary" if high < 0 else "not held"


def _span(draws: Floats, signed: bool = False) -> str:
    low, high = np.quantile(draws[1:], (0.025, 0.975))
    sign = "+" if signed else ""
    return f"{draws[0]:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"
