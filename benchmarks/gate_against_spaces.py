"""Does SDM's gate neglect long taste, and do two spaces mend it? The talk's claim, measured.

A cell is one source at one seed: models learn from the train part (their epochs from its last tenth), see histories up to the test part,
and are judged on it:

- `all`, `new`: every song that got a positive event, and those that the user had not played;
- `next session`: the songs of the user's first session of the test part;
- `artist unheard 7 days`: songs by an artist whom the user had heard, but last more than seven days before the test part.

The gate is measured twice: as in the paper (a table of song vectors, inner product), and with the item side of the spaces (attributes,
cosine), so that what is left between them is gate against spaces. The short space reads attributes as the gate does.

    python benchmarks/gate_against_spaces.py --work FOLDER --presets drift default --seeds 0 1 2 --config thirtymusic/kg-recall.toml

Cells that are in FOLDER are not run again; `--table-only` writes the table of what is there. `--config` names a source of which the steps
`etl` and `graph` have been run.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from simulated_service import bring_to, simulated

from etl.session_rules import SessionRules
from etl.sessions import Sessions
from etl.simulation.settings import SimulationSettings
from kg_recall.context import Context
from kg_recall.evaluation.bootstrap import Interval, interval, paired_difference
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments
from recall.gate_diagnosis import diagnose_gate, recall_per_user, relevant_pairs, sole_hits
from recall.histories import played_songs
from recall.sdm import SdmRoute, SdmSettings
from recall.serving import played_pairs
from recall.snapshot import SECONDS_PER_DAY, Snapshot
from recall.space_union import union
from recall.two_spaces import TwoSpacesRoute, TwoSpacesSettings
from recall.vector_index import Found

KS = (20, 100)
UNHEARD_DAYS = 7
RESULT = Path(__file__).parent / "results" / "gate_against_spaces.md"
Pairs = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
Route = SdmRoute | TwoSpacesRoute


def models(epochs: int) -> dict[str, Callable[[], Route]]:
    """What is compared, by name."""
    return {
        "gate (paper)": lambda: SdmRoute(SdmSettings(max_epochs=epochs, threads=1)),
        "gate": lambda: SdmRoute(SdmSettings(items="attributes", temperature=0.07, max_epochs=epochs, threads=1)),
        "spaces": lambda: TwoSpacesRoute(TwoSpacesSettings(short_songs="attributes", max_epochs=epochs, threads=1)),
        "spaces, both next": lambda: TwoSpacesRoute(
            TwoSpacesSettings(short_songs="attributes", long_target="next", max_epochs=epochs, threads=1)
        ),
    }


def judged(moments: Moments, before: Snapshot) -> dict[str, Pairs]:
    """Distinct relevant pairs of each slice of the test part."""
    window = moments.window(TEST)
    whole = (window.user, window.item)
    played = played_songs(before)
    known = np.asarray(played[window.user, window.item]).ravel() > 0
    out = {"all": whole, "new": _where(whole, ~known)}
    if not before.ordinal:
        out["next session"] = _next_session(moments, before, whole)
        out[f"artist unheard {UNHEARD_DAYS} days"] = _where(whole, _unheard(before, whole))
    return out


def _where(pairs: Pairs, rows: npt.NDArray[np.bool_]) -> Pairs:
    return pairs[0][rows], pairs[1][rows]


def _next_session(moments: Moments, before: Snapshot, pairs: Pairs) -> Pairs:
    """Of the relevant pairs those with an event in the user's first session of the test part."""
    events = moments.events.take(moments.split.part == TEST)
    n_users, n_songs = before.catalogue.n_users, before.catalogue.n_songs
    sessions = Sessions.of(events, SessionRules(), n_users)
    first = sessions.of_event == sessions.offsets[events.user]
    songs = events.take(first).of_songs(n_songs)
    return _where(pairs, np.isin(_code(pairs, n_songs), songs.user.astype(np.int64) * n_songs + songs.item))


def _code(pairs: Pairs, n: int) -> npt.NDArray[np.int64]:
    return pairs[0].astype(np.int64) * n + pairs[1]


