"""Events of 1, 5 and 20 million (100 on request): written by the simulation, read through the ETL, beside the fastest plain reader.

    python benchmarks/etl_scale.py [--millions 1 5 20] [--work FOLDER]

Every cell is a process of its own, so its peak memory is its own; finished cells are kept in the work folder and not run again.
The plain reader is SQLite's ADBC driver going through the same rows and columns and keeping nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "etl_scale.md"
SONGS = 5_000
SIZES = {1: (2_000, 47), 5: (10_000, 47), 20: (40_000, 47), 100: (50_000, 185)}
"""Millions of events → listeners and days."""
COLUMNS = "event_id, user_id, item_id, behaviour, ts, item_kind, scene, play_ms, is_organic"


def simulate(work: Path, millions: int) -> int:
    """Write the service into a SQLite file; returns its number of events."""
    from etl.simulation.service import run_simulation
    from etl.simulation.settings import SimulationSettings

    users, days = SIZES[millions]
    run_simulation(SimulationSettings(SONGS, users, days), f"sqlite:///{database(work, millions)}")
    return count(work, millions)


def plain(work: Path, millions: int) -> int:
    """Read the rows of events and keep nothing."""
    from adbc_driver_sqlite import dbapi

    with dbapi.connect(f"file:{database(work, millions)}?mode=ro") as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": "250000"})
        cursor.execute(f"SELECT {COLUMNS} FROM events")
        return sum(batch.num_rows for batch in cursor.fetch_record_batch())


def etl(work: Path, millions: int) -> int:
    """Extraction and cleaning to the lake; comments and robots are timed apart."""
    from etl.pipeline import write_lake
    from etl.rules import CleaningRules
    from etl.sentiment_rules import SentimentRules
    from etl.source import Source

    folder = work / f"lake{millions}"
    shutil.rmtree(folder, ignore_errors=True)
    rules = CleaningRules(sentiment=SentimentRules(backend="none"))
    report = write_lake(Source(f"sqlite:///{database(work, millions)}"), rules, folder, max_rejected=0.05, clock=False)
    return report.kept["events"]


def again(work: Path, millions: int) -> int:
    """The next extraction, with nothing new: the last days are read, everything is coded."""
    from etl.pipeline import write_lake
    from etl.rules import CleaningRules
    from etl.sentiment_rules import SentimentRules
    from etl.source import Source

    rules = CleaningRules(sentiment=SentimentRules(backend="none"))
    source, folder = Source(f"sqlite:///{database(work, millions)}"), work / f"again{millions}"
    report = write_lake(source, rules, folder, max_rejected=0.05, clock=False, previous=work / f"lake{millions}")
    shutil.rmtree(folder)
    return report.extraction.rows_read


def robots(work: Path, millions: int) -> int:
    """One row for each user and day, day by day, and the search for robots in them."""
    import polars as pl

    from etl.activity import activity, artist_codes
    from etl.lake import events_of_frame
    from etl.robot_rules import RobotRules
    from etl.robots import find_robots

    lake, rules = work / f"lake{millions}" / "lake", RobotRules()
    songs = pl.read_parquet(lake / "songs.parquet")
    durations, artists = songs["duration_ms"].fill_null(-1).to_numpy(), artist_codes(songs)
    days = (events_of_frame(pl.read_parquet(path)) for path in sorted((lake / "events").glob("*.parquet")))
    return find_robots(pl.concat([activity(day, durations, artists, rules) for day in days]), rules).height


def sessions(work: Path, millions: int) -> int:
    """All sessions, with the lake in memory."""
    from etl.lake import Lake
    from etl.session_rules import SessionRules
    from etl.sessions import Sessions

    lake = Lake.read(work / f"lake{millions}" / "lake")
    return timed(lambda: len(Sessions.of(lake.events, SessionRules(), lake.catalogue.n_users)))


def profiles(work: Path, millions: int) -> int:
    """Profiles of all songs and users, with the lake in memory."""
    from etl.lake import Lake
    from etl.song_profile import SongProfiles
    from etl.user_profile import UserProfiles

    lake = Lake.read(work / f"lake{millions}" / "lake")
    now = int(lake.events.ts[-1]) + 1
    return timed(lambda: SongProfiles.as_of(lake, now).table.height + len(UserProfiles.as_of(lake, now).value))


CELLS: dict[str, Callable[[Path, int], int]] = {cell.__name__: cell for cell in (simulate, plain, etl, again, robots, sessions, profiles)}
"""What is measured; each returns a number that says it did the work."""


def timed(work: Callable[[], int]) -> int:
    """Run `work` and note its own time, without what had to be read for it."""
    begun = time.perf_counter()
    made = work()
    print(json.dumps({"own": time.perf_counter() - begun}))
    return made


def database(work: Path, millions: int) -> Path:
    """File of a size."""
    return work / f"music{millions}.db"


def count(work: Path, millions: int) -> int:
    """Rows of events."""
    import sqlite3

    with sqlite3.connect(database(work, millions)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM events").fetchone()[0])


def run_cell(work: Path, millions: int, name: str) -> None:
    """In a process of its own: the cell's time, peak memory and what it made, as the last line."""
    begun = time.perf_counter()
    made = CELLS[name](work, millions)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": seconds, "peak_gib": peak, "made": made, "load": os.getloadavg()[0]}))


def measure(work: Path, millions: int, name: str) -> dict[str, float]:
    """A cell's figures: kept ones, or those of a new process."""
    kept = work / f"{name}{millions}.json"
    if not kept.exists():
        command = [sys.executable, __file__, "--cell", name, "--millions", str(millions), "--work", str(work)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures = {key: value for line in done.stdout.splitlines() if line.startswith("{") for key, value in json.loads(line).items()}
        kept.write_text(json.dumps(figures))
        print(millions, name, figures, flush=True)
    found: dict[str, float] = json.loads(kept.read_text())
    return found


def table(cells: dict[int, dict[str, dict[str, float]]]) -> str:
    """The result as Markdown."""
    names = {
        "simulate": "simulated and written", "plain": "plain reader (ADBC)", "etl": "extraction and cleaning to the lake",
        "again": "the next extraction, nothing new", "robots": "robots", "sessions": "sessions", "profiles": "profiles of songs and users",
    }  # fmt: skip
    lines = [
        "# Events at scale", "", f"`python benchmarks/etl_scale.py`; {SONGS:,} songs, SQLite, two cores. Every cell is one process.", "",
        "| | events | seconds | µs an event | peak GiB | of the plain reader |", "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for figures in cells.values():
        events = figures["plain"]["made"]
        for name, title in names.items():
            cell = figures[name]
            seconds = cell.get("own", cell["seconds"])
            ratio = f"{seconds / figures['plain']['seconds']:.2f}" if name in ("etl", "again") else ""
            row = (title, f"{events:,}", f"{seconds:.1f}", f"{seconds / events * 1e6:.2f}", f"{cell['peak_gib']:.2f}", ratio)
            lines.append("| " + " | ".join(row) + " |")
    read = {millions: f"{figures['again']['made']:,}" for millions, figures in cells.items()}
    lines += ["", f"Rows that the next extraction read, by millions of events: {read}. Sessions and profiles: without reading the lake."]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write the table, or run one cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, nargs="+", default=[1, 5, 20], choices=SIZES)
    parser.add_argument("--work", type=Path, default=Path("etl-scale"))
    parser.add_argument("--cell", choices=CELLS)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.cell:
        run_cell(asked.work, asked.millions[0], asked.cell)
        return
    text = table({millions: {name: measure(asked.work, millions, name) for name in CELLS} for millions in asked.millions})
    RESULT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
