"""What one request costs: a single user's recall through every route, their fusion, ranking and reasons, on one core, in a warm process.

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 POLARS_MAX_THREADS=1 python benchmarks/recall_latency.py --songs 100000

A simulated service of that many songs is brought to `train` with every route on (one epoch of each model: latency does not depend on how
well they are trained). Then requests of one user each are timed, users drawn by seed, after some that only warm the process. The default
routes are timed with a merge of their own, learned from what they list. Milliseconds are processor time of the process, which has
one thread, so that a busy machine tells nearly the same as an idle one; wall time stands beside the totals.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from simulated_service import bring_to, simulated
from threadpoolctl import threadpool_limits

from etl.simulation.settings import SimulationSettings
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.context import Context
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments
from kg_recall.recommender import Recommender
from kg_recall.sections import RoutesSettings
from kg_recall.training import load
from recall.candidate_table import CandidateTable
from recall.candidates import Candidates
from recall.merge import LearnedMerge
from recall.route import RecallRoute

Floats = npt.NDArray[np.float64]
Clock = dict[str, list[tuple[float, float]]]
"""Processor and wall milliseconds of each request, by what was timed."""

TRAINED: Final = ("interest", "sasrec", "capsules", "sdm", "two_spaces")
LISTED: Final = 100
"""Songs of a list that is recommended, and pairs that a route is asked to explain."""
PERCENTILES: Final = (50, 90, 99)
TOTALS: Final = ("candidates", "merge", "recall and fusion", "whole request")


def config_of(folder: Path, size: SimulationSettings) -> Path:
    """The config of the service: every route on, one epoch, and what is evaluated serves."""
    fresh = not (folder / "kg-recall.toml").is_file()
    config = simulated(folder, size)
    if fresh:
        routes = [f"{name} = true" for name in RoutesSettings.model_fields]
        short = [f"[recall.{name}]\nmax_epochs = 1\nthreads = 1" for name in TRAINED]
        own = ["[rank.din]\nmax_epochs = 1", "[embed]\nepochs = 1", "[cascade]\nlearn_users = 1000"]
        text = config.read_text(encoding="utf-8").replace("[evaluate]\n", "[evaluate]\nrefit = false\n")
        config.write_text("\n".join([text, "[routes]", *routes, *short, *own, ""]), encoding="utf-8")
    return config


def with_routes(context: Context, moments: Moments, cascade: Cascade, names: tuple[str, ...]) -> Cascade:
    """The cascade of some of the routes, with a merge learned on the validation part from what they list."""
    before = load(context, context.workspace.path("models", "evaluated"), moments, TRAIN)
    before.routes = {name: before.routes[name] for name in names}
    window = moments.window(VALID)
    table = CandidateTable.concat([before.candidates(chunk) for chunk in before.chunks(window.users[:500])])
    merge = LearnedMerge(seed=moments.seed)
    merge.fit(table, table.contains(window.user, window.item), before.snapshot)
    return replace(cascade, routes={name: cascade.routes[name] for name in names}, merge=merge)


def timed(clock: Clock, name: str, work: Callable[[], Any]) -> Any:
    """What `work` gives; its time is noted."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    clock.setdefault(name, []).append((1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)))
    return found


class TimedRoute:
    """A route whose lists and scores are timed where the request asks for them."""

    def __init__(self, route: RecallRoute, clock: Clock) -> None:
        self.route, self.clock = route, clock

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The route's list."""
        what = f"{self.route.name} {'new' if new_only else 'all'}"
        return timed(self.clock, what, lambda: self.route.recall(users, k, new_only=new_only))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The route's scores."""
        return timed(self.clock, f"{self.route.name} score", lambda: self.route.score(users, items))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.route, name)


def ask(
    clock: Clock,
    cascade: Cascade,
    timed_cascade: Cascade,
    recommender: Recommender,
    user: npt.NDArray[np.int32],
    other: npt.NDArray[np.int32],
) -> None:
    """One user's request up to the merged order, what each route takes for the reasons of a list, and another user's whole request."""
    start = time.process_time(), time.perf_counter()
    table = timed(clock, "candidates", lambda: timed_cascade.candidates(user))
    lists = timed(clock, "merge", lambda: RankedLists.of(table.user, table.item, cascade.merged(table)))
    clock.setdefault("recall and fusion", []).append((1e3 * (time.process_time() - start[0]), 1e3 * (time.perf_counter() - start[1])))
    for name, route in cascade.routes.items():
        timed(clock, f"{name} explain", lambda route=route: route.explain(lists.user[:LISTED], lists.item[:LISTED]))
    timed(clock, "whole request", lambda: recommender.recommend(other, LISTED))