def _unheard(before: Snapshot, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Whether the user had heard an artist of the song, and every such artist last more than `UNHEARD_DAYS` before `now`, `[n]`."""
    offsets, artists = before.projection.facet("SUNG_BY")
    n_nodes, plays = before.projection.n_nodes, before.plays
    latest = pl.DataFrame(
        _sung(plays.user, plays.item, offsets, artists, n_nodes) | {"ts": np.repeat(plays.ts, np.diff(offsets)[plays.item])}
    )
    last = latest.group_by("pair").agg(pl.col("ts").max())
    asked = pl.DataFrame(
        _sung(*pairs, offsets, artists, n_nodes) | {"row": np.repeat(np.arange(len(pairs[0])), np.diff(offsets)[pairs[1]])}
    )
    heard = asked.join(last, on="pair").group_by("row").agg(pl.col("ts").max())
    old = heard.filter(pl.col("ts") < before.now - UNHEARD_DAYS * SECONDS_PER_DAY)["row"].to_numpy()
    return np.isin(np.arange(len(pairs[0])), old)


def _sung(user: Any, item: Any, offsets: Any, artists: Any, n_nodes: int) -> dict[str, npt.NDArray[np.int64]]:
    count = np.diff(offsets)[item]
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return {"pair": np.repeat(user, count).astype(np.int64) * n_nodes + artists[np.repeat(offsets[item], count) + place]}


def lists(route: Route, users: npt.NDArray[np.int32], k: int, exclude: Any) -> dict[str, Found]:
    """What is served, and, of two spaces, what either finds alone."""
    if isinstance(route, SdmRoute):
        return {"": route.search(route.vectors(users), k, exclude)}
    short, long = route.sides(users)
    found = {"": union((short, long), k, exclude)}
    return found | {f": {name} alone": side.space.index.search(side.query, k, exclude) for name, side in (("short", short), ("long", long))}


def cell(snapshot: Snapshot, before: Snapshot, slices: dict[str, Pairs], epochs: int) -> dict[str, Any]:
    """Every model fitted on `snapshot`, observed at `before` and judged: per-user recalls by model, slice and k."""
    out: dict[str, Any] = {"models": {}, "users": {name: np.unique(pairs[0]).tolist() for name, pairs in slices.items()}}
    out["sizes"] = {"users": before.catalogue.n_users, "songs": before.catalogue.n_songs, "events": len(before.events)}
    played = played_songs(before)
    for name, make in models(epochs).items():
        wall, cpu = time.perf_counter(), time.process_time()
        route = make()
        route.fit(snapshot)
        seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        route.observe(before)
        report: dict[str, Any] = {"epochs": route.epochs_found, "seconds": seconds, "recall": {}}
        for slice_name, (user, item) in slices.items():
            users = np.unique(user)
            relevant = relevant_pairs(users, user, item)
            exclude = played_pairs(played, users) if slice_name == "new" else None
            for k in KS:
                for suffix, found in lists(route, users, k, exclude).items():
                    values = recall_per_user(found, relevant, len(users), k).round(6).tolist()
                    report["recall"].setdefault(suffix, {}).setdefault(slice_name, {})[str(k)] = values
        report["diagnosis"] = {str(k): diagnosis(route, *slices["all"], k) for k in KS}
        out["models"][name] = report
        print(f"{name}: {route.epochs_found} epochs, {seconds['wall']:.0f} s, {seconds['cpu']:.0f} s of the processor", flush=True)
    return out


def diagnosis(route: Route, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], k: int) -> dict[str, Any]:
    """The gate's, or the share of hits that the long space alone finds."""
    if isinstance(route, SdmRoute):
        found = diagnose_gate(route, user, item, k)
        falls = {name: (found.recall["served"] - found.recall[name]).round(6).tolist() for name in list(found.recall)[1:]}
        return found.summary() | {"falls": falls} if k == KS[-1] else found.summary()
    users = np.unique(user)
    found_lists = lists(route, users, k, None)
    sole = sole_hits(
        found_lists[""], found_lists[": short alone"], found_lists[": long alone"], relevant_pairs(users, user, item), len(users)
    )
    return {"only_long": sole.share}


def moments_of(config: Path) -> Moments:
    """The moments of a source, its lake and graph made if they are not."""
    context = Context.open(config, quiet=True)
    bring_to(context, "etl", "graph")
    return Moments.of(context)


def run_cell(args: argparse.Namespace, name: str, seed: int, config: Path) -> None:
    """Run one cell and write it, unless it is there."""
    path = args.work / f"{name.replace(' ', '-')}.json"
    if path.exists():
        return
    moments = replace(moments_of(config), seed=seed)
    before = moments.after(VALID)
    started = time.perf_counter()
    found = cell(moments.after(TRAIN), before, judged(moments, before), args.epochs)
    found["max_epochs"] = args.epochs
    found["seconds"] = time.perf_counter() - started
    path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
    path.with_suffix(".part").rename(path)


def table(work: Path) -> str:
    """The report on every cell in a folder."""
    cells = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(work.glob("*.json"))}
    sources = sorted({name.rsplit("-", 1)[0] for name in cells})
    parts = [_source(source, {name: one for name, one in cells.items() if name.rsplit("-", 1)[0] == source}) for source in sources]
    return HEAD.format(machine=platform.machine(), torch=torch.__version__, names=", ".join(models(1))) + "\n".join(parts)


