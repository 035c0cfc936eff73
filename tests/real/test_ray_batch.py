"""A batch on a Ray cluster of two nodes: row for row what one machine writes, also when a node is lost on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_workspace import SlowStandIn

from kg_recall.batch_engines import write_batch
from kg_recall.batch_job import BatchJob
from kg_recall.progress import Progress

ray = pytest.importorskip("ray")
QUIET = Progress(quiet=True)


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # Workers of the nodes import the stand-in from here.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    store = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=store | {"include_dashboard": False})
    cluster.add_node(**store)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


def alone_within(seconds: float) -> bool:
    """Whether the cluster has noticed by then that one node is left: on a busy machine a lost one counts as alive for a while."""
    end = time.monotonic() + seconds
    while (alive := sum(node["Alive"] for node in ray.nodes())) > 1 and time.monotonic() < end:
        time.sleep(0.2)
    return alive == 1


def job(out: Path, n_shards: int) -> BatchJob:
    return BatchJob(SlowStandIn, np.tile(np.arange(3, dtype=np.int32), n_shards), out, k=3, users_per_shard=3)


def test_two_nodes_write_what_one_machine_writes_also_when_one_is_lost(two_nodes: Any, tmp_path: Path) -> None:
    write_batch(job(tmp_path / "local.parquet", 12), progress=QUIET, workers=1)
    assert write_batch(job(tmp_path / "ray.parquet", 12), engine="ray", progress=QUIET) == 12 * 9
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()

    lost = job(tmp_path / "lost.parquet", 12)
    killed_at: list[int] = []

    def lose_a_node() -> None:
        while not (done := list(lost.folder.glob("0*.parquet"))):
            time.sleep(0.05)
        killed_at.append(len(done))
        two_nodes.remove_node(two_nodes.list_all_nodes()[-1], allow_graceful=False)

    thread = threading.Thread(target=lose_a_node)
    thread.start()
    assert write_batch(lost, engine="ray", progress=QUIET) == 12 * 9
    thread.join()
    assert killed_at[0] < 12
    assert alone_within(60.0)
    assert (tmp_path / "lost.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
