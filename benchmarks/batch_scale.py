"""Lists for a million users on one machine: users a second, on one core and on two, and the memory that it takes.

    python benchmarks/batch_scale.py [--copies 50] [--measured 20480] [--work FOLDER]

A service of 20,000 users is simulated and trained. Then every user, with events and friends, is copied under new ids until there are
a million: their events go through `etl` and `graph` like any others, and the sample's models answer for them (they hold nothing of a
single user). So catalogue, event log, counts and neighbours are those of a million users, whose histories are alike in fifties; what
is not measured is training on a million.

A cell is one run of `kg-recall batch` in a process of its own: wall time, processor time and memory of it and of all that it starts.
Memory is the proportional set size (a page that two processes share counts once), read twice a second. The rate comes from two runs
of different length, so that opening the models counts for nothing; opening stands beside it. The rate of two workers is that of the run
of everybody, where there is one: in a short run the disk is still busy with the opened models. Finished cells are kept in the work folder
and not run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow.parquet as pq
from simulated_service import bring_to, simulated

from etl.simulation.settings import SimulationSettings
from kg_recall.batch_engines import THREADS
from kg_recall.context import Context
from kg_recall.runner import inputs_of
from kg_recall.steps import STEP

RESULT: Final = Path(__file__).parent / "results" / "batch_scale.md"
SAMPLE: Final = SimulationSettings(n_songs=5_000, n_users=20_000, n_days=5)
SETTINGS: Final = """
[etl.sentiment]
backend = "none"

[embed]
epochs = 3

[recall.interest]
max_epochs = 2
threads = 1

[rank.din]
max_epochs = 1

[cascade]
learn_users = 2000

[evaluate]
refit = false
"""
OF_USERS: Final = {"users": ("user_id",), "friends": ("user_id", "friend_id"), "events": ("event_id", "user_id"), "comments": ("user_id",)}
"""Tables whose rows belong to users, with the columns that a copy changes."""
BLOCK: Final = 1024
"""Users of a shard: those that are measured stand together like those of a whole job."""
FEW: Final = 5
"""The shorter run of each pair has this part of the users."""
STEPS: Final = ("etl", "graph", "embed", "train")
LENT: Final = ("embed", "train")
"""Steps whose models a service of copies has from the sample."""


def sample(work: Path) -> Path:
    """The config of the trained sample."""
    config = work / "sample" / "kg-recall.toml"
    if not config.is_file():
        simulated(config.parent, SAMPLE)
        source = config.read_text(encoding="utf-8").partition("[evaluate]")[0]
        config.write_text(source + SETTINGS, encoding="utf-8")
    bring_to(Context.open(config, quiet=True), *STEPS)
    return config


def service(work: Path, copies: int) -> Path:
    """The config of a service of so many copies of the sample, ready to serve."""
    lender = sample(work)
    config = work / f"copies{copies}" / "kg-recall.toml"
    if not config.is_file():
        config.parent.mkdir(parents=True, exist_ok=True)
        copy_users(lender.with_name("music.db"), config.with_name("music.db"), copies)
        shutil.copyfile(lender, config)
    return config


def copy_users(source: Path, out: Path, copies: int) -> None:
    """Write a database with the tables of `source`, in which every row that belongs to a user stands so many times."""
    draft = out.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        connection.execute("ATTACH ? AS source", (str(source),))
        numbers = f"(WITH RECURSIVE n(copy) AS (SELECT 0 UNION ALL SELECT copy + 1 FROM n WHERE copy < {copies - 1}) SELECT copy FROM n)"
        for name, declared in connection.execute("SELECT name, sql FROM source.sqlite_master WHERE type = 'table'").fetchall():
            connection.execute(declared)
            columns = [row[1] for row in connection.execute(f"PRAGMA source.table_info({name})")]
            own = OF_USERS.get(name, ())
            chosen = ", ".join(f"{column} || printf('c%03d', copy)" if column in own else column for column in columns)
            connection.execute(f"INSERT INTO main.{name} SELECT {chosen} FROM source.{name}" + (f" CROSS JOIN {numbers}" if own else ""))
            connection.commit()
    draft.rename(out)


def lend(lender: Path, config: Path) -> None:
    """Bring a service of copies to where it serves: its own lake and graph, the sample's models."""
    context, models = Context.open(config, quiet=True), Context.open(lender, quiet=True).workspace
    with context.workspace.writing(context.settings.source_url()):
        for step in (STEP[name] for name in LENT):
            needs = {need: context.require(need).content for need in step.needs}
            inputs = inputs_of(context, step, needs)
            record = context.workspace.record(step.name)
            if record is None or record.inputs != inputs:
                with context.workspace.publish(step.name, inputs, needs, step.outputs, step.hashed, step.sized) as draft:
                    for output in step.outputs:
                        shutil.copytree(models.path(output), draft / output)


