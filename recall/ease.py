"""EASE^R: the linear item-item model with a closed form (Steck, WWW 2019).

`B = I - P diag(1 / diag(P))` with `P = (X'X + lambda I)^-1`: the ridge regression of every song on all others, its own weight held
at 0. A score is `x_u B`. Dense up to a named number of songs; beyond, every song is regressed on its neighbourhood (`ease_local.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.linalg import lapack
from scipy.sparse import csr_array, load_npz, save_npz

from etl.errors import UserError
from recall.candidates import Candidates, Paths
from recall.ease_local import local_weights
from recall.histories import HistorySettings, decayed_history, distinct_pairs, played_songs
from recall.item_based import DenseItemBased, ItemBased
from recall.known_songs import song_ids
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import csr


@dataclass(frozen=True)
class EaseSettings(HistorySettings):
    """Size, regularisation, and what of a history counts when recalling; learning sees plain 0 and 1."""

    max_songs: int = 20_000
    """Most songs with positive events that B is dense for: memory is 8 bytes for its square, time a few operations for its cube."""
    l2: float = 500.0
    """lambda, in users."""
    neighbours: int = 100
    """Beyond `max_songs`: songs that each song is regressed on."""
    damping: float = 0.25
    """Beyond `max_songs`: they are those of most shared listeners, divided by (listeners of each of the two songs)^damping."""


class EaseRoute:
    """Scores may be negative; only positive ones are recalled."""

    name: ClassVar[str] = "ease"

    def __init__(self, settings: EaseSettings = EaseSettings()) -> None:
        self.settings = settings
        self.weights: npt.NDArray[np.float32] | csr_array = np.empty((0, 0), np.float32)
        """`[n_known, n_known]` B: row = song of the history, column = song recommended."""
        self.songs: npt.NDArray[np.int32] = np.empty(0, np.int32)
        """`[n_known]` song id of each row of B, ascending, in the observed catalogue."""

    def fit(self, snapshot: Snapshot) -> None:
        """Solve for B on all positive pairs, then observe."""
        settings, events = self.settings, snapshot.positives
        self.songs = np.unique(events.item).astype(np.int32)
        pairs = csr(distinct_pairs(snapshot, events)[:, self.songs])
        if len(self.songs) <= settings.max_songs:
            self.weights = ease_weights(pairs, settings.l2)
        else:
            self.weights = local_weights(pairs, settings.l2, settings.neighbours, settings.damping)
        self._keys = snapshot.catalogue.song_keys[self.songs].tolist()
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the histories; songs that B does not know add nothing."""
        self._place(snapshot)
        history = csr(decayed_history(snapshot, self.settings)[:, self.songs])
        played = csr(played_songs(snapshot)[:, self.songs])
        if isinstance(self.weights, csr_array):
            self.model: ItemBased | DenseItemBased = ItemBased(history, self.weights, played)
        else:
            self.model = DenseItemBased(history, self.weights, played)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest positive `x_u B`."""
        found = self.model.recall(users, k, new_only=new_only)
        return Candidates(found.user, self.songs[found.item], found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """`x_u B` at each pair `[n]`; 0 for songs that B does not know."""
        column, score = self._column[items], np.zeros(len(users), np.float32)
        known = column >= 0
        score[known] = self.model.score(users[known], column[known])
        return score

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song of the history that adds most to the score."""
        column, evidence = self._column[items], np.full(len(items), -1, np.int32)
        known = np.flatnonzero(column >= 0)
        best = self.model.evidence(users[known], column[known])
        evidence[known[best >= 0]] = self.songs[best[best >= 0]]
        return Paths.one_hop(evidence, items, "HEARD_WITH")

    def save(self, folder: Path) -> None:
        """Write B, the keys of its songs and the settings."""
        write_settings(folder, self.settings)
        if isinstance(self.weights, csr_array):
            save_npz(folder / "weights.npz", self.weights, compressed=False)
        else:
            np.save(folder / "weights.npy", self.weights)
        pl.DataFrame({"key": self._keys}, schema={"key": pl.String}).write_parquet(folder / "songs.parquet")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        route = cls(read_settings(folder, EaseSettings))
        sparse = folder / "weights.npz"
        route.weights = csr(load_npz(sparse)) if sparse.exists() else np.asarray(np.load(folder / "weights.npy", mmap_mode="r"))
        route._keys = pl.read_parquet(folder / "songs.parquet")["key"].to_list()
        route.observe(snapshot)
        return route

    def _place(self, snapshot: Snapshot) -> None:
        """Find B's songs in the snapshot's catalogue; songs that have left it are dropped."""
        at = song_ids(self._keys, snapshot.catalogue)
        kept = np.argsort(at, kind="stable")[np.count_nonzero(at < 0) :]
        self.songs = at[kept]
        if not np.array_equal(kept, np.arange(len(self._keys))):
            b = self.weights
            self.weights = csr(b[kept][:, kept]) if isinstance(b, csr_array) else b[np.ix_(kept, kept)]
            self._keys = [self._keys[row] for row in kept]
        self._column = np.full(snapshot.catalogue.n_songs, -1, dtype=np.int32)
        self._column[self.songs] = np.arange(len(self.songs))


def ease_weights(pairs: csr_array, l2: float) -> npt.NDArray[np.float32]:
    """B of the 0/1 matrix `pairs` `[n_users, n_songs]` (Steck 2019, equation 8), by Cholesky in 32 bits."""
    gram = (pairs.T @ pairs).toarray(order="F").astype(np.float32, copy=False)
    gram[np.diag_indices_from(gram)] += l2
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise UserError(f"ease: the songs' co-occurrences are not positive definite with l2 = {l2}; give l2 a value above 0")
    lower, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(lower) + np.tril(lower, -1).T
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights, dtype=np.float32)
