"""Every route alone, fused, and what each adds: the merge learned anew without it, on real data and on simulated services.

    python benchmarks/recall_routes.py --case default drift kg-strong --seeds 0 1 2
    python benchmarks/recall_routes.py --case xiami --data DIR

A case is a preset of the simulated service or a public data set. Each is brought to `train` with the named routes on, then judged on its
test part by full ranking: every route, reciprocal rank and learned merge of all routes, of a base set (those that are on by default), of
this without each of its routes and with each other. Every merge is trained anew on what its routes list: the others can take over.
A cell (case and seed) that has been measured is kept in the work folder; `--page` only writes the page of what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from simulated_service import bring_to, simulated

from etl.imports.registry import run_import
from etl.simulation.settings import SimulationSettings
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.context import Context
from kg_recall.evaluation.report import Report, SliceName
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.evaluation.tally import DEPTH, Tally, Truth
from kg_recall.listening import is_played
from kg_recall.moments import Moments, some_of
from kg_recall.sections import RoutesSettings
from kg_recall.settings import CONFIG_NAME
from kg_recall.training import load
from recall.candidate_table import CandidateTable
from recall.merge import LearnedMerge, MergeSettings
from recall.reciprocal_rank import reciprocal_rank

REAL: Final = ("xiami", "thirtymusic-sessions", "lastfm-2k")
COLUMNS: Final[tuple[tuple[str, SliceName, int], ...]] = (
    ("recall", "all", 20),
    ("recall", "all", 100),
    ("recall", "new", 20),
    ("recall", "new", 100),
    ("ndcg", "all", 10),
    ("recall", "repeat", 20),
    ("recall", "tail", 100),
    ("recall", "cold_user", 100),
    ("recall", "cold_song", 100),
)


Rows = dict[tuple[str, str, str, str, int | None], tuple[float, float, float]]
"""Value and interval by stage, name, slice, metric and K."""
HEAD: Final = COLUMNS[:5]


@dataclass(frozen=True)
class Cell:
    """What one case and seed has shown."""

    report: dict[str, Any]
    """`Report` as columns of rows."""
    seconds: dict[str, float]
    sizes: str


def config_of(case: str, seed: int, size: SimulationSettings, width: int, data: Path, work: Path, routes: Iterable[str]) -> Path:
    """The config of a case: its source is made where there is none, and the named routes are on."""
    folder = work / f"{case}-{seed}"
    config = folder / CONFIG_NAME
    if not config.is_file():
        if case in REAL:
            folder.mkdir(parents=True, exist_ok=True)
            run_import(case, data / case, f"sqlite:///{folder / 'music.db'}")
        else:
            simulated(folder, replace(size, preset=case, seed=seed))
        names = RoutesSettings.model_fields
        lines = [f"{name} = {'true' if name in set(routes) else 'false'}" for name in names]
        # A small catalogue would be listed whole.
        cascade = "" if case in REAL else f"\n[cascade]\nroute_k = {width}\nnew_k = {width}\n"
        config.write_text(f"{config.read_text()}\n[routes]\n" + "\n".join(lines) + "\n" + cascade)
    return config


def only(table: CandidateTable, names: Iterable[str]) -> CandidateTable:
    """The table of some routes: their columns, and the pairs that one of them listed."""
    column = [table.routes.index(name) for name in names]
    rank = table.rank[:, column]
    kept = replace(table, routes=tuple(names), score=table.score[:, column], rank=rank)
    return kept.take(np.asarray((rank > 0).any(axis=1)))


def sets_of(routes: tuple[str, ...], base: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The sets of routes that are merged, by name: all, the base set, and this with each other route and without each of its own."""
    own = tuple(name for name in routes if name in set(base))
    taken = {f"without {name}": tuple(rest for rest in own if rest != name) for name in own}
    added = {f"and {name}": (*own, name) for name in routes if name not in own}
    return {"all": routes, "base": own} | taken | added


def learned(context: Context, moments: Moments, sets: Mapping[str, tuple[str, ...]]) -> dict[str, LearnedMerge]:
    """A merge for each set, learned on the validation part from candidates of models that have not seen it."""
    cascade = load(context, context.workspace.path("models", "evaluated"), moments, TRAIN)
    window = moments.window(VALID)
    users = some_of(window.users, cascade.settings.learn_users, np.random.default_rng(moments.seed))
    table = CandidateTable.concat([cascade.candidates(chunk) for chunk in cascade.chunks(users)])
    merges = {}
    for name, routes in sets.items():
        part = only(table, routes)
        # The size of the trees is found for all routes and for the base set, whose neighbours take over its own.
        size = None if name in ("all", "base") else merges["base"].size
        merges[name] = LearnedMerge(context.settings.room("recall.merge", MergeSettings), moments.seed, size)
        merges[name].fit(part, part.contains(window.user, window.item), cascade.snapshot)
    return merges


