import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kg_recall.shared_object import ALIGNMENT, read_shared, write_shared


def shared(value: Any, folder: Path) -> Any:
    folder.mkdir()
    write_shared(value, folder)
    return read_shared(folder)


def summed(folder: Path) -> float:
    return float(read_shared(folder)["a"].sum())


def test_arrays_and_tensors_come_back_equal_and_aligned(tmp_path: Path) -> None:
    value = {
        "a": np.arange(7, dtype=np.int8),
        "b": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "none": np.empty((0, 4), np.float32),
        "tensor": torch.arange(5.0),
        "layer": torch.nn.Linear(3, 2),
        "text": ["夜航星"],
    }
    back = shared(value, tmp_path / "shared")
    for name in ("a", "b", "none"):
        assert back[name].dtype == value[name].dtype
        assert np.array_equal(back[name], value[name])
    assert all(back[name].ctypes.data % ALIGNMENT == 0 for name in ("a", "b"))
    assert torch.equal(back["tensor"], value["tensor"])
    assert back["text"] == value["text"]
    x = torch.ones(1, 3)
    assert torch.equal(back["layer"](x), value["layer"](x))
    assert back["layer"].weight.requires_grad


def test_what_stands_twice_is_one_object_still(tmp_path: Path) -> None:
    array = np.arange(4)
    back = shared({"once": array, "again": array}, tmp_path / "shared")
    assert back["once"] is back["again"]


def test_who_writes_writes_for_itself_alone(tmp_path: Path) -> None:
    one = shared({"a": np.zeros(3)}, tmp_path / "shared")
    other = read_shared(tmp_path / "shared")
    one["a"][0] = 1
    assert other["a"].tolist() == [0, 0, 0]
    assert read_shared(tmp_path / "shared")["a"].tolist() == [0, 0, 0]


def test_the_files_may_go_once_they_are_mapped(tmp_path: Path) -> None:
    back = shared({"a": np.arange(10)}, tmp_path / "shared")
    for path in (tmp_path / "shared").iterdir():
        path.unlink()
    assert back["a"].sum() == 45


def test_another_process_reads_it(tmp_path: Path) -> None:
    shared({"a": np.arange(10)}, tmp_path / "shared")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(summed, tmp_path / "shared").result() == 45


def test_an_object_without_arrays(tmp_path: Path) -> None:
    assert shared("said", tmp_path / "shared") == "said"


def test_what_cannot_be_sent_says_so(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        shared(lambda: 0, tmp_path / "shared")
