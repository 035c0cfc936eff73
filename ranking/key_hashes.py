"""Keys as numbers that are the same in every snapshot, process and version, for models that hash what they meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.event_rows import compiled


def key_hashes(keys: pl.Series) -> npt.NDArray[np.int64]:
    """`[n]` numbers from 0 on, by the bytes of each key: FNV-1a of 64 bits (Fowler, Noll and Vo), its highest bit cleared."""
    column = keys.cast(pl.String).fill_null("").rechunk().to_arrow().cast(pa.large_string())
    _, ends, text = column.buffers()
    offsets = np.frombuffer(ends, np.int64)[column.offset : column.offset + len(column) + 1] if len(column) else np.zeros(1, np.int64)
    letters = np.frombuffer(text, np.uint8) if text is not None and text.size else np.zeros(0, np.uint8)
    hashes: npt.NDArray[np.int64] = _fnv(letters, offsets)
    return hashes


@compiled
def _fnv(letters: Any, offsets: Any) -> Any:
    hashes = np.empty(len(offsets) - 1, np.int64)
    for row in range(len(hashes)):
        value = np.uint64(0xCBF29CE484222325)
        for place in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(letters[place])) * np.uint64(0x100000001B3)
        hashes[row] = np.int64(value >> np.uint64(1))
    return hashes
