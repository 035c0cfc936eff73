"""A vector index in a folder: whole after a kill at any moment, and nothing lost that was acknowledged.

The folder holds generations (`gen-000007/`: the index as files, and a journal of what was inserted and deleted since) and `CURRENT`,
the name of the one that counts. A generation is written aside, brought to the disk and renamed; then `CURRENT` is, and that is the
moment at which it counts. A change is one record of the journal, on the disk before the call returns; a record that a kill has torn
was never acknowledged and is cut off at the next opening. One process writes at a time.
"""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path
from typing import Final, Self

import numpy as np

from etl.errors import UserError
from etl.to_disk import to_disk
from recall.block_scan import Vectors
from recall.vector_index import Ids, VectorIndex

CURRENT: Final = "CURRENT"
JOURNAL: Final = "journal"
INSERT, DELETE = 1, 2
HEAD = np.dtype([("kind", "<i4"), ("n", "<i4"), ("dim", "<i4"), ("crc", "<u4")])
"""What stands before each record: kind, number of ids, numbers of a vector (0 for a deletion), checksum of ids and vectors."""


class DurableIndex:
    """A `VectorIndex` whose changes outlive the process."""

    def __init__(self, folder: Path, index: VectorIndex, generation: Path) -> None:
        """For `create` and `open`."""
        self.folder, self.index, self._generation = folder, index, generation

    @classmethod
    def create(cls, folder: Path, index: VectorIndex) -> Self:
        """Write `index` into `folder` (made where missing) as what counts now; whatever it held before counts until then."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, index, _write_generation(folder, index))

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The index of `folder` with every acknowledged change.

        Raises:
            UserError: there is no index in the folder.
        """
        current = folder / CURRENT
        if not current.is_file():
            raise UserError(f"there is no vector index in {folder}: train the step that writes it first")
        generation = folder / current.read_text(encoding="ascii")
        index = VectorIndex.load(generation)
        _replay(generation / JOURNAL, index)
        _sweep(folder, generation)
        return cls(folder, index, generation)

    def insert(self, ids: Ids, vectors: Vectors) -> None:
        """`VectorIndex.insert`, on the disk when it returns."""
        ids, vectors = self.index.checked(ids, vectors)
        self._record(INSERT, ids, vectors)
        self.index.insert(ids, vectors)

    def delete(self, ids: Ids) -> None:
        """`VectorIndex.delete`, on the disk when it returns."""
        ids = np.asarray(ids, np.int32)
        self._record(DELETE, ids, np.empty((len(ids), 0), np.float32))
        self.index.delete(ids)

    def compact(self) -> None:
        """Write what is held now as a new generation with an empty journal."""
        self._generation = _write_generation(self.folder, self.index)

    def _record(self, kind: int, ids: Ids, vectors: Vectors) -> None:
        body = ids.astype("<i4").tobytes() + vectors.astype("<f4").tobytes()
        head = np.array([(kind, len(ids), vectors.shape[1], zlib.crc32(body))], HEAD).tobytes()
        with (self._generation / JOURNAL).open("ab") as file:
            file.write(head + body)
            file.flush()
            os.fsync(file.fileno())


def _replay(journal: Path, index: VectorIndex) -> None:
    """Make the changes of `journal` anew; cut off a torn end."""
    text, at = journal.read_bytes(), 0
    while len(text) - at >= HEAD.itemsize:
        head = np.frombuffer(text, HEAD, 1, at)[0]
        kind, n, dim = int(head["kind"]), int(head["n"]), int(head["dim"])
        body = text[at + HEAD.itemsize : at + HEAD.itemsize + 4 * n * (1 + dim)]
        if kind not in (INSERT, DELETE) or len(body) < 4 * n * (1 + dim) or zlib.crc32(body) != head["crc"]:
            break
        ids = np.frombuffer(body, "<i4", n).astype(np.int32)
        if kind == INSERT:
            index.insert(ids, np.frombuffer(body, "<f4", n * dim, 4 * n).reshape(n, dim).astype(np.float32))
        else:
            index.delete(ids)
        at += HEAD.itemsize + len(body)
    if at < len(text):
        with journal.open("r+b") as file:
            file.truncate(at)
            os.fsync(file.fileno())


def _write_generation(folder: Path, index: VectorIndex) -> Path:
    """Write a generation and let it count; older ones go."""
    former = [int(path.name[4:]) for path in folder.glob("gen-*") if path.name[4:].isdigit()]
    generation = folder / f"gen-{max(former, default=0) + 1:06d}"
    aside = folder / f".partial-{generation.name}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    index.save(aside)
    (aside / JOURNAL).touch()
    for path in (*aside.iterdir(), aside):
        to_disk(path)
    aside.rename(generation)
    to_disk(folder)
    pointer = folder / f".{CURRENT}.partial"
    pointer.write_text(generation.name, encoding="ascii")
    to_disk(pointer)
    pointer.replace(folder / CURRENT)
    to_disk(folder)
    _sweep(folder, generation)
    return generation


def _sweep(folder: Path, generation: Path) -> None:
    """Remove generations that do not count, and what a kill has left half written."""
    for path in (*folder.glob("gen-*"), *folder.glob(".partial-gen-*")):
        if path != generation:
            shutil.rmtree(path, ignore_errors=True)