def lists_of(cascade: Cascade, table: CandidateTable, score: npt.NDArray[np.float32]) -> tuple[RankedLists, RankedLists]:
    """A table's lists in the order of `score` `[n]`, of all songs and of new ones."""
    lists = RankedLists.of(table.user, table.item, score)
    new = lists.take(~is_played(cascade.snapshot, lists.user, lists.item))
    return lists.take(lists.rank <= DEPTH), new.take(new.rank <= DEPTH)


def route_lists(cascade: Cascade, name: str, users: npt.NDArray[np.int32]) -> Iterator[RankedLists]:
    """One route's lists of all songs and of new ones."""
    for new_only in (False, True):
        found = cascade.routes[name].recall(users, DEPTH, new_only=new_only)
        lists = RankedLists.of(found.user, found.item, found.score)
        yield lists.take(cascade.allowed(lists.user, lists.item))


def measure(context: Context, base: Iterable[str]) -> Cell:
    """Judge routes and merges of a trained workspace."""
    clock = time.perf_counter()
    moments = Moments.of(context)
    head = json.loads(context.workspace.path("models", "evaluated", "cascade.json").read_text())
    sets = sets_of(tuple(head["routes"]), base)
    merges = learned(context, moments, sets)
    spent = {"merges": time.perf_counter() - clock}
    cascade = load(context, context.workspace.path("models", "evaluated"), moments, VALID)
    window = moments.window(TEST)
    plays = np.bincount(moments.after(TRAIN).plays.item, minlength=moments.lake.catalogue.n_songs)
    truth = Truth.of(window, cascade.snapshot, plays)
    tally = Tally(truth, moments.lake.catalogue.n_songs)
    for users in cascade.chunks(np.unique(truth.user)):
        for name in cascade.routes:
            tally.add("route", name, users, *route_lists(cascade, name, users))
        table = cascade.candidates(users)
        for name, routes in sets.items():
            part = only(table, routes)
            score = merges[name].score(part, cascade.snapshot)
            tally.add("merged", "learned" if name == "base" else f"learned, {name}", users, *lists_of(cascade, part, score))
            if name == "all":
                tally.add_candidates(users, part, RankedLists.of(part.user, part.item, score))
            if name in ("all", "base"):
                tally.add("merged", f"reciprocal rank, {name}", users, *lists_of(cascade, part, reciprocal_rank(part)))
    catalogue = moments.lake.catalogue
    sizes = f"{catalogue.n_songs:,} songs, {catalogue.n_users:,} listeners, {len(moments.events):,} events"
    report = Report("", context.settings.evaluate.split, moments.seed, {part: truth.n_users(part) for part in ("all", "new")})
    tally.report(report)
    report.notes.extend(f"{name}: {why}" for name, why in cascade.unavailable.items())
    return Cell(asdict(report), spent | {"lists": time.perf_counter() - clock - spent["merges"]}, sizes)


def rows_of(cells: list[Cell]) -> Rows:
    """Mean over the cells of every row, with an interval: the cells' own ones are of different listeners, so their squares add up."""
    found: dict[tuple[str, str, str, str, int | None], list[tuple[float, float]]] = {}
    for cell in cells:
        for row in cell.report["rows"]:
            half = 0.0 if row["low"] is None else (row["high"] - row["low"]) / 2
            found.setdefault((row["stage"], row["name"], row["slice"], row["metric"], row["k"]), []).append((row["value"], half))
    pooled = {}
    for key, values in found.items():
        value, half = np.array(values).T
        spread = float(np.sqrt((half**2).sum()) / len(half))
        pooled[key] = (float(value.mean()), float(value.mean()) - spread, float(value.mean()) + spread)
    return pooled


