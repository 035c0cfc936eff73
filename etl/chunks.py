"""Staged batches on disk in the order of the source, until the whole table has been read: what a killed extraction goes on from."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.day_order import by_day, in_time_order
from etl.lake import REJECTED_SCHEMA, day_runs, label_of, write_parts
from etl.staged_rows import READ_SCHEMA, STAGED_SCHEMA, Codebooks, StagedBatch

CHUNK_ROWS: Final = 1_000_000
BLOCK_ROWS: Final = 500_000
OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="lz4")
LIST: Final = "chunks.jsonl"
Line = dict[str, Any]


@dataclass(frozen=True)
class WholeDay:
    """All staged rows of a day, in time order."""

    path: Path
    """A file as `StagedEvents` has it."""
    keys: npt.NDArray[np.uint64]
    """Their hashes `[n]`."""

    def last_ts(self) -> int:
        """Time of the last row."""
        return int(pl.read_parquet(self.path, columns=["ts"])["ts"][-1])


class Chunks:
    """A folder of chunks. `N.arrow` holds a record batch for each day, or `N.2025-03-01.parquet` … hold its days where the source has
    them in order; `N.npy` their keys; `N.rejected`, `N.read` and the names it added go with it.

    A chunk counts once its line is in `chunks.jsonl`, whose first line says what is being read.
    """

    def __init__(self, folder: Path, reading: Line, books: Codebooks, *, last_ts: int, resume: bool) -> None:
        """Take up the chunks that an earlier extraction left if it was `reading` the same; others are removed.

        Args:
            folder: where the chunks lie.
            reading: what identifies the rows that are read.
            books: codes known before the first chunk; grow with what chunks add.
            last_ts: Unix seconds after which a time is in the future; of the earlier extraction, where its chunks are taken up.
            resume: whether they may be.
        """
        self.folder, self.books, self.last_ts = folder, books, last_ts
        self.lines: list[Line] = []
        self._buffer: list[StagedBatch] = []
        self._buffered = 0
        found = _lines(folder / LIST)
        if resume and found and found[0] == reading | {"last_ts": found[0].get("last_ts")}:
            self.last_ts = found[0]["last_ts"]
            self._take_up(found[1:])
        else:
            self._begin(reading | {"last_ts": last_ts})
        self._noted = {name: len(book) for name, book in vars(books).items()}

    @property
    def rows(self) -> int:
        """Source rows in complete chunks."""
        return sum(line["rows"] for line in self.lines)

    @property
    def forms(self) -> set[str]:
        """Forms of the times of all chunks."""
        return {form for line in self.lines for form in line["forms"]}

    def add(self, batch: StagedBatch) -> None:
        """Keep a batch; enough of them make a chunk."""
        self._buffer.append(batch)
        self._buffered += batch.n_read
        if self._buffered >= CHUNK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Make a chunk of what is buffered."""
        if not self._buffer:
            return
        name = f"{len(self.lines):06d}"
        rows = pl.concat([batch.rows for batch in self._buffer])
        ordered = rows["day"].is_sorted()
        rows = in_time_order(rows) if ordered else rows.sort("day", maintain_order=True)
        days = self._write_days(name, rows) if ordered else self._write_batches(name, rows)
        np.save(self._file(name, "npy"), rows["key"].to_numpy())
        for part in ("rejected", "read"):
            pl.concat([getattr(batch, part) for batch in self._buffer]).sort("day").write_parquet(self._file(name, part))
        for part, book in vars(self.books).items():
            book.names.slice(self._noted[part]).to_frame("name").write_parquet(self._file(name, part))
            self._noted[part] = len(book)
        forms = sorted({batch.form for batch in self._buffer if batch.form})
        rejected = sum(batch.rejected.height for batch in self._buffer)
        self._note({"chunk": name, "rows": self._buffered, "rejected": rejected, "days": days, "ordered": ordered, "forms": forms})
        self._buffer, self._buffered = [], 0

    def keys(self) -> npt.NDArray[np.uint64]:
        """Hashes `[n]` of what no two events share, of all staged rows."""
        return np.concatenate([np.empty(0, dtype=np.uint64), *(np.load(self._file(name, "npy")) for name in self._names())])

    def whole_days(self) -> dict[int, WholeDay]:
        """Days that one chunk holds in a file of their own."""
        places = self._places()
        keys = {line["chunk"]: np.load(self._file(line["chunk"], "npy"), mmap_mode="r") for line in self.lines if line["ordered"]}
        found = {}
        for line in self.lines if keys else ():
            start = 0
            for day, size in line["days"]:
                if line["ordered"] and len(places[day]) == 1:
                    found[day] = WholeDay(self._day_file(line["chunk"], day), keys[line["chunk"]][start : start + size])
                start += size
        return found

    def blocks(self, without: Collection[int]) -> Iterator[pl.DataFrame]:
        """Staged rows of all days but some, several days at a time: days in order, rows of a day as chunk after chunk has them."""
        places = {day: found for day, found in self._places().items() if day not in without}
        with ExitStack() as stack:
            batches = [line["chunk"] for line in self.lines if not line["ordered"]]
            open_files = {name: stack.enter_context(pa.OSFile(str(self._file(name, "arrow")))) for name in batches}
            readers = {name: pa.ipc.open_file(file) for name, file in open_files.items()}

            def part(day: int, chunk: str, place: int) -> pl.DataFrame:
                if chunk in readers:
                    return pl.DataFrame(pl.from_arrow(readers[chunk].get_batch(place)))
                return pl.read_parquet(self._day_file(chunk, day))

            for days in blocks_of({day: sum(size for *_, size in found) for day, found in places.items()}):
                parts = [part(day, chunk, place) for day in days for chunk, place, _ in places[day]]
                yield pl.concat(parts).cast(STAGED_SCHEMA)  # type: ignore[arg-type]

    def counted(self) -> pl.DataFrame:
        """`day, name, n` of all batches: see `StagedBatch.read`."""
        parts = [pl.read_parquet(self._file(name, "read")) for name in self._names()]
        whole = pl.concat([pl.DataFrame(schema=READ_SCHEMA), *parts])
        return whole.group_by("day", "name").agg(pl.col("n").sum()).sort("day", "name", nulls_last=True)

    def rejected(self, day: int | None) -> pl.DataFrame:
        """Rows of a day (None: without a time) that were set aside, with the columns of `REJECTED_SCHEMA`."""
        wanted = pl.col("day").is_null() if day is None else pl.col("day") == day
        parts = [pl.scan_parquet(self._file(line["chunk"], "rejected")).filter(wanted) for line in self.lines if line["rejected"]]
        return pl.concat(parts).drop("day").collect() if parts else pl.DataFrame(schema=REJECTED_SCHEMA)

    def remove(self) -> None:
        """Delete every chunk."""
        for file in self.folder.glob("*"):
            file.unlink()
        self.folder.rmdir()

    def _names(self) -> list[str]:
        return [line["chunk"] for line in self.lines]

    def _file(self, chunk: str, part: str) -> Path:
        return self.folder / f"{chunk}.{part}"

    def _take_up(self, lines: list[Line]) -> None:
        for line in lines:
            self.lines.append(line)
            for part, book in vars(self.books).items():
                book.encode(pl.read_parquet(self._file(line["chunk"], part))["name"])

    def _begin(self, reading: Line) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.glob("*"):
            file.unlink()
        self._append(reading)

    def _note(self, line: Line) -> None:
        self._append(line)
        self.lines.append(line)

    def _append(self, line: Line) -> None:
        with (self.folder / LIST).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _day_file(self, chunk: str, day: int) -> Path:
        return self._file(chunk, f"{label_of(day)}.parquet")

    def _places(self) -> dict[int, list[tuple[str, int, int]]]:
        """Where the rows of a day are: chunks, which of the chunk's days it is, and how many rows."""
        places: dict[int, list[tuple[str, int, int]]] = {}
        for line in self.lines:
            for place, (day, size) in enumerate(line["days"]):
                places.setdefault(day, []).append((line["chunk"], place, size))
        return places

    def _write_days(self, chunk: str, rows: pl.DataFrame) -> list[tuple[int, int]]:
        """Write a file a day; says which days, and how many rows each has."""
        days = by_day(rows)
        write_parts({self._day_file(chunk, day): of_day for day, of_day in days.items()})
        return [(day, of_day.height) for day, of_day in days.items()]

    def _write_batches(self, chunk: str, rows: pl.DataFrame) -> list[tuple[int, int]]:
        """Write a record batch a day; says which days, and how many rows each has."""
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        runs = day_runs(rows["day"].to_numpy())
        with pa.OSFile(str(self._file(chunk, "arrow")), "wb") as file, pa.ipc.new_file(file, table.schema, options=OPTIONS) as writer:
            for _, start, end in runs:
                writer.write_batch(table.slice(start, end - start).combine_chunks().to_batches()[0])
        return [(day, end - start) for day, start, end in runs]


def blocks_of(sizes: Mapping[int, int]) -> Iterator[list[int]]:
    """Days in order, as many together as have about `BLOCK_ROWS` rows: a day alone is often too little to be worth a column operation."""
    block: list[int] = []
    rows = 0
    for day in sorted(sizes):
        if block and rows + sizes[day] > BLOCK_ROWS:
            yield block
            block, rows = [], 0
        block.append(day)
        rows += sizes[day]
    if block:
        yield block


def _lines(path: Path) -> list[Line]:
    """Complete lines of a list of chunks."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in whole]
