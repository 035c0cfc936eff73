"""One measured log at a time: a data set imported, or a world simulated, taken through the ETL and measured; finished ones are kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from etl.flags import Flag
from etl.lake import Lake
from marginals.plays import Plays
from marginals.portrait import Log, curves, numbers

REAL: Final = {"xiami": False, "thirtymusic-sessions": True}
"""Data sets, and whether their times are a clock."""
MACHINES: Final = (Flag.ROBOT, Flag.BACKGROUND)
"""Flags of events that nobody listened to."""
ROOT: Final = Path(__file__).resolve().parents[2]
CODE: Final = ("etl/simulation", "etl/imports", "benchmarks/marginals")
"""What a finished cell depends on; where it changes, the cell is measured anew."""


@dataclass(frozen=True)
class World:
    """What to simulate."""

    preset: str
    seed: int
    songs: int
    users: int
    days: int

    @property
    def name(self) -> str:
        """Name of the cell."""
        return f"{self.preset}-{self.seed}"


@dataclass(frozen=True)
class Cell:
    """A measured log: what is left of it without robots and background, and the numbers of everything."""

    name: str
    numbers: dict[str, float]
    curves: dict[str, list[float]]
    everything: dict[str, float]

    @property
    def with_robots(self) -> Cell:
        """The same log with nothing left out."""
        return Cell(self.name, self.everything, {}, self.everything)


def simulated(world: World, work: Path) -> Cell:
    """The cell of a simulated world."""
    sizes = [f"--{name}={value}" for name, value in asdict(world).items()]
    return _measured(world.name, ["simulate", *sizes], True, work, asdict(world))


def imported(name: str, data: Path, work: Path) -> Cell:
    """The cell of a public data set in `data`."""
    return _measured(name, ["import", name, str(data / name)], REAL[name], work, {})


def kept_plays(work: Path, name: str) -> dict[str, np.ndarray]:
    """What a finished cell keeps of its plays for comparing worlds: `user, ts, song`, and digests of the tables."""
    with np.load(work / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def _measured(name: str, source: list[str], clock: bool, work: Path, sizes: dict[str, Any]) -> Cell:
    work.mkdir(parents=True, exist_ok=True)
    kept, stamp = work / f"{name}.json", _stamp(sizes)
    if kept.is_file():
        told = json.loads(kept.read_text(encoding="utf-8"))
        if told["stamp"] == stamp:
            return Cell(**{key: value for key, value in told.items() if key != "stamp"})
    lake = _built(work / name, source)
    people, everything = Log(lake, clock, ~np.isin(lake.flag, MACHINES)), Log(lake, clock)
    cell = Cell(name, numbers(people), curves(people), numbers(everything))
    _keep_plays(work / f"{name}.npz", lake, everything.plays)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps({"stamp": stamp, **asdict(cell)}), encoding="utf-8")
    partial.replace(kept)
    shutil.rmtree(work / name)
    return cell


def _built(folder: Path, source: list[str]) -> Lake:
    """The lake of one source, by the commands that a user would give."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for arguments in ([*source, "--out", "sqlite:///music.db", "--quiet"], ["etl", "--quiet"]):
        command = [sys.executable, "-m", "kg_recall", *arguments]
        done = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"kg-recall {' '.join(arguments)}: {done.stderr.strip()}")
    return Lake.read(folder / "kg-recall-workspace" / "lake")


def _keep_plays(path: Path, lake: Lake, plays: Plays) -> None:
    tables = {"songs": lake.catalogue.songs, "users": lake.catalogue.users, "facts": lake.triples.sort("head", "relation", "tail")}
    digests = {name: np.array(_digest(frame)) for name, frame in tables.items()}
    np.savez_compressed(path, user=plays.user, ts=plays.ts, song=plays.song, **digests)


def _digest(frame: pl.DataFrame) -> str:
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()


def _stamp(sizes: dict[str, Any]) -> str:
    found = hashlib.sha256(json.dumps(sizes, sort_keys=True).encode())
    for path in _files():
        found.update(path.read_bytes())
    return found.hexdigest()


def _files() -> Iterator[Path]:
    drawing = ("plots.py", "table.py", "published.py")
    for folder in CODE:
        yield from (path for path in sorted((ROOT / folder).glob("*.py")) if path.name not in drawing)