class Watch:
    """Most memory that this process's descendants hold together, read twice a second while the block runs."""

    def __enter__(self) -> Watch:
        self.most_pss, self.each, self._done = 0.0, [0.0], threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.5):
            held = []
            for process in psutil.Process().children(recursive=True):
                try:
                    held.append(process.memory_full_info())
                except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                    continue
            if (pss := sum(memory.pss for memory in held)) > self.most_pss:
                self.most_pss, self.each = pss, sorted((memory.rss / 2**30 for memory in held), reverse=True)


def run_timed(command: list[str], threads: int | None) -> dict[str, Any]:
    """Seconds, processor seconds and memory of a command and of all that it starts."""
    limits = {} if threads is None else dict.fromkeys(THREADS, str(threads))
    load, before, begun = os.getloadavg()[0], resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with Watch() as watch:
        subprocess.run(command, check=True, env=os.environ | limits, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "pss": watch.most_pss / 2**30, "rss": watch.each, "load": [load, os.getloadavg()[0]]}


def kept(work: Path, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A cell's figures: those that are kept, or new ones."""
    file = work / f"{name}.json"
    if not file.exists():
        figures = measure()
        file.write_text(json.dumps(figures))
        print(name, figures, flush=True)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def asked_users(config: Path, n: int) -> Path:
    """A file of `n` users: whole blocks of neighbours of the catalogue, as far from each other as they can be."""
    file = config.parent / f"users{n}.txt"
    with closing(sqlite3.connect(config.with_name("music.db"))) as connection:
        ids = np.sort(np.array([row[0] for row in connection.execute("SELECT user_id FROM users")]))
    blocks = len(ids) // BLOCK
    chosen = np.linspace(0, blocks - 1, n // BLOCK).astype(int)
    file.write_text("\n".join(ids[(chosen[:, None] * BLOCK + np.arange(BLOCK)).ravel()]) + "\n", encoding="utf-8")
    return file


def batch(config: Path, n: int | None, workers: int) -> dict[str, Any]:
    """One run of the command for `n` users (None: all), which must give 100 rows to each."""
    out = config.parent / f"lists{n or 'all'}-{workers}.parquet"
    command = [sys.executable, "-m", "kg_recall", "batch", "--quiet", "-k", "100", "-c", str(config), "--out", str(out)]
    command += ["--workers", str(workers)] + ([] if n is None else ["--users", str(asked_users(config, n))])
    figures = run_timed(command, 1 if workers == 1 else None)
    return figures | {"rows": pq.read_metadata(out).num_rows, "sha256": hashlib.sha256(out.read_bytes()).hexdigest()}


def killed(config: Path, n: int, whole: dict[str, Any]) -> dict[str, Any]:
    """The command killed with all that it started once it has written some shards, and begun again: the file must be the same."""
    out = config.parent / "killed.parquet"
    command = [sys.executable, "-m", "kg_recall", "batch", "--quiet", "-k", "100", "-c", str(config), "--out", str(out)]
    command += ["--workers", "2", "--users", str(asked_users(config, n))]
    process = subprocess.Popen(command, start_new_session=True)
    shards = out.with_name(f".{out.name}.shards")
    while process.poll() is None and len(list(shards.glob("0*.parquet"))) < 3:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = len(list(shards.glob("0*.parquet")))
    figures = run_timed(command, None)
    same = hashlib.sha256(out.read_bytes()).hexdigest() == whole["sha256"]
    return figures | {"shards kept": left, "same file": same}


def step(config: Path, name: str) -> dict[str, Any]:
    """One step of the service of copies, as a command."""
    return run_timed([sys.executable, "-m", "kg_recall", name, "--quiet", "-c", str(config)], None)


def page(copies: int, n: int, cells: dict[str, dict[str, Any]], sizes: dict[str, int]) -> str:
    """The result as Markdown."""
    users = SAMPLE.n_users * copies
    lines = [
        "# Lists for a million users on one machine", "",
        f"`python benchmarks/batch_scale.py --copies {copies} --measured {n}`; {users:,} users, {sizes['events']:,} events of the source, "
        f"{SAMPLE.n_songs:,} songs, default routes, 100 songs a list with scores, routes, reasons and paths.",
        f"The users are {SAMPLE.n_users:,} simulated ones ({SAMPLE.n_days} days), each {copies} times under ids of its own; models were",
        "trained on the 20,000 and lent. Memory is the proportional set size of all processes together; processor seconds are of all",
        "processes. Load is the machine's at start and end: beside other work wall times say little, processor times more.", "",
        "| command | wall s | processor s | peak GiB (sum of processes) | RSS of each | load |", "|---|---:|---:|---:|---|---|",
    ]  # fmt: skip
    for name, cell in cells.items():
        each = ", ".join(f"{rss:.1f}" for rss in cell["rss"][:4])
        load = " → ".join(f"{load:.1f}" for load in cell["load"])
        lines.append(f"| {name} | {cell['wall']:.0f} | {cell['cpu']:.0f} | {cell['pss']:.1f} | {each} | {load} |")
    lines += [
        "",
        "| workers | between runs of | users a second (wall) | users a processor second | opening, wall s |",
        "|---:|---|---:|---:|---:|",
    ]
    rate: dict[int, float] = {}
    for workers in (1, 2):
        sizes_run = [n // FEW, n]
        runs = [cells[f"batch {size:,}, workers {workers}"] for size in sizes_run]
        if workers == 2 and "batch all" in cells:
            sizes_run, runs = [n, users], [runs[1], cells["batch all"]]
        more = sizes_run[1] - sizes_run[0]
        wall, cpu = (runs[1][clock] - runs[0][clock] for clock in ("wall", "cpu"))
        rate[workers] = more / wall
        opening = runs[0]["wall"] - sizes_run[0] / rate[workers]
        lines.append(f"| {workers} | {sizes_run[0]:,} and {sizes_run[1]:,} | {rate[workers]:.0f} | {more / cpu:.0f} | {opening:.0f} |")
    lines += ["", f"Two workers write {rate[2] / rate[1]:.2f} times as many lists a second as one."]
    same = cells[f"batch {n:,}, workers 1"]["sha256"] == cells[f"batch {n:,}, workers 2"]["sha256"]
    lines.append(f"One worker and two wrote {'the same file, byte for byte' if same else 'DIFFERENT FILES'}.")
    if "killed and begun again" in cells:
        again = cells["killed and begun again"]
        came = "the same file" if again["same file"] else "ANOTHER FILE"
        lines.append(f"Killed with {again['shards kept']} shards written and begun again: {came}.")
    if "batch all" in cells:
        whole = cells["batch all"]
        lines.append(
            f"All {users:,} users: {whole['rows']:,} rows in {whole['wall'] / 60:.0f} minutes, {users / whole['wall']:.0f} users a second."
        )
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure what is not in the work folder yet, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=50)
    parser.add_argument("--measured", type=int, default=20_480, help="users of the runs that give the rate, in blocks of 1,024")
    parser.add_argument("--work", type=Path, default=Path("build/batch_scale"))
    parser.add_argument("--all", action="store_true", help="also the lists of all users, with as many workers as cores")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    config, n = service(given.work, given.copies), given.measured
    work = config.parent
    cells = {name: kept(work, name, partial(step, config, name)) for name in ("etl", "graph")}
    lend(sample(given.work), config)
    for workers in (1, 2):
        for users in (n // FEW, n):
            name = f"batch {users:,}, workers {workers}"
            cells[name] = kept(work, name, partial(batch, config, users, workers))
    whole = cells[f"batch {n:,}, workers 2"]
    cells["killed and begun again"] = kept(work, "killed and begun again", partial(killed, config, n, whole))
    if given.all or (work / "batch all.json").exists():
        cells["batch all"] = kept(work, "batch all", partial(batch, config, None, 2))
    with closing(sqlite3.connect(config.with_name("music.db"))) as connection:
        sizes = {"events": int(connection.execute("SELECT COUNT(*) FROM events").fetchone()[0])}
    given.out.write_text(page(given.copies, n, cells, sizes), encoding="utf-8")


if __name__ == "__main__":
    main()
