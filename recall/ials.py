"""iALS: factors of users and songs by alternating least squares over all pairs (Hu, Koren & Volinsky, ICDM 2008), by `implicit`.

With `p` = 1 where user u has heard song i and `c` = 1 + (alpha - 1) p, the loss is

    sum over all pairs c (p - x_u y_i)^2 + l2 * (sum_u |x_u|^2 + sum_i |y_i|^2)

alpha is 1 / alpha0 of Rendle, Krichene, Zhang & Koren (RecSys 2022), whose finding holds here: strong regularisation is what makes
the model good. `fit` learns the songs' factors. A user's are solved for when asked, from the history as it stands, by

    A_u x_u = sum c y,    A_u = Y'Y + sum (c - 1) y y' + l2 I        (sums over the history)

so that a score `x_u y_i` is a sum over the history, `sum c (y A_u^-1 y_i)`: what each song adds is known (Hu et al., section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numba
import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from recall.candidates import Candidates, Paths
from recall.histories import HistorySettings, decayed_history, distinct_pairs, latest_positives, played_songs
from recall.known_songs import song_ids
from recall.latest import Latest
from recall.route_settings import read_settings, write_settings
from recall.serving import played_pairs
from recall.snapshot import Snapshot
from recall.top_k import csr, rows_at
from recall.usercf import grouped
from recall.vector_index import VectorIndex

if TYPE_CHECKING:
    from implicit.cpu.als import AlternatingLeastSquares

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class IalsSettings(HistorySettings):
    """Size, loss, and what of a history counts."""

    dim: int = 64
    """Factors of a song and of a user."""
    alpha: float = 100.0
    """Weight of a song heard, where one not heard has 1."""
    l2: float = 600.0
    """Weight of the regularisation."""
    epochs: int = 8
    """Rounds: users, then songs."""
    threads: int | None = None
    """Threads of the fit; all cores where not set."""


class IalsRoute:
    """Score of a song: the product of the user's factors with the song's."""

    name: ClassVar[str] = "ials"

    def __init__(self, settings: IalsSettings = IalsSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Learn the songs' factors from who has heard what, then observe."""
        pairs = distinct_pairs(snapshot, latest_positives(snapshot, self.settings))
        songs = np.unique(pairs.indices)
        self._learned = song_factors(csr(pairs[:, songs]), self.settings, snapshot.seed)
        self._keys: list[str] = snapshot.catalogue.song_keys[songs].tolist()
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the histories; a song that was not learned has no factors, and in a history it says nothing."""
        songs = song_ids(self._keys, snapshot.catalogue)
        factors = np.zeros((snapshot.catalogue.n_songs, self.settings.dim), np.float32)
        factors[songs[songs >= 0]] = self._learned[songs >= 0]
        self._index = VectorIndex(factors)
        self._solver = _model(self.settings, snapshot.seed)
        self._solver.item_factors = factors
        self._history = decayed_history(snapshot, self.settings)
        self._played = played_songs(snapshot)
        self._vectors = Latest(self._vectors_of)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest positive score."""
        # Of a user without history every product is 0, which is no score.
        users = users[np.diff(rows_at(self._history, users).indptr) > 0]
        found = self._index.search(self._vectors.of(users), k, played_pairs(self._played, users) if new_only else None)
        positive = found.score > 0
        return Candidates(users[found.row[positive]].astype(np.int32), found.item[positive], found.score[positive])

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Floats:
        """Product of the factors of each pair `[n]`; 0 for a user without history and for a song that was not learned."""
        distinct, row = np.unique(users, return_inverse=True)
        return self._index.score(self._vectors.of(distinct), row, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The other song of the history that adds most to the score."""
        distinct, row = grouped(users)
        history, settings = csr(self._history[distinct]), self.settings
        gram = (self._solver.YtY + settings.l2 * np.eye(settings.dim)).astype(np.float32)
        confidence = (settings.alpha * history.data).astype(np.float32)
        evidence = _largest_terms(history.indptr, history.indices, confidence, self._index.vectors, gram, row, items.astype(np.int64))
        return Paths.one_hop(evidence, items, "HEARD_WITH")

    def save(self, folder: Path) -> None:
        """Write the songs' factors, their keys and the settings."""
        write_settings(folder, self.settings)
        np.save(folder / "factors.npy", self._learned)
        pl.DataFrame({"key": self._keys}, schema={"key": pl.String}).write_parquet(folder / "songs.parquet")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        route = cls(read_settings(folder, IalsSettings))
        route._learned = np.load(folder / "factors.npy")
        route._keys = pl.read_parquet(folder / "songs.parquet")["key"].to_list()
        route.observe(snapshot)
        return route

    def _vectors_of(self, users: npt.NDArray[np.int32]) -> Floats:
        """`[n, dim]` factors of the users, each from its own history alone; 0 for a user without one."""
        found: Floats = self._solver.recalculate_user(np.arange(len(users)), _matrix(csr(self._history[users])))
        return found


def song_factors(pairs: csr_array, settings: IalsSettings, seed: int) -> Floats:
    """Factors `[n_songs, dim]` learned from `pairs` `[n_users, n_songs]`, 1 where a user has heard a song."""
    model = _model(settings, seed)
    # One thread for BLAS: implicit has threads of its own, and sums then do not depend on the number of cores.
    with threadpool_limits(1, "blas"):
        model.fit(_matrix(pairs), show_progress=False)
    factors: Floats = model.item_factors
    return factors


def _model(settings: IalsSettings, seed: int) -> AlternatingLeastSquares:
    from implicit.cpu.als import AlternatingLeastSquares

    with threadpool_limits(1, "blas"):
        return AlternatingLeastSquares(
            factors=settings.dim,
            regularization=settings.l2,
            alpha=settings.alpha,
            iterations=settings.epochs,
            num_threads=settings.threads or 0,
            random_state=seed,
        )


def _matrix(pairs: csr_array) -> csr_matrix:
    """As `implicit` takes it: 32-bit offsets and no array."""
    return csr_matrix((pairs.data, pairs.indices, pairs.indptr.astype(np.int32)), shape=pairs.shape)


@numba.njit(cache=True, nogil=True)
def _largest_terms(indptr, indices, confidence, factors, gram, row, item):  # type: ignore[no-untyped-def]
    """For pairs grouped by row: the song of the row, other than the item, with the largest positive term; -1 where there is none."""
    found = np.full(len(row), -1, np.int32)
    start = 0
    while start < len(row):
        end = start + 1
        while end < len(row) and row[end] == row[start]:
            end += 1
        songs, c = indices[indptr[row[start]] : indptr[row[start] + 1]], confidence[indptr[row[start]] : indptr[row[start] + 1]]
        y = factors[songs]
        system = gram + np.dot((y * (c - np.float32(1)).reshape(-1, 1)).T, y)
        led = np.linalg.solve(system, np.ascontiguousarray(factors[item[start:end]].T))
        terms = np.dot(y, led)
        for i in range(start, end):
            largest = 0.0
            for j in range(len(songs)):
                term = terms[j, i - start] * c[j]
                if term > largest and songs[j] != item[i]:
                    largest = term
                    found[i] = songs[j]
        start = end
    return found
