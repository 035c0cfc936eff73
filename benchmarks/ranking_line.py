"""The talk's line of rankers, each step beside the one before: on simulated services, and on likes and dislikes of songs drawn at random.

    python benchmarks/ranking_line.py --seeds 0 1 2 --work ranking-line

A cell is one ranker on one data set with one seed; it keeps its logits of the test examples, so that all rankers are compared listener by
listener. What has been measured is not measured again: two runs with different --seeds may fill one work folder side by side. The songs
have no vectors of a shared encoder here: every ranker knows a song by its id and its facets alone. Nothing that is scored knows its place.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from ranking_line_page import REAL, page
from scipy.optimize import minimize
from scipy.special import expit, logit
from simulated_service import bring_to, simulated

from etl.imports.registry import run_import
from etl.imports.source import END_TS, SECONDS_BETWEEN_PLAYS
from etl.simulation.settings import SimulationSettings
from kg_recall.context import Context
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments
from kg_recall.settings import CONFIG_NAME
from ranking.domains import Domains
from ranking.examples import exposure_examples
from ranking.ftrl_ranker import FtrlRanker, FtrlRankerSettings
from ranking.listening import LISTENING, ListeningFeatures
from ranking.ranker import Examples
from ranking.registry import RANKERS
from ranking.utility import TASKS
from recall.snapshot import Snapshot

PRESETS: Final = ("default", "kg-strong", "drift")
HELD_RATINGS: Final = 15
"""Of each of the people of cm100k: so many last ratings are the test, and so many before them the validation."""


@dataclass(frozen=True)
class Data:
    """One service, cut in three."""

    before: Snapshot
    """Up to the test part."""
    now: Snapshot
    """All of it."""
    train: Examples
    valid: Examples
    test: Examples

    @classmethod
    def cut(cls, whole: Snapshot, valid_from: int, test_from: int) -> Data:
        """The parts that begin at these event positions."""
        ts = int(whole.events.ts[test_from])
        before = replace(whole, events=whole.events.take(slice(0, test_from)), now=ts)
        n = len(whole.events)
        parts = (exposure_examples(whole, *bounds) for bounds in ((0, valid_from), (valid_from, test_from), (test_from, n)))
        return cls(before, whole, *parts)

    @property
    def is_new(self) -> npt.NDArray[np.bool_]:
        """`[n_test]` songs that their listener had not played before."""
        return np.asarray(ListeningFeatures(self.now).of(self.test)[:, LISTENING.index("song_plays")] == 0)


def of_simulation(folder: Path, size: SimulationSettings) -> Data:
    """A simulated service, cut at the quantiles of its time; facts are those known where the train part ends."""
    context = Context.open(simulated(folder, size), quiet=True)
    bring_to(context, "etl", "graph")
    moments = Moments.of(context)
    whole = replace(moments.after(TEST), projection=moments.after(TRAIN).projection)
    return Data.cut(whole, moments.first_of(VALID), moments.first_of(TEST))


def of_ratings(folder: Path, data: Path) -> Data:
    """CM100k, every person's last ratings held out."""
    config = folder / CONFIG_NAME
    if not config.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        run_import(REAL, data / REAL, f"sqlite:///{folder / 'music.db'}")
    context = Context.open(config, quiet=True)
    bring_to(context, "etl", "graph")
    whole = Moments.of(context).after(TEST)
    first = [END_TS - (n * HELD_RATINGS - 1) * SECONDS_BETWEEN_PLAYS for n in (2, 1)]
    return Data.cut(whole, *(int(np.searchsorted(whole.events.ts, ts)) for ts in first))


def new_ranker(name: str, seed: int) -> Any:
    """An unfitted ranker by its name in the registry; `online` is logistic regression by FTRL without crosses."""
    if name == "logistic":
        return RANKERS[name]()
    if name == "online":
        return FtrlRanker(FtrlRankerSettings(crosses=False), seed)
    if name == "ftrl":
        return FtrlRanker(seed=seed)
    kind: Any = RANKERS[name]
    return kind(seed=seed)


