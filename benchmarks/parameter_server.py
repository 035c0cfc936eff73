"""The parameter server for FTRL-Proximal: workers beside each other, bounded staleness, and a shard killed while they learn.

Rates are examples per second of worker processor time, summed over the workers, so that a
machine whose cores are shared can be judged; wall time stands beside. Rounds of all layouts are taken in turns.

Usage: python benchmarks/parameter_server.py --work DIR [--rows 600000] [--rounds 3] [--out benchmarks/results/parameter_server.md]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import ray
from planted_clicks import COLUMNS, CROSSES, planted_clicks

from ranking.auc import auc, log_loss
from ranking.ftrl import Ftrl, FtrlSettings
from ranking.hashing import HashedTerms
from ranking.parameter_server import ParameterServer, ServerSettings

TERMS: Final = HashedTerms(COLUMNS, CROSSES, bits=24)
RATES: Final = FtrlSettings()
ONE: Final = ServerSettings(n_workers=1, checkpoint_bytes=1 << 30)
LAYOUTS: Final = {
    "1 worker": ONE,
    "2 workers, staleness 0": replace(ONE, n_workers=2, staleness=0),
    "2 workers, staleness 1": replace(ONE, n_workers=2),
    "2 workers, staleness 4": replace(ONE, n_workers=2, staleness=4),
    "2 workers, 4 shards": replace(ONE, n_workers=2, n_shards=4),
    "2 workers, batches of 4,096": replace(ONE, n_workers=2, batch=4_096),
    "2 workers, forced to disk": replace(ONE, n_workers=2, sync=True),
}
KILL_AFTER: Final = 4
"""Batches of the first worker after which the first shard is killed."""


def measured(folder: Path, layout: ServerSettings, rows: int, *, kill: bool = False) -> dict[str, Any]:
    """One pass; with `kill` the first shard's process dies in the middle, and what it had acknowledged is compared with what is there."""
    codes, labels = planted_clicks(rows)
    shutil.rmtree(folder, ignore_errors=True)
    with ParameterServer(folder, TERMS, RATES, layout) as server:
        warm = slice(layout.batch * layout.n_workers)  # every worker compiles or reads its kernels; examples without weight teach nothing
        server.learn(codes[warm], labels[warm], weights=np.zeros(len(labels[warm])))
        pids = [ray.get(shard.process.remote()) for shard in server.shards]
        stopped = threading.Event()
        killer = threading.Thread(target=_kill_in_the_middle, args=(server, pids[0], stopped))
        if kill:
            killer.start()
        started = time.perf_counter()
        learned = server.learn(codes, labels)
        wall = time.perf_counter() - started
        stopped.set()
        if kill:
            killer.join()
        table, half = server.model().table, rows // 2
        clocks = [sorted(ray.get(shard.applied.remote()).items()) for shard in server.shards]
        result = {
            "wall": wall,
            "rate": float((np.bincount(np.arange(rows) // layout.batch % layout.n_workers) / learned.worker_seconds).sum()),
            "loss": log_loss(labels, learned.logits),
            "late_loss": log_loss(labels[half:], learned.logits[half:]),
            "auc": auc(labels[half:], learned.logits[half:]),
            "widest": learned.widest,
            "clocks_agree": all(each == clocks[0] for each in clocks),
            "killed": ray.get(server.shards[0].process.remote()) != pids[0],
            "bytes": sum(file.stat().st_size for file in folder.glob("shard-*/log-*")),
        }
        begun = time.perf_counter()
        server.checkpoint()
        result["checkpoint_seconds"] = time.perf_counter() - begun
        if layout.n_workers == 1:
            alone = Ftrl(TERMS, RATES)
            result["same_logits"] = bool((alone.learn(codes, labels) == learned.logits).all())
            result["same_table"] = bool((alone.table == table).all())
    return result


def _kill_in_the_middle(server: ParameterServer, pid: int, stopped: threading.Event) -> None:
    """SIGKILL the process when the first worker has had some batches acknowledged."""
    begun = ray.get(server.shards[0].applied.remote())[0]
    while not stopped.wait(0.02):
        if ray.get(server.shards[0].applied.remote())[0] >= begun + KILL_AFTER:
            os.kill(pid, signal.SIGKILL)
            return


def alone(rows: int) -> dict[str, Any]:
    """The model in this process, the same examples."""
    codes, labels = planted_clicks(rows)
    Ftrl(HashedTerms(COLUMNS, CROSSES, 4), RATES).learn(codes[:100], labels[:100])
    started = time.process_time(), time.perf_counter()
    logits = Ftrl(TERMS, RATES).learn(codes, labels)
    rate, wall, half = rows / (time.process_time() - started[0]), time.perf_counter() - started[1], rows // 2
    late = (log_loss(labels[half:], logits[half:]), auc(labels[half:], logits[half:]))
    return {"wall": wall, "rate": rate, "loss": log_loss(labels, logits), "late_loss": late[0], "auc": late[1]}


def cell(work: Path, name: str, measure: Any) -> dict[str, Any]:
    """A measurement, kept in a file, so that a benchmark that was cut off goes on."""
    file = work / f"{name.replace(' ', '-').replace(',', '')}.json"
    if not file.is_file():
        file.write_text(json.dumps(measure()), encoding="utf-8")
        print(name, file.read_text(encoding="utf-8"), flush=True)
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result


def _said(name: str, kill: dict[str, Any]) -> str:
    """What a killed shard meant."""
    equal = "" if "same_table" not in kill else f"; equal to the model alone to the bit: {_yes(kill['same_table'] and kill['same_logits'])}"
    return (
        f"- {name}: the first shard's process was killed by SIGKILL after {KILL_AFTER} batches and lives in another since: "
        f"{_yes(kill['killed'])}; every batch of every worker applied in every shard: {_yes(kill['clocks_agree'])}{equal}; "
        f"log loss of the second half {kill['late_loss']:.4f}, {kill['wall']:.1f} s."
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def page(rows: int, found: dict[str, list[dict[str, Any]]], kills: dict[str, dict[str, Any]]) -> str:
    """The results as Markdown."""
    base = found["1 worker"]

    def row(name: str) -> str:
        cells = found[name]
        ratios = [one["rate"] / first["rate"] for one, first in zip(cells, base, strict=True)]
        walls = [first["wall"] / one["wall"] for one, first in zip(cells, base, strict=True)]
        rate, wall = max(one["rate"] for one in cells), min(one["wall"] for one in cells)
        beside = f"{np.median(ratios):.2f} × ({min(ratios):.2f}–{max(ratios):.2f}) | {np.median(walls):.2f} ×"
        quality = f"{np.mean([one['late_loss'] for one in cells]):.4f} | {np.mean([one['auc'] for one in cells]):.4f}"
        return f"| {name} | {rate:,.0f} | {rows / wall:,.0f} | {beside} | {quality} | {max(one.get('widest', 0) for one in cells)} |"

    one = base[0]
    said = [_said(name, kill) for name, kill in kills.items()]
    lines = [
        "# FTRL-Proximal on a parameter server",
        "",
        f"{rows:,} planted clicks of {TERMS.n_terms} features, a table of 2^{TERMS.bits} weights in {ONE.n_shards} shards, batches of "
        f"{ONE.batch:,}, one pass; {len(base)} rounds in turns on a machine of {os.cpu_count()} cores, shared by workers, shards, Ray and "
        "whatever else runs, so two workers cannot be twice as fast by the wall clock here. Best of the rounds; ratios are of the same "
        "round, median and range.",
        "",
        "| | examples/s of worker processor time | (wall) | beside 1 worker | (wall) | log loss, second half | AUC | widest lead |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(row(name) for name in ("the model alone", *LAYOUTS)),
        "",
        f"One worker's logits and table are those of the model alone to the bit: {_yes(one['same_logits'] and one['same_table'])}. "
        f"The logs of one pass are {one['bytes'] / 1e6:,.0f} MB; a checkpoint of all shards takes {one['checkpoint_seconds']:.2f} s.",
        "",
        "## A shard killed while they learn",
        "",
        *said,
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "parameter_server.md")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=2, object_store_memory=1 << 29, include_dashboard=False, log_to_driver=False, configure_logging=False)
    rows, state = options.rows, options.work / "server"
    found: dict[str, list[dict[str, Any]]] = {}
    for turn in range(options.rounds):
        found.setdefault("the model alone", []).append(cell(options.work, f"alone {turn}", lambda: alone(rows)))
        for name, layout in LAYOUTS.items():
            result = cell(options.work, f"{name} {turn}", lambda layout=layout: measured(state, layout, rows))
            found.setdefault(name, []).append(result)
    killed = ("1 worker", "2 workers, staleness 1")
    kills = {
        name: cell(options.work, f"killed {name}", lambda name=name: measured(state, LAYOUTS[name], rows, kill=True)) for name in killed
    }
    shutil.rmtree(state, ignore_errors=True)
    ray.shutdown()
    options.out.write_text(page(rows, found, kills), encoding="utf-8")


if __name__ == "__main__":
    main()
