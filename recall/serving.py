"""What serving of trained routes has in common: vectors of users, songs already played, and the nearest song of a history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recall.attributes import Ints
from recall.candidates import Paths
from recall.top_k import rows_at

Vectors = npt.NDArray[np.float32]
"""Pairs (place of a user, song) that are left out of a search."""
USERS_AT_ONCE: Final = 128
"""Users whose vectors are found together: always the same ones, so that a user's vector does not depend on who else asks."""
PAIRS_AT_ONCE: Final = 2_048


class UserTables:
    """Vectors of users, found a block of users at a time when one of them is first asked for."""

    def __init__(
        self, n_users: int, dims: tuple[int, ...], find: Callable[[Ints], tuple[Vectors, ...]], at_once: int = USERS_AT_ONCE
    ) -> None:
        """`find` gives of users `[n]` one array `[n, dim]` for each of `dims`; it is asked for `at_once` users together."""
        self._tables = tuple(np.zeros((n_users, dim), np.float32) for dim in dims)
        self._found = np.zeros(-(-n_users // at_once), bool)
        self._n_users, self._find, self._at_once = n_users, find, at_once

    def of(self, users: npt.NDArray[np.integer]) -> tuple[Vectors, ...]:
        """`[n, dim]` of each table."""
        blocks = np.unique(users // self._at_once)
        for block in blocks[~self._found[blocks]].tolist():
            mates = np.arange(block * self._at_once, min((block + 1) * self._at_once, self._n_users))
            for table, found in zip(self._tables, self._find(mates), strict=True):
                table[mates] = found
            self._found[block] = True
        return tuple(table[users] for table in self._tables)


def played_pairs(played: csr_array, users: npt.NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Pairs (place in `users`, song) of what each of them has played, from `[n_users, n_songs]`."""
    rows = rows_at(played, users)
    return np.repeat(np.arange(len(users)), np.diff(rows.indptr)), rows.indices.astype(np.int64)


def slices(n: int) -> Iterator[slice]:
    """`0 … n` in parts of `PAIRS_AT_ONCE`."""
    return (slice(start, min(start + PAIRS_AT_ONCE, n)) for start in range(0, n, PAIRS_AT_ONCE))


def nearest_song(
    table: Vectors, item: Ints, start: Ints, end: Ints, wanted: Ints, length: int, read: npt.NDArray[np.bool_] | None = None
) -> Ints:
    """Of each request the song of `item[start:end]` (the latest `length` of it) that is nearest to `wanted` `[n]`; -1 where it is empty.

    The song itself is its own best evidence, whatever rounding says of cosines near 1; of equals the latest. With `read` `[n_tokens]`
    only those tokens count.
    """
    out = np.full(len(wanted), -1, np.int64)
    for part in slices(len(wanted) if len(item) else 0):
        rows = end[part, None] - 1 - np.arange(length)
        real = rows >= start[part, None]
        if read is not None:
            real &= read[np.where(real, rows, 0)]
        songs = item[np.where(real, rows, 0)]
        near = np.einsum("nld,nd->nl", table[songs], table[wanted[part]])
        near = np.where(songs == wanted[part, None], np.inf, near)
        best = np.argmax(np.where(real, near, -np.inf), axis=1)
        out[part] = np.where(real.any(axis=1), songs[np.arange(len(songs)), best], -1)
    return out


def song_paths(evidence: Ints, items: npt.NDArray[np.integer]) -> Paths:
    """`evidence -SIMILAR_TO- item`, the item alone where it is its own evidence, and the profile where there is none (-1)."""
    itself, profile = evidence == items, evidence < 0
    nodes = np.column_stack((evidence, np.where(itself, -1, items))).astype(np.int32)
    steps = np.where(itself, -1, profile.astype(np.int16)).astype(np.int16)[:, None]
    return Paths(nodes, steps, np.where(itself, 1, 2).astype(np.int8), ("SIMILAR_TO", "PROFILE"), profile)
