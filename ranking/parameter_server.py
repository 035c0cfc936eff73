"""A parameter server for FTRL-Proximal on Ray actors (Li et al., OSDI 2014): slots sharded by hash, workers that pull and push batches.

Shards are actors that Ray restarts when they die; a restarted one reads its checkpoint and log, and the calls that it had not answered
come again. An update that had been applied is known by its worker and clock and only acknowledged. One worker learns bit for bit what
`Ftrl` learns; several learn beside each other, at most `staleness` batches apart.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.errors import UserError
from ranking.ftrl import Ftrl, FtrlSettings, checked_labels
from ranking.hashing import HashedTerms
from ranking.parameter_clock import StalenessClock
from ranking.parameter_log import Update
from ranking.parameter_shard import Shard
from ranking.parameter_worker import Batch, Floats, Rows, learn_batch


@dataclass(frozen=True)
class ServerSettings:
    """How the server is laid out.

    Raises:
        UserError: a number is out of bounds.
    """

    n_shards: int = 2
    """Cannot change while the folder lives."""
    n_workers: int = 2
    batch: int = 16_384
    """Examples that a worker learns between a pull and a push."""
    staleness: int = 1
    """How many batches a worker may be ahead of the slowest."""
    checkpoint_bytes: int = 1 << 28
    """A shard whose log is longer writes a checkpoint."""
    sync: bool = False
    """Whether an update is forced to disk before it is acknowledged: it then outlives the machine, not only the process."""

    def __post_init__(self) -> None:
        for name, least in (("n_shards", 1), ("n_workers", 1), ("batch", 1), ("staleness", 0), ("checkpoint_bytes", 0)):
            if getattr(self, name) < least:
                raise UserError(f"parameter server: {name} = {getattr(self, name)}: give at least {least}")


class Learned(NamedTuple):
    """What one call of `learn` did."""

    logits: Floats
    """`[n]` of each example before it was learned."""
    worker_seconds: npt.NDArray[np.float64]
    """`[n_workers]` processor time of each worker's process."""
    widest: int
    """The largest lead of a worker over the slowest."""


