import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from etl.errors import UserError
from recall.durable_index import DurableIndex
from recall.inverted_lists import ListSettings
from recall.vector_index import IndexSettings, VectorIndex

LISTS = IndexSettings(exact_below=200, lists=ListSettings(first=8))


def index(n: int, seed: int = 0, settings: IndexSettings = LISTS) -> VectorIndex:
    return VectorIndex(np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32), settings=settings)


def same(one: VectorIndex, other: VectorIndex) -> None:
    queries = np.random.default_rng(9).standard_normal((5, 8)).astype(np.float32)
    np.testing.assert_array_equal(one.ids, other.ids)
    for left, right in zip(one.search(queries, 30), other.search(queries, 30), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("n", [0, 3, 1000])
def test_what_was_changed_is_there_after_opening_anew(tmp_path: Path, n: int) -> None:
    durable = DurableIndex.create(tmp_path, index(n))
    vectors = np.random.default_rng(1).standard_normal((20, 8)).astype(np.float32)
    durable.insert(np.arange(2000, 2020, dtype=np.int32), vectors)
    durable.delete(np.array([0, 2, 2003], np.int32))
    durable.insert(np.array([2003], np.int32), vectors[:1])
    opened = DurableIndex.open(tmp_path)
    same(opened.index, durable.index)
    opened.compact()
    opened.delete(np.array([2004], np.int32))
    durable.index.delete(np.array([2004], np.int32))
    same(DurableIndex.open(tmp_path).index, durable.index)
    assert len(list(tmp_path.iterdir())) == 2


def test_saving_and_loading_changes_no_answer(tmp_path: Path) -> None:
    held = index(1000)
    held.insert(np.arange(5000, 5010, dtype=np.int32), np.ones((10, 8), np.float32))
    held.delete(np.arange(40, dtype=np.int32))
    held.save(tmp_path)
    same(VectorIndex.load(tmp_path), held)


def test_a_torn_record_is_cut_off_and_the_ones_before_it_stay(tmp_path: Path) -> None:
    durable = DurableIndex.create(tmp_path, index(10))
    durable.delete(np.array([1], np.int32))
    journal = next(tmp_path.glob("gen-*/journal"))
    whole = journal.read_bytes()
    durable.insert(np.array([77], np.int32), np.ones((1, 8), np.float32))
    text = journal.read_bytes()
    damaged = text[:-1] + bytes([text[-1] ^ 1])
    for torn in (*(text[:end] for end in range(len(whole), len(text))), damaged):
        journal.write_bytes(torn)
        opened = DurableIndex.open(tmp_path).index
        assert 77 not in opened.ids
        assert 1 not in opened.ids
        assert journal.read_bytes() == whole


def test_no_index_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no vector index"):
        DurableIndex.open(tmp_path)


WRITER = """
import sys, numpy as np
from pathlib import Path
from recall.durable_index import DurableIndex
durable = DurableIndex.open(Path(sys.argv[1]))
step = len(durable.index.ids) - 300
while True:
    ids = np.arange(1000 + step, 1001 + step, dtype=np.int32)
    durable.insert(ids, np.full((1, 8), step, np.float32))
    step += 1
    if step % 3 == 0:
        durable.compact()
    print(step, flush=True)
"""


def test_killed_at_any_moment_it_opens_whole_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    DurableIndex.create(tmp_path, index(300, settings=IndexSettings()))
    for round_ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        assert writer.stdout is not None
        said = [writer.stdout.readline()]
        time.sleep(0.011 + 0.017 * round_)
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().splitlines()
        writer.wait()
        acknowledged = int(said[-1])
        opened = DurableIndex.open(tmp_path).index
        late = opened.ids[opened.ids >= 1000] - 1000
        # The one that was on its way when the kill came may have arrived.
        assert late.tolist() in (list(range(acknowledged)), list(range(acknowledged + 1)))
        np.testing.assert_array_equal(opened.vectors[-len(late) :, 0], late)
        assert len(opened) == 300 + len(late)
