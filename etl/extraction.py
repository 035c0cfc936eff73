"""`events` out of the source into staged days: all rows, or only those since the last extraction's watermark.

Of the rows before the watermark the source is asked two things, in one pass: how many they are, and the sum of their times. Where
either differs from what was read, everything is read. What escapes is what changes neither: another value beside the time of an old
row, an old row that takes the place of one of the same second, and several changes whose times add up to the same. On a database that
cannot add times up (`etl.watermark.seconds_in_sql`), any exchange of as many old rows escapes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from etl.chunks import Chunks
from etl.cleaning import rejected_rows
from etl.day_order import by_day, in_time_order
from etl.duplicates import Duplicates
from etl.lake import REJECTED_SCHEMA, day_of, label_of, write_parts
from etl.prefetch import prefetched
from etl.source import Progress, Reader, Since
from etl.staged_rows import EVENTS, SECONDS, Codebooks, named_rows, stage_batch
from etl.staging import UNDATED, Day, StagedEvents
from etl.typed_columns import ROW
from etl.watermark import MIXED, TEXT, moment, one_form

FORMAT: Final = 4
"""Changes when staged rows of older versions can no longer be read."""


@dataclass(frozen=True)
class Extraction:
    """How the events of one run were read."""

    staged: StagedEvents
    rows_read: int
    """Rows that came out of the source this time."""
    since: str | None
    """First day that was read again; None where the whole table was read."""
    why: str
    """Why it was all of it, or not."""


@dataclass(frozen=True)
class Places:
    """Folders of an extraction."""

    staged: Path
    """Where staged days are written."""
    previous: Path | None
    """Staged days of the last extraction, if any; never changed."""
    scratch: Path
    """Where chunks lie until they have become days; may hold those of a killed extraction."""


@dataclass(frozen=True)
class _Plan:
    kept: StagedEvents | None
    cut: int | None
    """Days from this one on are read again."""
    since: Since | None
    why: str

    @property
    def labels(self) -> list[str]:
        """Days that stay as they were staged."""
        return [] if self.kept is None or self.cut is None else _before(self.kept, self.cut)


def extract_events(
    reader: Reader,
    places: Places,
    *,
    source_state: str | None,
    last_ts: int,
    late_days: int,
    future_tolerance: int,
    progress: Progress | None = None,
) -> Extraction:
    """Stage the rows of `events`.

    Args:
        reader: the open source.
        places: folders.
        source_state: what changes whenever the source does; None where nothing cheap does, so that a killed extraction is begun anew.
        last_ts: Unix seconds after which a time is in the future.
        late_days: rows up to so many days older than the newest are read again, because they may be late or changed.
        future_tolerance: seconds by which `last_ts` is later than the extraction: rows judged by another are read again.
        progress: called after each batch.

    Raises:
        UserError: the database refuses.
    """
    reading = _reading(reader, future_tolerance)
    plan = _plan(reader, places.previous, reading, late_days)
    extraction = _extract(reader, places, plan, reading, source_state, last_ts, progress)
    if extraction is None:  # a row before the cut came with those after it: times have no order to ask by after all
        whole = _whole("times are not in the order in which the source compares them")
        extraction = _extract(reader, places, whole, reading, source_state, last_ts, progress)
    assert extraction is not None
    return extraction


def _reading(reader: Reader, future_tolerance: int) -> str:
    """What rows were read with: equal for rows that belong to one table."""
    parts = [reader.statement("events"), list(reader.layout["events"]), future_tolerance, pl.__version__, FORMAT]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _plan(reader: Reader, previous: Path | None, reading: str, late_days: int) -> _Plan:
    old = StagedEvents.open(previous, reading) if previous is not None else None
    last = None if old is None else old.last_day()
    if old is None or last is None:
        return _whole("nothing was read before")
    if old.form == MIXED:
        return _whole("times are written in several ways, so the source cannot be asked for the newest")
    cut = last - late_days
    rows, seconds = (sum(old.days[label].read.get(name, 0) for label in _before(old, cut)) for name in ("events", SECONDS))
    if rows == 0:
        return _whole(f"nothing is older than {late_days} days")
    since = Since("ts", moment(old.form, cut), strays=old.form == TEXT)
    now_rows, now_seconds = reader.older("events", since, old.form)
    if now_rows != rows:
        return _whole(f"rows before {label_of(cut)} were added or removed")
    if now_seconds not in (None, seconds):
        return _whole(f"rows before {label_of(cut)} were exchanged, or their times changed")
    return _Plan(old, cut, since, "")


def _whole(why: str) -> _Plan:
    """Everything is read."""
    return _Plan(None, None, None, why)


def _before(staged: StagedEvents, cut: int) -> list[str]:
    return [label for label in staged.days if label != UNDATED and day_of(label) < cut]


def _extract(
    reader: Reader, places: Places, plan: _Plan, reading: str, source_state: str | None, last_ts: int, progress: Progress | None
) -> Extraction | None:
    books = Codebooks() if plan.kept is None else plan.kept.books
    resumable = source_state is not None and plan.since is None
    chunks = Chunks(places.scratch, {"reading": reading, "source": source_state, "cut": plan.cut}, books, last_ts=last_ts, resume=resumable)
    for batch in prefetched(reader.batches("events", since=plan.since, skip=chunks.rows, progress=progress)):
        chunks.add(stage_batch(batch, books, chunks.last_ts))
    chunks.flush()
    read = chunks.counted()
    if plan.cut is not None and (read["day"].drop_nulls() < plan.cut).any():
        return None
    days = _keep(plan, places.staged)
    columns = tuple(reader.layout["events"])
    days |= _assemble(chunks, plan, read, places.staged, columns)
    form = one_form(chunks.forms | ({plan.kept.form} if plan.kept else set()))
    staged = StagedEvents(places.staged, reading, form, columns, days, books)
    staged.write()
    since = None if plan.cut is None else label_of(plan.cut)
    rows_read = chunks.rows
    chunks.remove()
    return Extraction(staged, rows_read, since, plan.why)


def _keep(plan: _Plan, folder: Path) -> dict[str, Day]:
    """Days before the cut, their files linked into the new folder."""
    for part in ("rows", "rejected"):
        (folder / part).mkdir(parents=True, exist_ok=True)
        for label in plan.labels:
            assert plan.kept is not None
            link(plan.kept.folder / part / f"{label}.parquet", folder / part / f"{label}.parquet")
    return {label: plan.kept.days[label] for label in plan.labels if plan.kept is not None}


def link(old: Path, new: Path) -> None:
    """Make `new` the same file as `old`, or a copy where the file system has no links; nothing where there is no `old`."""
    if not old.exists():
        return
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


def _assemble(chunks: Chunks, plan: _Plan, read: pl.DataFrame, folder: Path, columns: Sequence[str]) -> dict[str, Day]:
    """Chunks → days: rows in time order, each once; what was set aside beside them."""
    repeats = _duplicates(chunks, plan)
    accepted = _link_whole_days(chunks, repeats, folder)
    repeated = []
    for block in chunks.blocks(without=accepted.keys()):
        rows = in_time_order(block)
        again = pl.Series(repeats.mark(rows))
        repeated.append(_as_rejected(rows.filter(again), chunks.books, columns))
        parts = by_day(rows.filter(~again))
        write_parts({folder / "rows" / f"{label_of(day)}.parquet": of_day for day, of_day in parts.items()})
        accepted |= {day: (of_day.height, int(of_day["ts"][-1])) for day, of_day in parts.items()}
    doubled = pl.concat([*repeated, pl.DataFrame(schema={"day": pl.Int32, **REJECTED_SCHEMA})])
    days = {}
    for (day,), counts in read.group_by(["day"], maintain_order=True):
        label = UNDATED if day is None else label_of(int(str(day)))
        rejected = pl.concat([chunks.rejected(day), doubled.filter(pl.col("day").eq_missing(day)).drop("day")])
        if rejected.height:
            rejected.sort("table", "reason", "key", "row").write_parquet(folder / "rejected" / f"{label}.parquet")
        height, last = accepted.get(day, (0, None))
        days[label] = Day(height, dict(zip(counts["name"].to_list(), counts["n"].to_list(), strict=True)), last, rejected.height)
    return days


def _link_whole_days(chunks: Chunks, repeats: Duplicates, folder: Path) -> dict[int, tuple[int, int]]:
    """Days that are staged as they lie in their chunk, for nothing of them comes twice; says how many rows each has, and its last time."""
    linked = {}
    for day, whole in chunks.whole_days().items():
        if not repeats.candidates(whole.keys).any():
            link(whole.path, folder / "rows" / f"{label_of(day)}.parquet")
            linked[day] = (len(whole.keys), whole.last_ts())
    return linked


def _duplicates(chunks: Chunks, plan: _Plan) -> Duplicates:
    earlier = plan.kept.keys(plan.labels) if plan.kept else np.empty(0, dtype=np.uint64)
    repeats = Duplicates(chunks.keys(), earlier)
    for label in plan.labels if len(repeats.keys) else ():
        assert plan.kept is not None
        rows = plan.kept.rows(label)
        repeats.mark(rows.filter(pl.Series(repeats.candidates(rows["key"].to_numpy()))))
    return repeats


def _as_rejected(rows: pl.DataFrame, books: Codebooks, columns: Sequence[str]) -> pl.DataFrame:
    """`day` and the columns of `REJECTED_SCHEMA`."""
    marked = pl.DataFrame({ROW: range(rows.height), "reason": ["duplicate key"] * rows.height}, schema={ROW: pl.Int64, "reason": pl.String})
    return rejected_rows("events", EVENTS.key, named_rows(rows, books, columns), marked).insert_column(0, rows["day"])
