"""The parts of the parameter server in one process: log, shard, clock, and a worker against shards."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import UserError
from ranking.auc import log_loss
from ranking.ftrl import Ftrl, FtrlSettings, checked_labels
from ranking.hashing import HashedTerms
from ranking.parameter_clock import StalenessClock
from ranking.parameter_log import Record, Update, UpdateLog, records
from ranking.parameter_server import ParameterServer, ServerSettings
from ranking.parameter_shard import Shard
from ranking.parameter_worker import Batch, Keys, learn_batch

TERMS = HashedTerms(("user", "song", "style"), (("user", "style"),), bits=14)
HOW = FtrlSettings(l1=0.1)


class HereShards:
    """Shards of this process, as one worker sees them."""

    def __init__(self, worker: int, shards: list[Shard]) -> None:
        self.worker, self.shards = worker, shards

    def pull(self, rows: list[npt.NDArray[np.int32]]) -> list[npt.NDArray[np.float32]]:
        return [shard.pull(part) for shard, part in zip(self.shards, rows, strict=True)]

    def push(self, clock: int, updates: list[Update]) -> None:
        for shard, update in zip(self.shards, updates, strict=True):
            assert shard.push(self.worker, clock, update) >= clock


def house(n: int, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(-1, size, n) for size in (50, 400, 4)], axis=1)
    likes = codes[:, 0] % 4 == codes[:, 2]
    label = rng.random(n) < np.where(likes, 0.8, 0.2)
    return Batch(*TERMS.checked(codes, rng.uniform(0.5, 1.5, codes.shape)), *checked_labels(n, label, rng.uniform(0, 2, n)))


def update_of(rng: np.random.Generator, shard: Shard) -> Update:
    """Some worker's change of some rows, pulled lately or not so lately."""
    rows = rng.choice(len(shard.table), rng.integers(0, 6), replace=False).astype(np.int32)
    before = shard.pull(rows) if rng.random() < 0.5 else np.zeros((len(rows), 2), np.float32)
    gradient = rng.normal(size=len(rows)).astype(np.float32)
    return Update(rows, before, before + np.stack((gradient, gradient**2 + 0.01), axis=1), gradient)


def table_of(shards: list[Shard]) -> npt.NDArray[np.float32]:
    return np.concatenate([shard.table for shard in shards])[: 1 << TERMS.bits]


@pytest.mark.parametrize(("n_shards", "size"), [(1, 64), (3, 100), (2, 1), (4, 5_000)])
def test_one_worker_learns_to_the_bit_what_the_model_alone_learns(tmp_path: Path, n_shards: int, size: int) -> None:
    data = house(600)
    rows_per_shard = -(-(1 << TERMS.bits) // n_shards)
    shards = [Shard(tmp_path / str(number), rows_per_shard, checkpoint_bytes=20_000) for number in range(n_shards)]
    alone = Ftrl(TERMS, HOW)
    expected = alone.learn(data.codes, data.labels, data.values, data.weights)
    found = [
        learn_batch(TERMS, HOW.rates, HereShards(0, shards), n_shards, rows_per_shard, clock, data.take(slice(start, start + size)))
        for clock, start in enumerate(range(0, 600, size))
    ]
    assert (np.concatenate(found) == expected).all()
    assert (table_of(shards) == alone.table).all()
    again = [Shard(tmp_path / str(number), rows_per_shard) for number in range(n_shards)]
    assert (table_of(again) == alone.table).all()


def test_wide_examples_too_are_learned_to_the_bit(tmp_path: Path) -> None:
    """Thirty terms: enough for the kernel to run in vector registers, where an order of sums could differ."""
    columns = tuple("abcdefghijklmno")
    terms = HashedTerms(columns, tuple((left, "o") for left in columns[:-1]), bits=16)
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 30, (700, 15)).astype(np.int32), rng.integers(0, 2, 700).astype(np.float32)
    alone, shard = Ftrl(terms, HOW), Shard(tmp_path / "shard", 1 << 16)
    expected = alone.learn(codes, labels)
    batch = Batch(*terms.checked(codes), *checked_labels(700, labels, None))
    parts = [batch.take(slice(start, start + 90)) for start in range(0, 700, 90)]
    found = [learn_batch(terms, HOW.rates, HereShards(0, [shard]), 1, 1 << 16, clock, part) for clock, part in enumerate(parts)]
    assert (np.concatenate(found) == expected).all()
    assert (shard.table == alone.table).all()
    before = alone.logits(codes[:1])
    assert alone.learn(codes[:1], labels[:1]) == before