def section(case: str, cells: list[Cell], seeds: list[int]) -> Iterator[str]:
    """The part of the page that one case has."""
    rows = rows_of(cells)
    users = ", ".join(f"{cell.report['users']['all']} ({cell.report['users']['new']})" for cell in cells)
    yield from (f"## `{case}`", "", f"Seeds {', '.join(map(str, seeds))}; {'; '.join(cell.sizes for cell in cells)}.")
    yield f"Split `{cells[0].report['split']}`; listeners with a relevant song (with a new one): {users}."
    yield from (f"Left out: {note}" for note in dict.fromkeys(note for cell in cells for note in cell.report["notes"]))
    yield ""
    columns = [column for column in COLUMNS if any(key[2:] == (column[1], column[0], column[2]) for key in rows)]
    yield "| stage | name | " + " | ".join(f"{part} {metric}@{k}" for metric, part, k in columns) + " | only here, of new |"
    yield "|---" * (len(columns) + 3) + "|"
    for stage, name in dict.fromkeys(key[:2] for key in rows):
        shown = [rows.get((stage, name, part, metric, k)) for metric, part, k in columns]
        alone = rows.get((stage, name, "new", "only_found", None))
        if not name.startswith(("learned, without ", "learned, and ")) and any(shown):
            yield f"| {stage} | {name} | " + " | ".join(map(_value, shown)) + f" | {'' if alone is None else f'{alone[0]:.3f}'} |"
    for part in ("all", "new"):
        ceiling, deep = rows[("merged", "candidates", part, "recall", None)], rows[("merged", "learned", part, "recall", 1000)]
        yield f"\nOf the {part} test songs the candidates hold {_value(ceiling)}, the merge's best 1,000 {_value(deep)}."
    yield from ("", "What the merge of the base set loses without each of its routes, and gains with each other; listener by listener.", "")
    yield from _differences(rows)
    yield ""


def _value(found: tuple[float, float, float] | None) -> str:
    return "" if found is None else f"{found[0]:.3f} ±{found[2] - found[0]:.3f}"


def _differences(rows: Rows) -> Iterator[str]:
    yield "| route | | " + " | ".join(f"{part} {metric}@{k}" for metric, part, k in HEAD) + " |"
    yield "|---" * (len(HEAD) + 2) + "|"
    for start, does, sign in (("learned, without ", "its loss", 1), ("learned, and ", "its gain", -1), ("learned, all", "gain of all", -1)):
        for name in dict.fromkeys(key[1] for key in rows if key[1].startswith(start)):
            shown = (rows[("merged", name, part, f"{metric}_lost", k)] for metric, part, k in HEAD)
            spans = (sorted((sign * low, sign * high)) for _, low, high in shown)
            yield f"| {name.removeprefix(start)} | {does} | " + " | ".join(f"[{low:+.4f}, {high:+.4f}]" for low, high in spans) + " |"


def main() -> None:
    """Measure the cells that are missing, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", default=["default", "drift", "kg-strong"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of simulated services; a real data set has seed 0")
    parser.add_argument("--routes", nargs="+", default=list(RoutesSettings.model_fields), choices=list(RoutesSettings.model_fields))
    parser.add_argument("--base", nargs="+", default=list(RoutesSettings().on), help="the set that others are compared with")
    parser.add_argument("--songs", type=int, default=2_000)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--width", type=int, default=100, help="songs that a route lists in a simulated service, and new ones besides")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("recall-routes"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "recall_routes.md")
    parser.add_argument("--page", action="store_true", help="write the page of the cells that are there, measure nothing")
    given = parser.parse_args()
    size = SimulationSettings(n_songs=given.songs, n_users=given.users, n_days=given.days)
    page = ["# Routes, merges, and what each route adds", "", *PREFACE, ""]
    for case in given.case:
        cells = {}
        for seed in [0] if case in REAL else given.seeds:
            file = given.work / "cells" / f"{case}-{seed}.json"
            if not file.is_file() and not given.page:
                context = Context.open(config_of(case, seed, size, given.width, given.data, given.work, given.routes), quiet=True)
                bring_to(context, "etl", "graph", "embed", "train")
                cell = measure(context, given.base)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(asdict(cell)))
                print(case, seed, {key: round(value) for key, value in cell.seconds.items()}, flush=True)
            if file.is_file():
                cells[seed] = Cell(**json.loads(file.read_text()))
        if cells:
            page.extend(section(case, list(cells.values()), list(cells)))
    given.out.write_text("\n".join(page) + "\n", encoding="utf-8")


PREFACE: Final = (
    "`python benchmarks/recall_routes.py`. Full ranking; distinct test songs in the top K over min(K, their number), mean over listeners;",
    "*new* ranks and counts only songs not played before; *tail* songs have under 5 plays in the train part, cold ones none, cold",
    "listeners no event. ±: half of the 95 % bootstrap interval over listeners; of several seeds, the mean and the interval of the mean.",
    "*Only here*: share of the new test songs among all routes' candidates that this route alone lists. Learned: LambdaMART trained on",
    "the part before the test, anew for each set of routes.",
)

if __name__ == "__main__":
    main()
