"""Swing: two songs are alike when pairs of listeners share them and little else (Yang et al., arXiv 2010.05525, section 3).

    s(i, j) = sum over u, v in U_i and U_j, u < v, of w_u w_v / (alpha + |I_u and I_v|),    w_u = 1 / sqrt(|I_u|)

`U_i` listeners of a song, `I_u` songs of a listener. A pair of listeners who share much says little of any two songs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numba
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recall.histories import HistorySettings, decayed_history, distinct_pairs, latest_positives, played_songs
from recall.item_based import ItemBased, ItemBasedRoute
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import csr

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SwingSettings(HistorySettings):
    """Which pairs of listeners count, and what of a history counts."""

    alpha: float = 1.0
    """Added to the number of songs that two listeners share: the smaller, the more a pair that shares few songs counts."""
    damping: float = 0.6
    """A similarity is divided by (listeners of each of the two songs)^damping; 0 is the paper's."""
    max_listeners: int = 100
    """Listeners of a song who are paired: the first in one random order of all users, so that songs keep the same ones."""
    neighbours: int = 200
    """Most similar songs kept of each song."""


class SwingRoute(ItemBasedRoute):
    """Score of a song: sum over the user's history of `weight(age) * swing`."""

    name: ClassVar[str] = "swing"

    def __init__(self, settings: SwingSettings = SwingSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Count who shares which songs, and take the histories."""
        pairs = distinct_pairs(snapshot, latest_positives(snapshot, self.settings))
        similar = swing_neighbours(pairs, self.settings, snapshot.seed)
        self.model = ItemBased(decayed_history(snapshot, self.settings), similar, played_songs(snapshot))

    def save(self, folder: Path) -> None:
        """Write the settings; the counts are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, SwingSettings))
        route.observe(snapshot)
        return route


def swing_neighbours(pairs: csr_array, settings: SwingSettings, seed: int) -> csr_array:
    """`[n_songs, n_songs]`: the most similar songs of each song.

    Args:
        pairs: `[n_users, n_songs]` 1 where a user has heard a song.
        settings: of the route.
        seed: of the order in which listeners of a song beyond the cap are left out.
    """
    n_users, n_songs = pairs.shape
    listeners = csr(pairs.T)
    place = np.random.default_rng(seed).permutation(n_users)
    capped = first_of_rows(listeners, place, settings.max_listeners)
    weight = 1 / np.sqrt(np.maximum(np.diff(pairs.indptr), 1))
    damping = np.maximum(np.diff(listeners.indptr), 1) ** -float(settings.damping)
    n = min(settings.neighbours, n_songs)
    col, score, size = _swing(capped.indptr, capped.indices, pairs.indptr, pairs.indices, weight, damping, settings.alpha, n)
    row, at = np.nonzero(np.arange(n) < size[:, None])
    return csr(csr_array((score[row, at], (row, col[row, at])), shape=(n_songs, n_songs)))


def first_of_rows(matrix: csr_array, place: npt.NDArray[np.int64], n: int) -> csr_array:
    """Of each row the `n` columns that stand first by `place` `[n_columns]`."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((place[matrix.indices], row))
    kept = order[np.arange(len(row)) - matrix.indptr[row] < n]
    return csr(csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape))


@numba.njit(cache=True, nogil=True)
def _swing(l_indptr, l_indices, s_indptr, s_indices, weight, damping, alpha, k):  # type: ignore[no-untyped-def]
    """Of each song its `k` largest similarities, best first, ties by song: columns, scores, and how many there are."""
    n_songs = len(l_indptr) - 1
    of_first = np.full(n_songs, -1, np.int64)
    total = np.zeros(n_songs)
    touched, shared, score = np.empty(n_songs, np.int32), np.empty(n_songs, np.int32), np.empty(n_songs, np.float32)
    best, best_score, size = np.zeros((n_songs, k), np.int32), np.zeros((n_songs, k), np.float32), np.zeros(n_songs, np.int64)
    for song in range(n_songs):
        n = 0
        for a in range(l_indptr[song], l_indptr[song + 1]):
            first = l_indices[a]
            for s in range(s_indptr[first], s_indptr[first + 1]):
                of_first[s_indices[s]] = a
            for b in range(a + 1, l_indptr[song + 1]):
                second = l_indices[b]
                n_shared = 0
                for s in range(s_indptr[second], s_indptr[second + 1]):
                    if of_first[s_indices[s]] == a:
                        shared[n_shared] = s_indices[s]
                        n_shared += 1
                gain = weight[first] * weight[second] / (alpha + n_shared)
                for s in range(n_shared):
                    if total[shared[s]] == 0.0:
                        touched[n] = shared[s]
                        n += 1
                    total[shared[s]] += gain
        total[song] = 0.0
        for t in range(n):
            score[t] = total[touched[t]] * damping[song] * damping[touched[t]]
            total[touched[t]] = 0.0
        size[song] = _largest(touched[:n], score[:n], best[song], best_score[song])
    return best, best_score, size


@numba.njit(cache=True, nogil=True)
def _largest(col, score, best, best_score):  # type: ignore[no-untyped-def]
    """Write the largest positive scores and their columns, ties by column; returns how many."""
    bar = np.float32(0)
    if len(score) > len(best):
        bar = np.partition(score, len(score) - len(best))[len(score) - len(best)]
    kept = np.flatnonzero((score >= bar) & (score > 0))
    kept = kept[np.argsort(col[kept], kind="mergesort")]
    kept = kept[np.argsort(-score[kept], kind="mergesort")][: len(best)]
    best[: len(kept)] = col[kept]
    best_score[: len(kept)] = score[kept]
    return len(kept)
