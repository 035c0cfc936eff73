"""The routes over the graph alone: chains of fixed and of learned weights, and personalised PageRank over facts, with plays or without.

A cell is one source and one route. It is fitted on the train part, observes events up to the test part and is judged on that: recall of
all songs that got a positive event (`all`) and of those that the user had not played (`new`), with 95 % intervals by bootstrap over
users; what share of the new test songs its 1,000 best hold; milliseconds a user for 1,000 songs on one thread; and, of learned weights,
the table. Nothing is chosen by these numbers: settings are the routes' defaults.

    python benchmarks/graph_routes.py --work FOLDER --config xiami/kg-recall.toml [more/kg-recall.toml …]

The steps `etl` and `graph` of each config have been run; the folder that holds the config names the source. Cells in FOLDER are not run
again; delete one to have it measured anew.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import interval
from kg_recall.evaluation.metrics import Judged
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments, Window
from recall.candidates import Candidates
from recall.graph import GraphRecallSettings, GraphRoute
from recall.histories import played_songs
from recall.ppr import PprRoute, PprSettings
from recall.route import RecallRoute
from recall.snapshot import Snapshot

ROUTES: dict[str, Callable[[], RecallRoute]] = {
    "chains, fixed weights": lambda: GraphRoute(GraphRecallSettings(learn=False)),
    "chains, learned weights": GraphRoute,
    "PageRank, facts": PprRoute,
    "PageRank, facts and plays": lambda: PprRoute(PprSettings(play_weight=0.1, popularity_power=0.4)),
}
DEEP, WARM_UP, SEED = 1_000, 8, 0


def measured(moments: Moments, route: RecallRoute) -> dict[str, Any]:
    """The cell of one route."""
    start = time.perf_counter()
    route.fit(moments.after(TRAIN))
    fitted = time.perf_counter() - start
    snapshot, window = moments.after(VALID), moments.window(TEST)
    route.observe(snapshot)
    route.recall(window.users[:WARM_UP], DEEP)
    cell: dict[str, Any] = {"fit_s": fitted, "users": len(window.users)}
    for name, relevant in (("all", window), ("new", unplayed(snapshot, window))):
        start = time.perf_counter()
        found = route.recall(relevant.users, DEEP, new_only=name == "new")
        cell[f"{name} ms"] = (time.perf_counter() - start) / max(len(relevant.users), 1) * 1e3
        cell |= judged(name, found, relevant)
    if isinstance(route, GraphRoute):
        cell["weights"] = route.weight_table().filter(route.weight_table()["plays"] > 0).rows()
    return cell


def unplayed(snapshot: Snapshot, window: Window) -> Window:
    """The pairs of the window whose song the user had not played."""
    played = played_songs(snapshot)
    known = np.repeat(np.arange(played.shape[0], dtype=np.int64), np.diff(played.indptr)) << 32 | played.indices
    new = ~np.isin(window.user.astype(np.int64) << 32 | window.item, known)
    return Window(window.user[new], window.item[new])


def judged(name: str, found: Candidates, relevant: Window) -> dict[str, Any]:
    """Recall at 20 and 100 with intervals, and the share of relevant pairs among all listed."""
    first = np.concatenate([[True], found.user[1:] != found.user[:-1]]) if len(found) else np.zeros(0, bool)
    heads = np.flatnonzero(first)
    rank = np.arange(len(found)) - np.repeat(heads, np.diff(np.append(heads, len(found)))) + 1
    lists = Judged.of(found.user, found.item, rank, relevant.user, relevant.item)
    at = {f"{name}@{k}": list(interval(lists.recall(k).value, SEED)) for k in (20, 100)}
    return at | {f"{name} held": len(lists.hit_rank) / max(len(relevant.user), 1)}


def cell_of(work: Path, config: Path, name: str) -> dict[str, Any]:
    """The cell in `work`, measured if it is not there."""
    source = config.resolve().parent.name
    path = work / f"{source}.{name.replace(' ', '-').replace(',', '')}.json"
    if not path.exists():
        context = Context.open(config, quiet=True)
        cell = {"source": source, "route": name} | measured(Moments.of(context), ROUTES[name]())
        path.write_text(json.dumps(cell, indent=1) + "\n", encoding="utf-8")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def table(cells: list[dict[str, Any]]) -> str:
    """The cells as Markdown."""
    columns = ("all@20", "all@100", "new@20", "new@100")
    lines = [f"| source | route | {' | '.join(columns)} | new test songs in 1,000 | ms a user | fit, s |", "|---" * 9 + "|"]
    for cell in cells:
        values = [f"{cell[name][0]:.3f} ({cell[name][1]:.3f}–{cell[name][2]:.3f})" for name in columns]
        ends = f"{cell['new held']:.3f} | {cell['new ms']:.1f} | {cell['fit_s']:.1f}"
        lines.append(f"| {cell['source']} | {cell['route']} | {' | '.join(values)} | {ends} |")
    return "\n".join(lines)


def weights(cells: list[dict[str, Any]]) -> str:
    """What was learned, as Markdown."""
    lines = ["| source | meta-path | given | learned | share of new plays explained |", "|---" * 5 + "|"]
    for cell in cells:
        for key, _, given, weight, plays, share, _ in cell.get("weights", []):
            if plays > 0:
                lines.append(f"| {cell['source']} | `{key.replace('|', '/')}` | {given:.2f} | {weight:.2f} | {share:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--config", type=Path, nargs="+", required=True)
    parser.add_argument("--routes", nargs="+", choices=list(ROUTES), default=list(ROUTES))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/graph_routes.md"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    cells = [cell_of(options.work, config, name) for config in options.config for name in options.routes]
    head = (
        f"# Routes over the graph alone\n\nPython {platform.python_version()}, one thread a route; test part, 95 % intervals by bootstrap"
    )
    text = f"{head} over users.\n\n{table(cells)}\n\n## Learned weights\n\n{weights(cells)}\n"
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
