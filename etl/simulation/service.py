"""A whole simulated music service: its tables, and the truth of why everything was played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq

from etl.config_out import EvaluateDefaults, write_config
from etl.contract import TABLES
from etl.errors import UserError
from etl.simulation.catalogue_tables import catalogue_tables
from etl.simulation.engine import Engine
from etl.simulation.event_tables import EventTables
from etl.simulation.listener_tables import friends_table, users_table
from etl.simulation.settings import SimulationSettings
from etl.simulation.truth_tables import interests_table, spurious_table, truth_table
from etl.tables_out import TableWriter, open_writer, parse_url

Tell = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and its total."""
STREAMED: Final = ("events", "comments")
BESIDE: Final = ("spurious", "interests", "comments")
"""Tables beside the truth, `FILE.NAME.parquet`."""


def simulate(settings: SimulationSettings) -> dict[str, pl.DataFrame]:
    """Every table of the source contract by name, and `truth` (see `truth_table`); the same for the same settings.

    Everything is held in memory: for sizes that fit.
    """
    engine = Engine(settings)
    tables, collected = _standing(engine), Collected()
    for name, frame in _streamed(engine, tell=_nobody, with_truth=True):
        collected.append(name, frame)
    return {**tables, **{name: collected.table(name) for name in (*STREAMED, "truth")}}


def run_simulation(settings: SimulationSettings, url: str, truth: Path | None = None, tell: Tell | None = None) -> str:
    """Simulate into the new database at `url`, day by day, write a config and, where asked, the truth as Parquet; say what was done.

    The truth is `truth` (see `truth_table`), and beside it `FILE.spurious.parquet`, `FILE.interests.parquet` and
    `FILE.comments.parquet` (mood and irony of every comment). A filled database is refused before anything is simulated.

    Raises:
        UserError: the database or the truth file cannot be written.
    """
    where = parse_url(url).render_as_string(hide_password=True)
    with open_writer(url, TABLES) as writer, _truth_files(truth) as files:
        counts = _write(Engine(settings), writer, files, tell or _nobody)
    counted = ", ".join(f"{n:,} {name}" for name, n in counts.items())
    lines = [f"simulated ({settings.preset}, seed {settings.seed}): {counted} into {where}"]
    if truth is not None:
        lines.append(f"truth: {truth}, and beside it {', '.join(_beside(truth, name).name for name in BESIDE)}")
    return "\n".join([*lines, write_config(url, EvaluateDefaults("time"))])


def _write(engine: Engine, writer: TableWriter, files: ParquetFiles | None, tell: Tell) -> dict[str, int]:
    """Write everything; the number of rows of each table."""
    counts: dict[str, int] = {}
    for name, frame in _standing(engine).items():
        writer.create(name, frame.schema)
        writer.append(name, frame)
        counts[name] = frame.height
    if files is not None:
        files.append("spurious", spurious_table(engine))
        files.append("interests", interests_table(engine))
    for name, frame in _streamed(engine, tell, with_truth=files is not None):
        if name in STREAMED:
            if name not in counts:
                writer.create(name, frame.schema)
            writer.append(name, frame)
            counts[name] = counts.get(name, 0) + frame.height
        elif files is not None:
            files.append("comments" if name == "moods" else name, frame)
    return counts


def _standing(engine: Engine) -> dict[str, pl.DataFrame]:
    """Tables that are not about events."""
    tables = catalogue_tables(engine.world, engine.facts, engine.of_names)
    return {**tables, "users": users_table(engine.listeners), "friends": friends_table(engine.listeners)}


def _streamed(engine: Engine, tell: Tell, *, with_truth: bool) -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables of each day in turn: `events`, `comments`, `moods` and, where wanted, `truth`."""
    tables, n_days = EventTables(engine), engine.settings.n_days
    for number, day in enumerate(engine.days()):
        tell("simulate", number, n_days)
        comments, moods = tables.comments(day)
        yield "events", tables.events(day)
        yield "comments", comments
        yield "moods", moods
        if with_truth:
            yield "truth", truth_table(day, engine)
    tell("simulate", n_days, n_days)


class Collected:
    """Tables as they grow."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pl.DataFrame]] = {}

    def append(self, name: str, rows: pl.DataFrame) -> None:
        """Add rows to a table."""
        self._parts.setdefault(name, []).append(rows)

    def table(self, name: str) -> pl.DataFrame:
        """All rows of a table."""
        return pl.concat(self._parts[name])


class ParquetFiles:
    """The truth's files, each under another name until everything is written; a row group a day."""

    def __init__(self, truth: Path) -> None:
        self._truth = truth
        self._writers: dict[Path, pq.ParquetWriter] = {}

    def append(self, name: str, rows: pl.DataFrame) -> None:
        """Add rows to the truth, or to a table beside it."""
        path = self._truth if name == "truth" else _beside(self._truth, name)
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        with _parquet_errors(path):
            if path not in self._writers:
                self._writers[path] = pq.ParquetWriter(_partial(path), table.schema, compression="zstd")
            self._writers[path].write_table(table)

    def finish(self) -> None:
        """Give every file its name."""
        for path, writer in self._writers.items():
            with _parquet_errors(path):
                writer.close()
                _partial(path).replace(path)

    def discard(self) -> None:
        """Leave nothing of unfinished files."""
        for path, writer in self._writers.items():
            writer.close()
            _partial(path).unlink(missing_ok=True)


@contextmanager
def _truth_files(truth: Path | None) -> Iterator[ParquetFiles | None]:
    if truth is None:
        yield None
        return
    files = ParquetFiles(truth)
    with ExitStack() as stack:
        stack.callback(files.discard)
        yield files
        files.finish()


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; name a place you may write to") from None


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _beside(truth: Path, name: str) -> Path:
    return truth.with_name(f"{truth.name.removesuffix('.parquet')}.{name}.parquet")


def _nobody(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
