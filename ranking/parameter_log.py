"""The write-ahead log of a shard: an update is on disk before it is applied, and applied before it is acknowledged.

A record is a header and its columns' bytes under a checksum. A process that dies while it writes leaves a record that is cut off; that
one was never acknowledged, so reading stops before it and the next record takes its place.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self
from zlib import crc32

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_HEADER: Final = struct.Struct("<4sIiqq")
"""Mark, checksum of all that follows it, worker, clock, number of rows."""
_MARK: Final = b"FTRL"
_ROW_BYTES: Final = 4 + 8 + 8 + 4


class Update(NamedTuple):
    """What one batch of one worker changed in one shard, columns `[n]`; each row stands once."""

    rows: npt.NDArray[np.int32]
    """Rows of the shard."""
    before: Floats
    """`[n, 2]` z and n as they were pulled."""
    after: Floats
    """`[n, 2]` z and n as the batch left them."""
    gradient: Floats
    """`[n]` sum of the gradients that led there."""

    def packed(self) -> bytes:
        """The columns one after the other, little-endian."""
        return b"".join(column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes() for column in self)

    @classmethod
    def unpacked(cls, payload: bytes, n: int) -> Self:
        """The update that `packed` made bytes of."""
        rows = np.frombuffer(payload, "<i4", n)
        before, after = (np.frombuffer(payload, "<f4", 2 * n, offset).reshape(n, 2) for offset in (4 * n, 12 * n))
        return cls(rows, before, after, np.frombuffer(payload, "<f4", n, 20 * n))


class Record(NamedTuple):
    """An update with whose and which it is."""

    worker: int
    clock: int
    update: Update


class UpdateLog:
    """A file of records, appended to; what `append` returned from is in the hands of the operating system, or on disk with `sync`."""

    def __init__(self, file: Path, *, sync: bool = False) -> None:
        """Open for appending after the last whole record."""
        whole = sum(_HEADER.size + _ROW_BYTES * len(record.update.rows) for record in records(file))
        self.n_bytes, self._sync = whole, sync
        self._file = file.open("r+b" if file.exists() else "w+b", buffering=0)
        self._file.truncate(whole)
        self._file.seek(whole)

    def append(self, record: Record) -> None:
        """Write one record whole."""
        payload = record.update.packed()
        tail = _HEADER.pack(_MARK, 0, record.worker, record.clock, len(record.update.rows))[8:]
        whole = _MARK + struct.pack("<I", crc32(payload, crc32(tail))) + tail + payload
        rest = memoryview(whole)
        while rest:
            rest = rest[self._file.write(rest) :]
        if self._sync:
            os.fsync(self._file.fileno())
        self.n_bytes += len(whole)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def records(file: Path) -> Iterator[Record]:
    """The whole records of a log, in order; none where there is no file."""
    if not file.exists():
        return
    with file.open("rb") as opened:
        while len(head := opened.read(_HEADER.size)) == _HEADER.size:
            mark, checksum, worker, clock, n = _HEADER.unpack(head)
            if mark != _MARK or n < 0:
                return
            payload = opened.read(_ROW_BYTES * n)
            if len(payload) < _ROW_BYTES * n or crc32(payload, crc32(head[8:])) != checksum:
                return
            yield Record(worker, clock, Update.unpacked(payload, n))
