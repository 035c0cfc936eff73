"""The table `events` as read: staged rows by UTC day, kept between extractions so that the next one reads only what is new.

```
staged/  state.json  users.parquet  items.parquet  scenes.parquet
         rows/2025-03-01.parquet …      accepted rows in time order, with the columns of STAGED_SCHEMA
         rejected/2025-03-01.parquet …  rows set aside; undated.parquet: those without a time
```
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.cleaning import Ledger, counted_reasons
from etl.events import SECONDS_PER_DAY
from etl.lake import REJECTED_SCHEMA
from etl.staged_rows import STAGED_SCHEMA, Codebooks

UNDATED: Final = "undated"


@dataclass(frozen=True)
class Day:
    """Counts of one day of staged rows."""

    rows: int
    """Accepted."""
    read: dict[str, int]
    """Rows read (`events`) and values given (`events.COLUMN`)."""
    last_ts: int | None
    """Time of the last accepted row."""
    rejected: int
    """Rows and values set aside."""


@dataclass(frozen=True)
class StagedEvents:
    """What is staged in a folder."""

    folder: Path
    reading: str
    """What the rows were read with: statement and versions. Rows read otherwise are no part of the same table."""
    form: str
    """How the source writes times."""
    columns: tuple[str, ...]
    """Columns of the contract that the source has."""
    days: dict[str, Day]
    """By label: the date, or `undated`; dates in order."""
    books: Codebooks

    @classmethod
    def open(cls, folder: Path, reading: str) -> StagedEvents | None:
        """What an earlier extraction staged in `folder`; None where there is none, a part is gone or damaged, or it was read otherwise."""
        try:
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if state["reading"] != reading:
                return None
            days = {label: Day(**day) for label, day in state["days"].items()}
            staged = cls(folder, reading, state["form"], tuple(state["columns"]), days, Codebooks.read(folder))
            return staged if staged._checksums() == state["files"] else None
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError):  # removed or damaged: everything is read
            return None

    def _checksums(self) -> dict[str, int]:
        """CRC-32 of every file but the state, by its path in the folder: a person may have removed or changed one, a disk lost a part."""
        files = [self.folder / f"{name}.parquet" for name in vars(self.books)]
        files += [path for part in ("rows", "rejected") for path in (self.folder / part).glob("*.parquet")]
        return {path.relative_to(self.folder).as_posix(): zlib.crc32(path.read_bytes()) for path in sorted(files)}

    def write(self) -> None:
        """Write state and names; rows and rejected rows are there already."""
        self.books.write(self.folder)
        days = {label: asdict(day) for label, day in self.days.items()}
        state = {"reading": self.reading, "form": self.form, "columns": self.columns, "days": days, "files": self._checksums()}
        (self.folder / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")

    def rows(self, label: str, columns: list[str] | None = None) -> pl.DataFrame:
        """Accepted rows of a day in time order."""
        path = self.folder / "rows" / f"{label}.parquet"
        return pl.read_parquet(path, columns=columns) if path.exists() else pl.DataFrame(schema=STAGED_SCHEMA).select(columns or pl.all())

    def rejected(self, label: str) -> pl.DataFrame:
        """Rows of a day that were set aside, sorted by reason and key."""
        path = self.folder / "rejected" / f"{label}.parquet"
        return pl.read_parquet(path) if path.exists() else pl.DataFrame(schema=REJECTED_SCHEMA)

    def keys(self, labels: list[str]) -> npt.NDArray[np.uint64]:
        """Hashes of what no two events share, of the given days."""
        return np.concatenate([np.empty(0, dtype=np.uint64), *(self.rows(label, ["key"])["key"].to_numpy() for label in labels)])

    def last_day(self) -> int | None:
        """The last day with an accepted row, counted from 1970."""
        dated = [day.last_ts for day in self.days.values() if day.last_ts is not None]
        return max(dated) // SECONDS_PER_DAY if dated else None

    def account(self, ledger: Ledger) -> None:
        """Tell `ledger` what was read and set aside, in all days."""
        ledger.read["events"] = sum(day.read.get("events", 0) for day in self.days.values())
        for label in self.days:
            for name, reason, count, example in counted_reasons(self.rejected(label)).iter_rows():
                ledger.count(name, reason, count, example)
        for name in [name for name in ledger.counts if name.startswith("events.")]:
            ledger.read[name] = sum(day.read.get(name, 0) for day in self.days.values())