def _source(source: str, cells: dict[str, Any]) -> str:
    first = next(iter(cells.values()))
    slices = [name for name in first["users"] if sum(len(one["users"][name]) for one in cells.values())]
    size = first["sizes"]
    seconds = ", ".join(f"{one['seconds']:.0f}" for one in cells.values())
    lines = [
        f"## {source}",
        "",
        f"{size['users']} users, {size['songs']} songs, {size['events']} events before the test part; cells {', '.join(cells)}, "
        f"at most {first.get('max_epochs', '–')} epochs; "
        f"seconds a cell (shared cores): {seconds}. Users judged: "
        + ", ".join(f"{name} {sum(len(one['users'][name]) for one in cells.values())}" for name in slices)
        + ".",
        "",
        "| recall | " + " | ".join(f"{name} @{k}" for name in slices for k in KS) + " |",
        "|---|" + "---|" * (len(slices) * len(KS)),
    ]
    for model in first["models"]:
        for suffix in first["models"][model]["recall"]:
            numbers = [_shown(interval(_values(cells, model, suffix, name, k), 0)) for name in slices for k in KS]
            lines.append(f"| {model}{suffix} | " + " | ".join(numbers) + " |")
    for one, other in (("spaces", "gate"), ("spaces", "gate (paper)"), ("spaces", "spaces, both next")):
        pairs = [[_values(cells, model, "", name, k) for model in (one, other)] for name in slices for k in KS]
        lines.append(f"| **{one} − {other}** | " + " | ".join(_shown(paired_difference(*pair, seed=0), sign=True) for pair in pairs) + " |")
    return "\n".join([*lines, "", *_gates(cells), ""])


def _values(cells: dict[str, Any], model: str, suffix: str, name: str, k: int) -> npt.NDArray[np.float64]:
    """Per-user recall over all seeds."""
    return np.concatenate([np.array(one["models"][model]["recall"][suffix][name][str(k)], np.float64) for one in cells.values()])


def _gates(cells: dict[str, Any]) -> list[str]:
    k = str(KS[-1])
    falls = ("without_long", "without_short", "mean_long", "mean_short")
    lines = [
        "| users with both sides | mean G | long share by norms | "
        + " | ".join(f"fall of recall@{k}, {name}" for name in falls)
        + " | hits only by long |",
        "|---|---|---|" + "---|" * len(falls) + "---|",
    ]
    for model, report in next(iter(cells.values()))["models"].items():
        every = [one["models"][model]["diagnosis"][k] for one in cells.values()]
        only = f"{np.mean([one['only_long'] for one in every]):.3f}"
        if "gate" not in report["diagnosis"][k]:
            lines.append(f"| {model} | – | – | " + "– | " * len(falls) + f"{only} |")
            continue
        effects = [_shown(interval(np.concatenate([np.array(one["falls"][name]) for one in every]), 0), sign=True) for name in falls]
        means = [f"{np.mean([one[name] for one in every]):.3f}" for name in ("gate", "long_share")]
        lines.append(f"| {model} | " + " | ".join([*means, *effects, only]) + " |")
    return lines


def _shown(found: Interval, *, sign: bool = False) -> str:
    form = "{:+.3f}" if sign else "{:.3f}"
    return f"{form.format(found.value)} [{form.format(found.low)}, {form.format(found.high)}]"


HEAD = """# Gate against two spaces

`python benchmarks/gate_against_spaces.py`; {machine}, torch {torch}, one thread; 95 % intervals by bootstrap over users (paired where a
difference stands; users of all seeds together). Models: {names}. Recall is hits over min(k, relevant). "Fall" is what recall loses when
the contribution of a side is put to 0, or to its mean over users. "Hits only by long": of the served hits, those in the long side's own
top k and not in the short side's (of the gate: lists by `(1 − G) p` and by `G s`; of the spaces: the two indexes).

"""


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--presets", nargs="*", default=["drift", "default"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--config", type=Path, nargs="*", default=[])
    parser.add_argument("--songs", type=int, default=1500)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    if not args.table_only:
        for config in args.config:
            run_cell(args, f"{config.parent.name}-0", 0, config)
        for seed in args.seeds:
            for preset in args.presets:
                name = f"{preset}-{seed}"
                size = SimulationSettings(args.songs, args.users, args.days, seed, preset)
                run_cell(args, name, seed, simulated(args.work / name, size))
    RESULT.write_text(table(args.work), encoding="utf-8")


if __name__ == "__main__":
    main()