class ParameterServer:
    """Shards and workers, for as long as the block runs; the folder keeps what was learned.

    with ParameterServer(folder, terms, FtrlSettings(), ServerSettings()) as server:
        learned = server.learn(codes, labels)
        model = server.model()
    """

    def __init__(
        self, folder: Path, terms: HashedTerms, settings: FtrlSettings | None = None, layout: ServerSettings | None = None
    ) -> None:
        """A server in `folder`, which may hold what an earlier one has learned.

        Raises:
            UserError: the folder's model has other terms, settings or shards.
        """
        self.folder, self.terms = folder.absolute(), terms
        self.settings, self.layout = settings or FtrlSettings(), layout or ServerSettings()
        self.rows_per_shard = -(-(1 << terms.bits) // self.layout.n_shards)
        self._claim()

    def __enter__(self) -> Self:
        """Start the actors, on the cluster that this process has joined or RAY_ADDRESS names, else on this machine alone."""
        self._ray = _ray()
        self._joined = self._ray.is_initialized()
        if not self._joined:
            self._ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        lasting = self._ray.remote(max_restarts=-1, max_task_retries=-1, num_cpus=0)(Shard)
        kept = {"checkpoint_bytes": self.layout.checkpoint_bytes, "sync": self.layout.sync}
        folders = [self.folder / f"shard-{number:03d}" for number in range(self.layout.n_shards)]
        self.shards = [lasting.remote(folder, self.rows_per_shard, **kept) for folder in folders]
        worker = self._ray.remote(num_cpus=1)(_Worker)
        numbers = range(self.layout.n_workers)
        self._workers = [worker.remote(number, self.terms, self.settings, self.shards, self.rows_per_shard) for number in numbers]
        self._next_clock = 1 + max((clock for clocks in self._of_shards("applied") for clock in clocks.values()), default=-1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Write checkpoints, unless something went wrong (the logs hold all), and stop the actors."""
        try:
            if kind is None:
                self.checkpoint()
        finally:
            for actor in (*self._workers, *self.shards):
                self._ray.kill(actor)
            if not self._joined:
                self._ray.shutdown()

    def learn(
        self,
        codes: npt.NDArray[np.integer],
        labels: npt.NDArray[np.generic],
        values: Floats | None = None,
        weights: npt.NDArray[np.generic] | None = None,
    ) -> Learned:
        """Learn from examples `[n]`, columns as in `Ftrl.learn`; batch b is worker b % n_workers'. On return all is acknowledged."""
        examples = Batch(*self.terms.checked(codes, values), *checked_labels(len(codes), labels, weights))
        batch, n_workers = self.layout.batch, self.layout.n_workers
        owner = np.arange(len(codes)) // batch % n_workers
        clock = self._ray.remote(num_cpus=0)(StalenessClock).remote(n_workers, self.layout.staleness)
        parts = [examples.take(owner == worker) for worker in range(n_workers)]
        running = [actor.learn.remote(*part, batch, self._next_clock, clock) for actor, part in zip(self._workers, parts, strict=True)]
        done = self._ray.get(running)
        self._ray.kill(clock)
        self._next_clock += -(-len(codes) // batch)
        logits = np.empty(len(codes), np.float32)
        for worker, (of_worker, _, _) in enumerate(done):
            logits[owner == worker] = of_worker
        return Learned(logits, np.array([seconds for _, seconds, _ in done]), max(widest for _, _, widest in done))

    def model(self) -> Ftrl:
        """What the shards know, as a model of this process."""
        table = np.zeros((self.rows_per_shard * self.layout.n_shards, 2), np.float32)
        for shard, touched in enumerate(self._of_shards("touched")):
            table[touched.slots.astype(np.int64) + shard * self.rows_per_shard] = touched.state
        return Ftrl(self.terms, self.settings, table[: 1 << self.terms.bits])

    def checkpoint(self) -> None:
        """Every shard writes its state whole and begins a new log."""
        self._of_shards("checkpoint")

    def _of_shards(self, method: str) -> list[Any]:
        results: list[Any] = self._ray.get([getattr(shard, method).remote() for shard in self.shards])
        return results

    def _claim(self) -> None:
        """Write down whose folder it is, or see that it is this server's."""
        head = {"terms": asdict(self.terms), "settings": asdict(self.settings), "n_shards": self.layout.n_shards}
        text, file = json.dumps(head, ensure_ascii=False), self.folder / "server.json"
        if file.is_file():
            if file.read_text(encoding="utf-8") != text:
                raise UserError(f"{file}: made with other terms, settings or shards: use those, or another folder")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".draft")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, file)


class _Worker:
    """The process of one worker."""

    def __init__(self, number: int, terms: HashedTerms, settings: FtrlSettings, shards: list[Any], rows_per_shard: int) -> None:
        self._number, self._terms, self._rates = number, terms, settings.rates
        self._shards, self._rows_per_shard = _RemoteShards(number, shards), rows_per_shard

    def learn(
        self, codes: Any, values: Any, labels: Any, weights: Any, batch: int, clock: int, staleness: Any
    ) -> tuple[Floats, float, int]:
        """Learn the worker's examples, `batch` of them a clock; their logits, processor seconds, and the widest lead of any worker."""
        examples, started = Batch(codes, values, labels, weights), time.process_time()
        n_shards, ray = len(self._shards.actors), _ray()
        logits = [np.empty(0, np.float32)]
        for done, start in enumerate(range(0, len(labels), batch)):
            ray.get(staleness.reached.remote(self._number, done))
            part = examples.take(slice(start, start + batch))
            logits.append(learn_batch(self._terms, self._rates, self._shards, n_shards, self._rows_per_shard, clock + done, part))
        widest = ray.get(staleness.leave.remote(self._number))
        return np.concatenate(logits), time.process_time() - started, widest


class _RemoteShards:
    """The shards as a worker sees them; all are asked at once."""

    def __init__(self, worker: int, actors: list[Any]) -> None:
        self.worker, self.actors = worker, actors

    def pull(self, rows: list[Rows]) -> list[Floats]:
        """The pairs (z, n) of the rows of each shard."""
        states: list[Floats] = _ray().get([actor.pull.remote(part) for actor, part in zip(self.actors, rows, strict=True)])
        return states

    def push(self, clock: int, updates: list[Update]) -> None:
        """Hand each shard its update; returns when all have acknowledged."""
        _ray().get([actor.push.remote(self.worker, clock, update) for actor, update in zip(self.actors, updates, strict=True)])


def _ray() -> Any:
    # A server tells nobody outside that it runs.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UserError("the parameter server needs Ray, which is not installed: pip install 'kg-recall[ray]'") from None
    return ray
