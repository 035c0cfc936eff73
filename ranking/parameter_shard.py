"""One shard of the parameter server: the rows of a range of slots, in memory, with a checkpoint and a write-ahead log on disk.

A worker pulls rows, runs FTRL-Proximal on its copy, and pushes the copy before and after with the gradients' sums G. Where nobody else
has touched a row meanwhile, the row becomes the worker's. Otherwise the batch is applied as one step from where the row now is,

    n' = n + Δn;   z' = z + G − (√n' − √n) / α · w̄,

with w̄ = Σ σ w / Σ σ, the weight around which the worker's own steps were centred: the σ of all workers then still add up to √n / α,
which is what the algorithm rests on. Every update has a worker and a clock; one that has been applied is acknowledged again, not applied.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from etl.to_disk import to_disk
from ranking.ftrl_state import TouchedSlots
from ranking.parameter_log import Record, Update, UpdateLog, records

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]


class Shard:
    """`n_rows` pairs (z, n) that outlive the process: opening the folder again gives everything that was acknowledged."""

    def __init__(self, folder: Path, n_rows: int, *, checkpoint_bytes: int = 1 << 28, sync: bool = False) -> None:
        """Open what `folder` holds: the latest checkpoint, and the log since.

        Args:
            folder: the shard's own.
            n_rows: size of its range of slots.
            checkpoint_bytes: a log longer than this is replaced by a checkpoint.
            sync: force every update to disk before it is acknowledged: it then outlives the machine's fall, not only the process's.
        """
        self._folder, self._checkpoint_bytes, self._sync = folder, checkpoint_bytes, sync
        folder.mkdir(parents=True, exist_ok=True)
        self._number = max((int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*")), default=0)
        self.clocks: dict[int, int] = {}
        self.table: Floats = np.zeros((n_rows, 2), dtype=np.float32)
        self._read_checkpoint(n_rows)
        for record in records(self._log_file):
            self._apply(record)
        self._log = UpdateLog(self._log_file, sync=sync)
        self._tidy()

    def pull(self, rows: Rows) -> Floats:
        """`[n, 2]` z and n of the rows."""
        return self.table[rows]

    def push(self, worker: int, clock: int, update: Update) -> int:
        """Take a worker's update for good; the worker's latest clock here, which acknowledges it and all before."""
        if clock > self.clocks.get(worker, -1):
            record = Record(worker, clock, update)
            self._log.append(record)
            self._apply(record)
            if self._log.n_bytes > self._checkpoint_bytes:
                self.checkpoint()
        return self.clocks[worker]

    def checkpoint(self) -> None:
        """Write the state whole, then begin a new log; at any moment the folder holds one checkpoint with its log that are complete."""
        draft, number = self._folder / "draft", self._number + 1
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        TouchedSlots.of(self.table).save(draft)
        (draft / "clocks.json").write_text(json.dumps(sorted(self.clocks.items())), encoding="utf-8")
        for file in draft.iterdir():
            to_disk(file)
        os.replace(draft, self._folder / f"checkpoint-{number:08d}")
        to_disk(self._folder)
        self._log.close()
        self._number = number
        self._log = UpdateLog(self._log_file, sync=self._sync)
        self._tidy()

    def applied(self) -> dict[int, int]:
        """The latest clock of each worker whose update is applied."""
        return self.clocks

    def process(self) -> int:
        """Id of the process that the shard lives in."""
        return os.getpid()

    def touched(self) -> TouchedSlots:
        """The rows that have learned anything."""
        return TouchedSlots.of(self.table)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    @property
    def _log_file(self) -> Path:
        return self._folder / f"log-{self._number:08d}"

    def _read_checkpoint(self, n_rows: int) -> None:
        latest = self._folder / f"checkpoint-{self._number:08d}"
        if latest.exists():
            self.table = TouchedSlots.load(latest).table(n_rows)
            self.clocks = dict(json.loads((latest / "clocks.json").read_text(encoding="utf-8")))

    def _apply(self, record: Record) -> None:
        _rebase(self.table, *record.update)
        self.clocks[record.worker] = record.clock

    def _tidy(self) -> None:
        """Remove what the latest checkpoint has replaced."""
        for path in (*self._folder.glob("checkpoint-*"), *self._folder.glob("log-*")):
            if int(path.name.split("-")[1]) < self._number:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _rebase(table: Any, rows: Any, before: Any, after: Any, gradient: Any) -> None:
    for place in range(len(rows)):
        row = rows[place]
        if table[row, 0] == before[place, 0] and table[row, 1] == before[place, 1]:
            table[row, 0], table[row, 1] = after[place, 0], after[place, 1]
            continue
        z, n = np.float64(table[row, 0]), np.float64(table[row, 1])
        own_n = np.float64(before[place, 1])
        added = after[place, 1] - own_n
        drawn = gradient[place] - (np.float64(after[place, 0]) - before[place, 0])
        own = math.sqrt(own_n + added) - math.sqrt(own_n)
        here = math.sqrt(n + added) - math.sqrt(n)
        table[row, 0] = z + gradient[place] - (drawn * here / own if own > 0 else 0.0)
        table[row, 1] = n + added
