"""What every item-based model does once songs have neighbours: a user's score of a song is the history times their similarities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, eye_array

from recall.candidates import Candidates, Paths
from recall.top_k import Ranked, candidates, csr, product_argmax, product_at, product_top_k


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

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], step: str) -> Paths:
        """One hop, named `step`, from the song of the history that adds most to the score."""
        return Paths.one_hop(product_argmax(self.history, self.similar, users, items), items, step)


def nearest(left: csr_array, right: csr_array, n: int) -> csr_array:
    """The `n` largest positive entries of each row of `left @ right`, without the diagonal, as a matrix."""
    size = left.shape[0]
    best = product_top_k(left, np.arange(size), right, n, exclude=csr(eye_array(size)))
    return rows_of(best, (size, size))


def rows_of(ranked: Ranked, shape: tuple[int, int]) -> csr_array:
    """The ranked entries as a matrix."""
    return csr(csr_array((ranked.score, (ranked.row, ranked.col)), shape=shape))
