"""What every item-based model does once songs have neighbours: a user's score of a song is the history times their similarities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, eye_array

from recall.candidates import Candidates, Paths
from recall.top_k import Ranked, candidates, csr, dense_argmax, dense_top_k, product_argmax, product_at, product_top_k

USERS_PER_BLOCK = 256


@dataclass(frozen=True)
class ItemBased:
    """Histories and similarities, all sparse: `score = history @ similar`."""

    history: csr_array
    """`[n_users, n_songs]` weight of each song of a history."""
    similar: csr_array
    """`[n_songs, n_songs]` row = song of the history, column = song recommended."""
    played: csr_array
    """`[n_users, n_songs]` songs that are no longer new to a user."""

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest positive score."""
        exclude = self.played if new_only else None
        return candidates(users, product_top_k(self.history, users, self.similar, k, exclude))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Score of each pair `[n]`, grouped by user; 0 where no song of the history is a neighbour."""
        return product_at(self.history, self.similar, users, items)

    def evidence(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The song of the history that adds most to the score of each pair `[n]`; -1 where none adds."""
        return product_argmax(self.history, self.similar, users, items)


@dataclass(frozen=True)
class DenseItemBased:
    """The same with a dense matrix of similarities, a bounded number of users at a time."""

    history: csr_array
    """`[n_users, n_songs]`"""
    similar: npt.NDArray[np.float32]
    """`[n_songs, n_songs]`"""
    played: csr_array
    """`[n_users, n_songs]`"""

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest positive score."""
        exclude = self.played if new_only else None
        parts = [candidates(rows, dense_top_k(block, rows, k, exclude)) for _, rows, block in self._blocks(users)]
        if not parts:
            return Candidates(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))
        return Candidates(*(np.concatenate(column) for column in zip(*((part.user, part.item, part.score) for part in parts), strict=True)))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Score of each pair `[n]`."""
        score = np.zeros(len(users), dtype=np.float32)
        distinct, row = np.unique(users, return_inverse=True)
        order = np.argsort(row, kind="stable")
        for start, rows, block in self._blocks(distinct):
            low, high = np.searchsorted(row[order], (start, start + len(rows)))
            here = order[low:high]
            score[here] = block[row[here] - start, items[here]]
        return score

    def evidence(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The song of the history that adds most to the score of each pair `[n]`; -1 where none adds."""
        return dense_argmax(self.history, self.similar, users, items)

    def _blocks(self, users: npt.NDArray[np.int32]) -> Iterator[tuple[int, npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
        """Position of the first user, the users, and their scores `[n, n_songs]`."""
        for start in range(0, len(users), USERS_PER_BLOCK):
            rows = users[start : start + USERS_PER_BLOCK]
            yield start, rows, self.history[rows] @ self.similar


class ItemBasedRoute:
    """What a route does whose `observe` sets `model`: it lists, scores and explains by it."""

    model: ItemBased

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs nearest to the user's history."""
        return self.model.recall(users, k, new_only=new_only)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Summed similarity `[n]`; 0 where no song of the history is a neighbour."""
        return self.model.score(users, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song of the history that adds most to the score."""
        return Paths.one_hop(self.model.evidence(users, items), items, "HEARD_WITH")


def nearest(left: csr_array, right: csr_array, n: int) -> csr_array:
    """The `n` largest positive entries of each row of `left @ right`, without the diagonal, as a matrix."""
    size = left.shape[0]
    best = product_top_k(left, np.arange(size), right, n, exclude=csr(eye_array(size)))
    return rows_of(best, (size, size))


def rows_of(ranked: Ranked, shape: tuple[int, int]) -> csr_array:
    """The ranked entries as a matrix."""
    return csr(csr_array((ranked.score, (ranked.row, ranked.col)), shape=shape))