def test_workers_side_by_side_learn_as_well_and_their_squares_add_up(tmp_path: Path) -> None:
    """Four workers always pull before any of them pushes: the stalest that a staleness of 0 allows."""
    data, size = house(8_000), 200
    shard = Shard(tmp_path / "shard", 1 << TERMS.bits)
    squares, logits = 0.0, []
    for clock, start in enumerate(range(0, 8_000, 4 * size)):
        before, pushed = shard.table.copy(), []

        class Stale(HereShards):
            def pull(self, rows: list[npt.NDArray[np.int32]]) -> list[npt.NDArray[np.float32]]:
                return [before[rows[0]]]  # noqa: B023

            def push(self, clock: int, updates: list[Update]) -> None:
                pushed.append((self.worker, clock, updates[0]))  # noqa: B023

        for worker in range(4):
            part = data.take(slice(start + worker * size, start + (worker + 1) * size))
            logits.append(learn_batch(TERMS, HOW.rates, Stale(worker, []), 1, 1 << TERMS.bits, clock, part))
        for worker, at, update in pushed:
            squares += float((update.after[:, 1] - update.before[:, 1]).sum(dtype=np.float64))
            assert shard.push(worker, at, update) == at
    assert shard.table[:, 1].sum(dtype=np.float64) == pytest.approx(squares, rel=1e-4)
    alone = Ftrl(TERMS, HOW).learn(data.codes, data.labels, data.values, data.weights)
    late = slice(4_000, None)
    together = np.concatenate(logits)
    assert log_loss(data.labels[late], together[late]) < log_loss(data.labels[late], alone[late]) + 0.01


def test_steps_of_others_do_not_widen_a_workers_own(tmp_path: Path) -> None:
    """Σ σ over all updates of a row stays √n / α: two equal batches from nothing count as their squares' sum, not as two first steps."""
    shard = Shard(tmp_path / "shard", 4)
    zero, after = np.zeros((1, 2), np.float32), np.array([[-3.0, 4.0]], np.float32)
    gradient = np.array([-1.0], np.float32)  # so Σ σ w = 2, of Σ σ = 2 / α
    for worker in (0, 1):
        shard.push(worker, 0, Update(np.array([2], np.int32), zero, after, gradient))
    np.testing.assert_allclose(shard.table[2], [-3.0 - 1.0 - 2.0 * (np.sqrt(8) - 2) / 2, 8.0], rtol=1e-6)


