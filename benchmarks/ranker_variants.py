"""Variants of one ranker on simulated services: cells that are measured once, and each variant beside the first, listener by listener.

A cell is one variant on one service with one seed. It keeps what the variant foresees of every test example, so that differences are
paired. What has been measured is not measured again: runs with different --seeds may fill one work folder side by side.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from ranking_line import Data, of_simulation
from user_bootstrap import Scored, user_weights

from etl.simulation.settings import SimulationSettings

N_DRAWS: Final = 500
SLICES: Final = ("all", "new")

Floats = npt.NDArray[np.float64]
Foreseen = dict[str, npt.NDArray[np.float32]]
"""Logits `[n_test]` by the name of what they foresee."""


@dataclass(frozen=True)
class Measure:
    """One column of the page: a metric of `user_bootstrap` on one thing that is foreseen."""

    target: str
    metric: str

    @property
    def title(self) -> str:
        """Head of the column."""
        name = {"auc": "AUC", "gauc": "gAUC", "log_loss": "log loss", "calibration": "calibration error"}[self.metric]
        return name if self.target == "label" else f"{name} of {self.target}"


@dataclass(frozen=True)
class Experiment:
    """What is compared: fitted by `fit(variant, data, seed)`, judged against `targets(data)`. The others are held to the first variant."""

    title: str
    says: str
    command: str
    variants: Mapping[str, str]
    """What each variant is, by name."""
    fit: Callable[[str, Data, int], tuple[dict[str, Any], Foreseen]]
    """Numbers to show beside, and what is foreseen of the test examples."""
    targets: Callable[[Data], Foreseen]
    """`[n_test]` what happened, NaN unknown."""
    measures: Sequence[Measure]


def run(experiment: Experiment) -> None:
    """Measure what is missing and write the page."""
    given = _arguments(experiment)
    torch.set_num_threads(1)
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)

    @lru_cache(maxsize=1)
    def data_of(preset: str, seed: int) -> Data:
        return of_simulation(given.services / f"{preset}-{seed}", replace(size, preset=preset, seed=seed))

    cells = given.work / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    for preset in given.presets:
        for seed in given.seeds:
            asked = cells / f"{preset}-{seed}.npz"
            if not asked.is_file():
                data = data_of(preset, seed)
                np.savez(asked, user=data.test.user, is_new=data.is_new, n_train=len(data.train), **experiment.targets(data))
            for name in given.variants:
                file = cells / f"{preset}-{seed}-{name}.json"
                if not file.is_file():
                    _measure(experiment, name, data_of(preset, seed), seed, file)
    text = page(experiment, given, cells)
    given.out.write_text(text, encoding="utf-8")
    print(text)


def _arguments(experiment: Experiment) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"{experiment.title}: {experiment.says}")
    parser.add_argument("--presets", nargs="+", default=["default"])
    parser.add_argument("--variants", nargs="+", choices=list(experiment.variants), default=list(experiment.variants))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=2_000)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path(experiment.command.replace("_", "-")))
    parser.add_argument("--services", type=Path, help="folder of the simulated services; default: the work folder")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / f"{experiment.command}.md")
    given = parser.parse_args()
    given.services = given.services or given.work
    return given


def _measure(experiment: Experiment, name: str, data: Data, seed: int, file: Path) -> None:
    start = time.process_time()
    beside, foreseen = experiment.fit(name, data, seed)
    cell = {**beside, "cpu_seconds": time.process_time() - start}
    np.savez(file.with_suffix(".npz"), **foreseen)
    file.write_text(json.dumps(cell))
    print(file.stem, json.dumps({key: round(value, 2) for key, value in cell.items()}), flush=True)


def page(experiment: Experiment, given: argparse.Namespace, cells: Path) -> str:
    """The results as Markdown."""
    seeds = " ".join(map(str, given.seeds))
    lines = [
        f"# {experiment.title}",
        "",
        f"`python benchmarks/{experiment.command}.py --presets {' '.join(given.presets)} --seeds {seeds} --songs {given.songs} "
        f"--users {given.users} --days {given.days}`",
        "",
        experiment.says,
        "",
        f"Simulated services of {given.songs:,} songs, {given.users:,} listeners, {given.days} days, one for each seed, cut by time.",
        "Every example is scored as of its own moment. Differences are each variant minus the first, on the same examples.",
        f"Intervals are 95 %, by {N_DRAWS} resamples of the listeners of each service, averaged over the seeds as the values are.",
        "CPU seconds are of the fit with features and of scoring the test examples, on one thread.",
    ]
    names = given.variants
    for preset in given.presets:
        for part in SLICES:
            draws = {name: _draws(experiment, cells, preset, given.seeds, name, part) for name in names}
            lines += ["", f"## {preset}, {'all examples' if part == 'all' else 'songs new to the listener'}", ""]
            lines += [*_values(experiment, names, draws), "", *_differences(experiment, names, draws)]
        lines += ["", f"## {preset}, beside", "", *_beside(cells, preset, given.seeds, names)]
    lines += ["", "Variants:", "", *(f"- `{name}`: {experiment.variants[name]}" for name in names)]
    return "\n".join(lines) + "\n"


def _draws(experiment: Experiment, cells: Path, preset: str, seeds: Sequence[int], name: str, part: str) -> list[Floats]:
    """Of each measure `[1 + N_DRAWS]` means over the seeds, the first of the listeners as they are."""
    total = [np.zeros(1 + N_DRAWS) for _ in experiment.measures]
    for seed in seeds:
        asked: Any = np.load(cells / f"{preset}-{seed}.npz")
        found: Any = np.load(cells / f"{preset}-{seed}-{name}.npz")
        in_part = asked["is_new"] if part == "new" else np.ones(len(asked["user"]), dtype=bool)
        for place, measure in enumerate(experiment.measures):
            happened = asked[measure.target]
            rows = np.flatnonzero(in_part & ~np.isnan(happened))
            _, user = np.unique(asked["user"][rows], return_inverse=True)
            weights = user_weights(int(user.max()) + 1, N_DRAWS, seed)
            scored = Scored(user, happened[rows], found[measure.target][rows])
            total[place] += scored.of(measure.metric, weights) / len(seeds)
    return total


def _values(experiment: Experiment, names: Sequence[str], draws: Mapping[str, list[Floats]]) -> list[str]:
    head = ["| variant | " + " | ".join(measure.title for measure in experiment.measures) + " |"]
    head.append("|---|" + "---|" * len(experiment.measures))
    return head + [f"| {name} | " + " | ".join(_span(values) for values in draws[name]) + " |" for name in names]


def _differences(experiment: Experiment, names: Sequence[str], draws: Mapping[str, list[Floats]]) -> list[str]:
    first = names[0]
    lines = [f"| minus {first} | " + " | ".join(measure.title for measure in experiment.measures) + " |"]
    lines.append("|---|" + "---|" * len(experiment.measures))
    for name in names[1:]:
        gains = [_span(own - other, sign=True) for own, other in zip(draws[name], draws[first], strict=True)]
        lines.append(f"| {name} | " + " | ".join(gains) + " |")
    return lines if len(names) > 1 else []


def _beside(cells: Path, preset: str, seeds: Sequence[int], names: Sequence[str]) -> list[str]:
    of = {name: [json.loads((cells / f"{preset}-{seed}-{name}.json").read_text()) for seed in seeds] for name in names}
    keys = list(of[names[0]][0])
    lines = ["| variant | " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|---|" + "---|" * len(keys)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(_number(float(np.mean([cell[key] for cell in of[name]]))) for key in keys) + " |")
    return lines


def _number(value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.1f}"


def _span(values: Floats, sign: bool = False) -> str:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    form = "+.4f" if sign else ".4f"
    shown = f"{values[0]:{form}} [{low:{form}}, {high:{form}}]"
    return f"**{shown}**" if sign and (low > 0 or high < 0) else shown
