"""MovieLens-1M as sequences, each user's last item for the test and the one before for validation, and NDCG@10 over all items."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]
K = 10


@dataclass(frozen=True)
class Histories:
    """What users did, in order: user `u` owns `item[offsets[u]:offsets[u + 1]]`."""

    offsets: Ints
    item: Ints

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.offsets) - 1

    @property
    def user(self) -> Ints:
        """`[n]` user of each item."""
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    def without_last(self, n: int) -> Histories:
        """All but the last `n` items of each user."""
        place = np.arange(len(self.item)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        keep = place < np.repeat(np.diff(self.offsets) - n, np.diff(self.offsets))
        return Histories(np.concatenate(([0], np.cumsum(keep)))[self.offsets], self.item[keep])

    def last(self, n: int) -> Ints:
        """`[n_users]` the `n`-th item from the end, 1 for the last."""
        return self.item[self.offsets[1:] - n]


def read(path: Path) -> Histories:
    """The plays of an imported `ml1m-sequences` (SQLite), in time order; items are numbered from 0 in the order of their ids."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute("select cast(user_id as integer), cast(item_id as integer), ts from events").fetchall()
    user, item, ts = np.array(rows, np.int64).T
    order = np.lexsort((np.arange(len(ts)), ts, user))
    _, user = np.unique(user[order], return_inverse=True)
    _, item = np.unique(item[order], return_inverse=True)
    return Histories(np.concatenate(([0], np.cumsum(np.bincount(user)))), item)


def ranks(scores: Floats, users: Ints, target: Ints, seen: Histories) -> Ints:
    """Rank of each user's target among the items not in the user's history, 0 is best; of equal scores the lower id comes first.

    Args:
        scores: `[n, n_items]`, overwritten.
        users: `[n]`
        target: `[n]`
        seen: histories that are left out of the ranking.
    """
    own = scores[np.arange(len(users)), target][:, None]
    first, count = seen.offsets[users], np.diff(seen.offsets)[users]
    row = np.repeat(np.arange(len(users)), count)
    scores[row, seen.item[np.repeat(first - np.cumsum(count) + count, count) + np.arange(len(row))]] = -np.inf
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < target[:, None]))
    return np.asarray(before.sum(1), np.int64)


def ndcg(rank: Ints) -> npt.NDArray[np.float64]:
    """NDCG@10 of each user with one relevant item, `[n]`: 1 / log2(rank + 2) within the first ten."""
    return np.where(rank < K, 1 / np.log2(rank + 2.0), 0.0)


def ranks_by_vectors(vectors: Floats, table: Floats, users: Ints, target: Ints, seen: Histories) -> Ints:
    """`ranks` by inner product of user vectors `[n, dim]` and item vectors `[n_items, dim]`."""
    parts = [slice(start, start + 512) for start in range(0, len(users), 512)]
    return np.concatenate([ranks(vectors[part] @ table.T, users[part], target[part], seen) for part in parts])


def interval(values: npt.NDArray[np.float64], seed: int = 0, draws: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over users."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(draws)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