def test_an_update_that_comes_twice_counts_once(tmp_path: Path) -> None:
    shard = Shard(tmp_path / "shard", 16)
    update = update_of(np.random.default_rng(3), shard)
    assert shard.push(1, 5, update) == 5
    once = shard.table.copy()
    assert shard.push(1, 5, update) == 5
    assert shard.push(1, 4, update) == 5
    assert (shard.table == once).all()
    assert Shard(tmp_path / "shard", 16).push(1, 5, update) == 5


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.sampled_from([0, 300, 10**6]), st.floats(0, 1))
def test_whatever_byte_the_log_breaks_off_at_what_was_acknowledged_is_there(seed: int, n: int, checkpoint_bytes: int, cut: float) -> None:
    """The log is cut within the record that was being written; the worker sends that one again."""
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as folder:
        shard = Shard(Path(folder), 12, checkpoint_bytes=checkpoint_bytes)
        for clock in range(n):
            shard.push(clock % 3, clock // 3, update_of(rng, shard))
        acknowledged, log = shard.table.copy(), next(Path(folder).glob("log-*"))
        size, last = log.stat().st_size, update_of(rng, shard)
        shard._checkpoint_bytes = 10**6
        shard.push(n % 3, n // 3, last)
        expected = shard.table.copy()
        whole = log.read_bytes()
        log.write_bytes(whole[: size + int(cut * (len(whole) - size - 1))])
        again = Shard(Path(folder), 12, checkpoint_bytes=checkpoint_bytes)
        assert (again.table == acknowledged).all()
        again.push(n % 3, n // 3, last)
        assert (again.table == expected).all()
        assert (Shard(Path(folder), 12).table == expected).all()


def test_a_checkpoint_that_breaks_off_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shard = Shard(tmp_path / "shard", 16)
    for clock in range(4):
        shard.push(0, clock, update_of(rng, shard))

    def fail(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr("ranking.parameter_shard.os.replace", fail)
        with pytest.raises(OSError, match="space"):
            shard.checkpoint()
    again = Shard(tmp_path / "shard", 16)
    assert (again.table == shard.table).all()
    again.checkpoint()
    assert (Shard(tmp_path / "shard", 16).table == shard.table).all()
    assert sorted(path.name for path in (tmp_path / "shard").iterdir()) == ["checkpoint-00000001", "log-00000001"]


def test_a_record_with_a_wrong_byte_ends_the_log(tmp_path: Path) -> None:
    file = tmp_path / "log"
    log, shard = UpdateLog(file, sync=True), Shard(tmp_path / "shard", 30)
    rng = np.random.default_rng(1)
    written = [Record(worker, 7, update_of(rng, shard)) for worker in range(3)]
    ends = []
    for record in written:
        log.append(record)
        ends.append(log.n_bytes)
    for read, record in zip(records(file), written, strict=True):
        assert read[:2] == record[:2]
        assert all((left == right).all() for left, right in zip(read.update, record.update, strict=True))
    spoilt = bytearray(file.read_bytes())
    spoilt[ends[1] + 20] ^= 1
    file.write_bytes(spoilt)
    assert len(list(records(file))) == 2
    assert UpdateLog(file).n_bytes == ends[1] == file.stat().st_size


@given(st.integers(0, 1_000), st.integers(1, 5), st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_keys_are_the_distinct_slots_each_in_its_shard(seed: int, n_shards: int, n: int) -> None:
    slots = np.random.default_rng(seed).integers(0, 64, (n, 3)).astype(np.int32)
    rows_per_shard = -(-64 // n_shards)
    keys = Keys.of(slots, n_shards, rows_per_shard)
    shard = np.repeat(np.arange(n_shards), np.diff(keys.first))
    key = keys.rows + shard * rows_per_shard
    assert sorted(key) == sorted(set(slots.ravel().tolist()))
    assert (key[keys.place] == slots).all()
    assert len(keys.by_shard(keys.rows)) == n_shards


@pytest.mark.parametrize("staleness", [0, 1, 3])
def test_no_worker_is_further_ahead_than_the_staleness(staleness: int) -> None:
    async def race() -> tuple[list[int], int]:
        clock = StalenessClock(3, staleness)
        done, leads = [0, 0, 0], []

        async def work(worker: int, rest: int) -> None:
            for batch in range(12):
                lead = await clock.reached(worker, batch)
                leads.append(batch - min(done))
                assert lead == leads[-1]
                for _ in range(rest):
                    await asyncio.sleep(0)
                done[worker] = batch + 1
            done[worker] = 10**6
            await clock.leave(worker)

        await asyncio.gather(work(0, 1), work(1, 9), work(2, 4))
        return leads, clock.widest

    leads, widest = asyncio.run(race())
    assert max(leads) == widest == staleness


def test_a_folder_belongs_to_one_model(tmp_path: Path) -> None:
    ParameterServer(tmp_path, TERMS, HOW)
    ParameterServer(tmp_path, TERMS, HOW, ServerSettings(n_workers=5))
    with pytest.raises(UserError, match="other terms"):
        ParameterServer(tmp_path, TERMS, FtrlSettings(l1=0.2))
    with pytest.raises(UserError, match="other terms"):
        ParameterServer(tmp_path, TERMS, HOW, ServerSettings(n_shards=3))


@pytest.mark.parametrize("wrong", [{"n_shards": 0}, {"n_workers": 0}, {"batch": 0}, {"staleness": -1}])
def test_layouts_out_of_bounds_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        ServerSettings(**wrong)
