"""What does the work of a batch: this process, a few processes of this machine, or a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from etl.errors import UserError
from kg_recall.batch import refusing_full_disk
from kg_recall.batch_job import BatchJob
from kg_recall.progress import Advance, Progress
from kg_recall.shared_object import read_shared, write_shared

if TYPE_CHECKING:
    from kg_recall.batch import Recommends

ENGINES: Final = ("local", "ray")
SHARDS_A_WORKER: Final = 4
"""A further process is worth its start where it has so many shards to write."""
SPAWN: Final = multiprocessing.get_context("spawn")
"""Not forked: threads of BLAS, Polars and torch do not survive a fork."""
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
"""What says to the libraries of a process how many threads they may start."""


def write_batch(job: BatchJob, *, engine: str = "local", workers: int | None = None, progress: Progress) -> int:
    """Write the lists of a job and return the number of rows. A job that was cut off goes on with the shards that are missing.

    Args:
        job: what to write, and where.
        engine: `local` or `ray`.
        workers: processes (`local`) or actors (`ray`); None: as many as cores (nodes) and shards are worth.
        progress: told of shards.

    Raises:
        UserError: the file cannot be written, the disk is full, or Ray is not there.
    """
    with refusing_full_disk(job.out):
        missing = job.missing()
        with progress.task("batch", total=job.n_shards) as advance:
            advance(job.n_shards - len(missing))
            if engine == "ray":
                _on_ray(job, missing, workers, advance)
            else:
                _on_this_machine(job, missing, workers, advance)
        return job.join()


def _on_this_machine(job: BatchJob, missing: list[int], workers: int | None, advance: Advance) -> None:
    if not missing:
        return
    cores = len(os.sched_getaffinity(0))
    worth = max(1, min(cores, len(missing) // SHARDS_A_WORKER)) if workers is None else workers
    if worth == 1:
        recommender = job.open()
        for shard in missing:
            job.write_shard(recommender, shard)
            advance(1)
        return
    with (
        _opened_once(job, cores) as shared,
        _threads(max(1, cores // worth)),
        ProcessPoolExecutor(worth, SPAWN, _Worker.open, (job, shared)) as pool,
    ):
        for done in as_completed([pool.submit(_Worker.write, shard) for shard in missing]):
            done.result()
            advance(1)


@contextmanager
def _opened_once(job: BatchJob, cores: int) -> Iterator[Path]:
    """A folder that holds the opened recommender for as long as the block runs: memory holds it once, whatever the number of workers."""
    shared = job.folder / "opened"
    shutil.rmtree(shared, ignore_errors=True)  # of a job that was killed
    shared.mkdir()
    try:
        # In a process of its own, whose memory goes back with it.
        with _threads(cores), ProcessPoolExecutor(1, SPAWN) as pool:
            pool.submit(_open_into, job, shared).result()
        yield shared
    finally:
        shutil.rmtree(shared)


def _open_into(job: BatchJob, folder: Path) -> None:
    recommender = job.open()
    # What is found at the first request is found before it is shared.
    recommender.recommend(job.users[:1], job.k, job.scenario, job.repeats)
    write_shared(recommender, folder)


class _Worker:
    """A process of the pool, which maps the recommender that was opened once."""

    job: BatchJob
    recommender: Recommends

    @classmethod
    def open(cls, job: BatchJob, shared: Path) -> None:
        cls.job, cls.recommender = job, read_shared(shared)

    @classmethod
    def write(cls, shard: int) -> int:
        return cls.job.write_shard(cls.recommender, shard)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Processes started inside the block take `n` threads each, so that together they fill the machine and no more."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: str(n) for name in THREADS})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _on_ray(job: BatchJob, missing: list[int], workers: int | None, advance: Advance) -> None:
    """One actor a node holds models and indexes; Ray Data hands it shards, and hands those of a lost node to another.

    Every node must reach the workspace and the folder of the file under the same paths.
    """
    ray = _ray()
    if not missing:
        return
    with _cluster(ray):
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
        # Actors that hold every CPU would starve the tasks that hand them their shards.
        cpus = min(node["Resources"]["CPU"] for node in nodes) / 2
        rows = ray.data.from_items([{"shard": shard} for shard in missing], override_num_blocks=len(missing))
        written = rows.map_batches(
            _RayWorker,
            fn_constructor_args=(job,),
            batch_size=1,
            num_cpus=cpus,
            concurrency=workers or len(nodes),
            scheduling_strategy="SPREAD",
        )
        for _ in written.iter_batches(batch_size=1):
            advance(1)


class _RayWorker:
    """An actor that has opened the recommender once."""

    def __init__(self, job: BatchJob) -> None:
        self.job, self.recommender = job, job.open()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[int]]:
        return {"rows": [self.job.write_shard(self.recommender, int(shard)) for shard in batch["shard"]]}


def _ray() -> Any:
    # A batch tells nobody outside that it runs.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError("--engine ray needs Ray, which is not installed: pip install 'kg-recall[ray]'") from None
    return ray


@contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """The cluster that RAY_ADDRESS names or this process has joined; else one of this machine alone, for as long as the block runs."""
    joined = ray.is_initialized()
    if not joined:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        if not joined:
            ray.shutdown()