def measured(cascade: Cascade, users: npt.NDArray[np.int32], warm: int) -> dict[str, list[list[float]]]:
    """Percentiles `[processor, wall][percentile]` of everything timed, over requests of `users` after `warm` that are thrown away.

    A request of two halves asks for two users, so that nothing that a route keeps of the user asked last makes the second half cheaper.
    """
    recommender = Recommender(cascade, cascade.snapshot.scenes)
    # User vectors are found in blocks of users when first asked for, and kept, as are the neighbours of songs: a warm process holds them.
    for chunk in cascade.chunks(np.arange(cascade.snapshot.catalogue.n_users, dtype=np.int32)):
        for route in cascade.routes.values():
            route.recall(chunk, 1)
    clock: Clock = {}
    routes: Any = {name: TimedRoute(route, clock) for name, route in cascade.routes.items()}
    timed_cascade = replace(cascade, routes=routes)
    pairs = users.reshape(-1, 2, 1)
    for place, (user, other) in enumerate(pairs):
        if place == warm:
            clock.clear()
            gc.collect()
            gc.freeze()
        ask(clock, cascade, timed_cascade, recommender, user, other)
    return {name: np.percentile(np.array(times).T, PERCENTILES, axis=1).T.tolist() for name, times in clock.items()}


def page(cell: dict[str, Any]) -> str:
    """The page of what was measured."""
    lines = [
        "# One user's request",
        "",
        f"{cell['sizes']}. One thread. {cell['requests']} requests of one user each after {cell['warm']} for warmth, users drawn by",
        "seed 0; milliseconds of processor time, wall time in brackets. One epoch of every model.",
        "",
        "Recall and fusion: both lists of every route (300 of all songs, 300 of new ones), every route's score of every candidate, blocks,",
        f"the learned merge and the order. The whole request adds the ranker, versions of a work, reasons and titles of {LISTED} songs.",
    ]
    for name in ("default routes", "all routes"):
        found = cell[name]
        lines += ["", f"## {name.capitalize()}", "", "| | p50 | p90 | p99 |", "|---|---:|---:|---:|"]
        for stage in TOTALS:
            cpu, wall = found[stage]
            lines.append(f"| {stage} | " + " | ".join(f"{a:.1f} ({b:.1f})" for a, b in zip(cpu, wall, strict=True)) + " |")
    lines += [
        "",
        "## Every route",
        "",
        "Processor milliseconds, p50 / p90 / p99, within the request: what a route finds for its first list it keeps for the others.",
        "The score is of all candidates of the request; reasons are those that the route gives for the best songs of the merged list.",
        "",
    ]
    what = ("all", "new", "score", "explain")
    lines += ["| route | 300 of all | 300 new | score | explain 100 |", "|---|---:|---:|---:|---:|"]
    for name in cell["routes"]:
        each = [" / ".join(f"{value:.2f}" for value in cell["all routes"][f"{name} {part}"][0]) for part in what]
        lines.append(f"| {name} | " + " | ".join(each) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is not in the work folder yet, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=3_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--warm", type=int, default=50)
    parser.add_argument("--work", type=Path, default=Path("build/recall_latency"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/recall_latency.md"))
    given = parser.parse_args()
    kept = given.work / "measured.json"
    torch.set_num_threads(1)
    if not kept.exists():
        config = config_of(given.work / "service", SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days))
        context = Context.open(config, quiet=True)
        bring_to(context, "etl", "graph", "embed", "train")
        moments = Moments.of(context)
        with threadpool_limits(1):
            cascade = load(context, context.serving(), moments, TEST)
            catalogue = cascade.snapshot.catalogue
            users = np.random.default_rng(0).permutation(catalogue.n_users)[: 2 * (given.requests + given.warm)].astype(np.int32)
            sizes = f"{catalogue.n_songs:,} songs, {catalogue.n_users:,} users, {len(cascade.snapshot.events):,} events (simulated)"
            cell = {"sizes": sizes, "requests": len(users) // 2 - given.warm, "warm": given.warm, "routes": list(cascade.routes)}
            some = with_routes(context, moments, cascade, tuple(name for name in cascade.routes if name in RoutesSettings().on))
            cell["default routes"] = measured(some, users, given.warm)
            cell["all routes"] = measured(cascade, users, given.warm)
        kept.write_text(json.dumps(cell, indent=1), encoding="utf-8")
    given.out.write_text(page(json.loads(kept.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