@dataclass(frozen=True)
class LabelOfTasks:
    """The label's logit from what a ranker foresees of each task, by scene: in a list a click makes it, on a radio that nothing is skipped.

    The ranker's own score is a worth, which is no probability of anything and says nothing across scenes.
    """

    ranker: Domains
    scenes: npt.NDArray[np.int16]
    weights: npt.NDArray[np.float64]
    """`[(n_scenes + 1) * (1 + n_tasks)]` of bias and tasks' logits in each scene; an unknown scene has the last ones, 0."""

    @classmethod
    def fit(cls, ranker: Domains, valid: Examples) -> LabelOfTasks:
        """Logistic regression on the validation examples, with a ridge of one."""
        scenes = np.unique(valid.scene)
        blank = cls(ranker, scenes, np.zeros((len(scenes) + 1) * (1 + len(TASKS))))
        design, label = blank._design(valid), valid.label.astype(np.float64)

        def objective(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            logits = design @ weights
            loss = np.sum(np.logaddexp(0.0, logits) - label * logits) + 0.5 * weights @ weights
            return float(loss), design.T @ (expit(logits) - label) + weights

        return replace(blank, weights=minimize(objective, blank.weights, jac=True, method="L-BFGS-B").x)

    def logits(self, examples: Examples) -> npt.NDArray[np.float32]:
        """`[n]` of the examples."""
        return np.asarray(self._design(examples) @ self.weights, dtype=np.float32)

    def _design(self, examples: Examples) -> npt.NDArray[np.float64]:
        tasks = logit(np.clip(self.ranker.score_tasks_of(examples).astype(np.float64), 1e-6, 1 - 1e-6))
        row = np.concatenate((np.ones((len(examples), 1)), tasks), axis=1)
        place = np.searchsorted(self.scenes, examples.scene)
        place[~np.isin(examples.scene, self.scenes)] = len(self.scenes)
        return np.asarray((np.eye(len(self.scenes) + 1)[place][:, :, None] * row[:, None, :]).reshape(len(examples), -1))


def measure(name: str, data: Data, seed: int) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
    """Fit one ranker, score the test examples; what that cost in CPU seconds, and the logits."""
    ranker = new_ranker(name, seed)
    fit_seconds = _cpu_seconds(lambda: ranker.fit(data.before, data.train, data.valid))
    score = ranker.score_examples
    if isinstance(ranker, Domains):
        score = LabelOfTasks.fit(ranker, data.valid).logits
    ranker.observe(data.now)
    logits: list[npt.NDArray[np.float32]] = []
    score_seconds = _cpu_seconds(lambda: logits.append(score(data.test)))
    epochs = getattr(ranker, "epochs_run", 1)
    cell = {
        "fit_seconds": fit_seconds,
        "trained_per_second": len(data.train) * epochs / fit_seconds,
        "scored_per_second": len(data.test) / score_seconds,
        "epochs": epochs,
        "parameters": ranker.n_parameters,
    }
    return cell, logits[0]


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=[*PRESETS, REAL])
    parser.add_argument("--rankers", nargs="+", default=["logistic", "online", *(name for name in list(RANKERS)[1:] if name != "sim")])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--songs", type=int, default=3_000)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the public data sets")
    parser.add_argument("--work", type=Path, default=Path("ranking-line"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ranking_line.md")
    given = parser.parse_args()
    torch.set_num_threads(1)
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)

    @lru_cache(maxsize=1)
    def data_of(preset: str, seed: int) -> Data:
        if preset == REAL:
            return of_ratings(given.work / REAL, given.data)
        return of_simulation(given.work / f"{preset}-{seed}", replace(size, preset=preset, seed=seed))

    cells = given.work / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    for preset in given.presets:
        for seed in given.seeds:
            asked = cells / f"{preset}-{seed}.npz"
            if not asked.is_file():
                data = data_of(preset, seed)
                np.savez(asked, user=data.test.user, label=data.test.label, is_new=data.is_new, n_train=len(data.train))
            for name in given.rankers:
                file = cells / f"{preset}-{seed}-{name}.json"
                if not file.is_file():
                    cell, logits = measure(name, data_of(preset, seed), seed)
                    np.save(file.with_suffix(".npy"), logits)
                    file.write_text(json.dumps(cell))
                    print(file.stem, json.dumps({key: round(value, 1) for key, value in cell.items()}), flush=True)
    text = page(cells, given.presets, given.seeds, given.rankers, size)
    given.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
