"""One list from two spaces: standardised scores, which compare across spaces, and a quota for each."""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from recall.serving import Vectors
from recall.vector_index import Exclude, Found, IndexSettings, VectorIndex

SERVING: Final = IndexSettings()
"""How the space that serves is searched."""


class Space:
    """Item vectors of one space, and what a cosine there is worth beside those of other songs."""

    def __init__(self, table: Vectors, index: IndexSettings = SERVING) -> None:
        """`table` `[n_songs, dim]`, searched as `index` says."""
        self.index = VectorIndex(table, settings=index)
        wide = table.astype(np.float64)
        self._mean = wide.mean(0) if len(wide) else np.zeros(table.shape[1])
        self._covariance = (wide - self._mean).T @ (wide - self._mean) / max(len(wide), 1)

    def standardised(self, users: Vectors) -> Vectors:
        """User vectors `[n, dim]` of `users`, over the spread of the user's scores of all songs: from the moments, without a pass."""
        return np.asarray(users / self._spread(users)[:, None], np.float32)

    def level(self, users: Vectors) -> npt.NDArray[np.float64]:
        """Mean standardised score `[n]` of all songs for each user."""
        level: npt.NDArray[np.float64] = np.einsum("nd,d->n", users.astype(np.float64), self._mean) / self._spread(users)
        return level

    def _spread(self, users: Vectors) -> npt.NDArray[np.float64]:
        wide = users.astype(np.float64)
        # One song, or all songs alike: nothing spreads, and every score stands at the mean.
        spread: npt.NDArray[np.float64] = np.sqrt(np.maximum(np.einsum("nd,de,ne->n", wide, self._covariance, wide), 1e-12))
        return spread


class Side(NamedTuple):
    """Users `[n]` in one space."""

    space: Space
    query: Vectors
    """`[n, dim]` standardised vectors to search with."""
    level: npt.NDArray[np.float64]
    """`[n]` mean score, taken from every score."""
    quota: npt.NDArray[np.float64]
    """`[n]` share of the list; 0 where the space has nothing to say of the user."""

    @classmethod
    def of(cls, space: Space, users: Vectors, quota: npt.NDArray[np.float64]) -> Self:
        """The users with vectors `[n, dim]`."""
        return cls(space, space.standardised(users), space.level(users), quota)

    def score(self, row: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> Vectors:
        """How many standard deviations the item's score lies above the user's mean, `[n_pairs]`; -inf without a quota."""
        score = self.space.index.score(self.query, row, item) - self.level[row]
        return np.asarray(np.where(self.quota[row] > 0, score, -np.inf), np.float32)


def union_score(sides: tuple[Side, ...], row: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> Vectors:
    """The largest of the spaces' standardised scores of each pair (place of a user, song), `[n]`."""
    best: Vectors = np.maximum.reduce([side.score(row, item) for side in sides])
    return best


class Offers(NamedTuple):
    """The best songs of some users in one space, best first, grouped by user."""

    row: npt.NDArray[np.int64]
    """`[n_offers]` place of the user."""
    item: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    """1 is best."""

    @classmethod
    def of(cls, side: Side, k: int, exclude: Exclude = None) -> Self:
        """At most `k` songs of each user, whatever their quotas say."""
        found = side.space.index.search(side.query, k, exclude)
        rank = 1 + np.arange(len(found.row)) - np.searchsorted(found.row, found.row)
        return cls(found.row.astype(np.int64), found.item.astype(np.int64), rank)


def union(sides: tuple[Side, ...], k: int, exclude: Exclude = None) -> Found:
    """The `k` songs of each user, of every space as many as its quota says; best score first, ties by song."""
    offers = tuple(Offers.of(side, k, exclude) for side in sides)
    row, item = taken(offers, tuple(side.quota for side in sides), k, len(sides[0].space.index))
    score = union_score(sides, row, item)
    order = np.lexsort((item, -score, row))
    return Found(row[order].astype(np.int32), item[order].astype(np.int32), score[order])


def taken(
    offers: tuple[Offers, ...], quotas: tuple[npt.NDArray[np.float64], ...], k: int, n_items: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs (place of a user, song) of the lists of at most `k`, where each space has the share that its quota `[n_users]` says.

    A song is taken in the order of its best rank over quota in any space: with quotas of a half the spaces take turns, a song that both
    have counts once, and the list of k is within that of k + 1.
    """
    pair, claim = (np.concatenate(column) for column in zip(*map(_claims, offers, quotas, [n_items] * len(offers)), strict=True))
    order = np.lexsort((claim, pair))
    pair, claim = pair[order], claim[order]
    first = np.ones(len(pair), bool)
    first[1:] = pair[1:] != pair[:-1]
    row, item, claim = pair[first] // n_items, pair[first] % n_items, claim[first]
    order = np.lexsort((item, claim, row))
    row, item = row[order], item[order]
    kept = np.arange(len(row)) - np.searchsorted(row, row) < k
    return row[kept], item[kept]


def _claims(offers: Offers, quota: npt.NDArray[np.float64], n_items: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pairs (place of a user · n_items + song) that a space offers, and the rank over quota of each."""
    heard = quota[offers.row] > 0
    return offers.row[heard] * n_items + offers.item[heard], offers.rank[heard] / quota[offers.row[heard]]
