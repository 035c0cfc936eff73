"""The parameter server on a real Ray: equal to the model alone, also when shards are killed while they learn."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranking.auc import log_loss
from ranking.ftrl import Ftrl, FtrlSettings
from ranking.hashing import HashedTerms
from ranking.parameter_log import records
from ranking.parameter_server import ParameterServer, ServerSettings

ray = pytest.importorskip("ray")
TERMS = HashedTerms(("user", "song", "style"), (("user", "style"), ("user", "song")), bits=18)
HOW = FtrlSettings(l1=0.1)
N = 120_000


@pytest.fixture(scope="module", autouse=True)
def one_node() -> Iterator[None]:
    ray.init(num_cpus=2, object_store_memory=120_000_000, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(-1, size, N) for size in (500, 4_000, 4)], axis=1)
    likes = codes[:, 0] % 4 == codes[:, 2]
    return codes, (rng.random(N) < np.where(likes, 0.8, 0.2)).astype(np.float32)


@pytest.fixture(scope="module")
def alone(data: tuple[np.ndarray, np.ndarray]) -> tuple[Ftrl, np.ndarray]:
    model = Ftrl(TERMS, HOW)
    return model, model.learn(*data)


def killed(pid: int, actor: Any, how: str) -> None:
    os.kill(pid, signal.SIGKILL) if how == "SIGKILL" else ray.kill(actor, no_restart=False)


@pytest.mark.parametrize("how", ["SIGKILL", "ray.kill"])
def test_one_worker_equals_the_model_alone_to_the_bit_also_when_a_shard_is_killed(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], alone: tuple[Ftrl, np.ndarray], how: str
) -> None:
    log_bytes = 3_000_000  # some checkpoints on the way
    with ParameterServer(tmp_path, TERMS, HOW, ServerSettings(n_workers=1, batch=1_000, checkpoint_bytes=log_bytes)) as server:
        pids = ray.get([shard.process.remote() for shard in server.shards])
        done = threading.Event()
        kills: list[int] = []

        def kill_now_and_then() -> None:
            current = list(pids)
            for round_ in range(3):
                begun = acknowledged(server.folder)
                while acknowledged(server.folder) < begun + 3 and not done.is_set():
                    time.sleep(0.02)
                if done.is_set():
                    return
                victim = round_ % 2
                killed(current[victim], server.shards[victim], how)
                kills.append(victim)
                current[victim] = ray.get(server.shards[victim].process.remote())

        thread = threading.Thread(target=kill_now_and_then)
        thread.start()
        learned = server.learn(*data)
        done.set()
        thread.join()
        assert len(kills) >= 2
        assert ray.get(server.shards[kills[0]].process.remote()) != pids[kills[0]]
        assert (learned.logits == alone[1]).all()
        assert (server.model().table == alone[0].table).all()


def acknowledged(folder: Path) -> int:
    """Updates in the first shard: a count that grows with each checkpoint's number and each record."""
    numbers = [int(path.name.split("-")[1]) for path in (folder / "shard-000").glob("log-*")]
    newest = max(numbers, default=0)
    return newest * 1_000 + sum(1 for _ in records(folder / "shard-000" / f"log-{newest:08d}"))


def kill_after(folder: Path, n: int, pid: int) -> None:
    """SIGKILL a process once the first shard has so many updates."""
    while acknowledged(folder) < n:
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)


def test_two_workers_learn_as_well_and_lose_nothing_when_a_shard_is_killed(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], alone: tuple[Ftrl, np.ndarray]
) -> None:
    """All batches of both workers are in both shards' logs, each once; and the model is what replaying the logs gives."""
    layout = ServerSettings(n_workers=2, batch=1_000, staleness=1)
    server = ParameterServer(tmp_path, TERMS, HOW, layout)
    with server:
        victim = ray.get(server.shards[1].process.remote())
        thread = threading.Thread(target=kill_after, args=(server.folder, 10, victim))
        thread.start()
        learned = server.learn(*data)
        thread.join()
        assert ray.get(server.shards[1].process.remote()) != victim
        for shard in range(2):
            pushed = [record[:2] for record in records(tmp_path / f"shard-{shard:03d}" / "log-00000000")]
            assert sorted(pushed) == [(worker, clock) for worker in range(2) for clock in range(N // 2_000)]
        squares = sum(
            float((record.update.after[:, 1] - record.update.before[:, 1].astype(np.float64)).sum())
            for shard in range(2)
            for record in records(tmp_path / f"shard-{shard:03d}" / "log-00000000")
        )
        table = server.model().table
    assert table[:, 1].sum(dtype=np.float64) == pytest.approx(squares, rel=1e-4)
    assert learned.widest <= layout.staleness
    late = slice(N // 2, None)
    assert log_loss(data[1][late], learned.logits[late]) < log_loss(data[1][late], alone[1][late]) + 0.005
    with ParameterServer(tmp_path, TERMS, HOW, layout) as reopened:
        assert (reopened.model().table == table).all()
        before = reopened.model().n_touched
        reopened.learn(data[0][:5_000] + 10_000, data[1][:5_000])
        assert reopened.model().n_touched > before


def test_a_learner_that_stops_in_the_middle_goes_on_where_it_was(
    tmp_path: Path, data: tuple[np.ndarray, np.ndarray], alone: tuple[Ftrl, np.ndarray]
) -> None:
    """New events come in several calls, over two servers in turn on one folder, one of which ends without a checkpoint."""
    codes, labels = data
    half = N // 2
    layout = ServerSettings(n_workers=1, batch=4_000)
    server = ParameterServer(tmp_path, TERMS, HOW, layout).__enter__()
    first = server.learn(codes[:half], labels[:half]).logits
    server.__exit__(KeyboardInterrupt, None, None)
    assert not list((tmp_path / "shard-000").glob("checkpoint-*"))
    with ParameterServer(tmp_path, TERMS, HOW, layout) as server:
        second = server.learn(codes[half:], labels[half:]).logits
        assert (server.model().table == alone[0].table).all()
    assert (np.concatenate((first, second)) == alone[1]).all()
