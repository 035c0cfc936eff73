"""Which row holds which id: ids of items outside, rows of vectors inside."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]


class IdRows:
    """Rows in the order in which ids came; the row of an id that has gone or has come anew is dead."""

    id: Ids
    """`[n_rows]`"""
    alive: npt.NDArray[np.bool_]
    """`[n_rows]`"""
    n_alive: int
    """Number of ids held."""

    def __init__(self, ids: Ids) -> None:
        if len(ids) and ids.min() < 0:
            raise ValueError(f"id {ids.min()} is negative: ids of items are 0, 1, …")
        if len(np.unique(ids)) != len(ids):
            raise ValueError("an id stands twice among the ids of the index")
        self._set(ids, np.ones(len(ids), bool))

    @classmethod
    def of(cls, ids: Ids, alive: npt.NDArray[np.bool_]) -> Self:
        """Rows as they stood."""
        rows = cls(np.empty(0, np.int32))
        rows._set(ids, alive)
        return rows

    def _set(self, ids: Ids, alive: npt.NDArray[np.bool_]) -> None:
        self.id, self.alive, self.n_alive = ids, alive, int(np.count_nonzero(alive))
        self._row = np.full(int(ids.max(initial=-1)) + 1, -1, np.int32)
        self._row[ids[alive]] = np.flatnonzero(alive).astype(np.int32)

    def rows(self, ids: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """`[n]` row of each id; -1 for one that is not held."""
        known = (ids >= 0) & (ids < len(self._row))
        return np.where(known, self._row[np.where(known, ids, 0)] if len(self._row) else -1, -1).astype(np.int32)

    def mask(self, allowed: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """`[n_rows]` true for rows of allowed ids, given as a mask by id (ids beyond it are not allowed) or as ids."""
        if allowed.dtype == np.bool_:
            held = np.zeros(len(self._row), bool)
            held[: len(allowed)] = allowed[: len(held)]
            return held[self.id]
        out = np.zeros(len(self.id), bool)
        rows = self.rows(allowed.astype(np.int64))
        out[rows[rows >= 0]] = True
        return out

    def add(self, ids: Ids) -> None:
        """New rows at the end for `ids`, distinct; former rows of the same ids die."""
        self.remove(ids)
        top = int(ids.max(initial=-1)) + 1
        if top > len(self._row):
            # Half as much again, so that a stream of new ids does not copy the map each time.
            self._row = np.concatenate([self._row, np.full(max(top, len(self._row) * 3 // 2) - len(self._row), -1, np.int32)])
        self._row[ids] = np.arange(len(self.id), len(self.id) + len(ids), dtype=np.int32)
        self.id = np.concatenate([self.id, ids])
        self.alive = np.concatenate([self.alive, np.ones(len(ids), bool)])
        self.n_alive += len(ids)

    def remove(self, ids: npt.NDArray[np.integer]) -> None:
        """The rows of `ids` die; ids that are not held are passed over."""
        rows = self.rows(ids)
        rows = np.unique(rows[rows >= 0])
        self.n_alive -= len(rows)
        self.alive[rows] = False
        self._row[self.id[rows]] = -1
