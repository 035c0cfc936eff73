"""Embedding neighbours: songs whose vectors lie nearest to those of the songs heard lately.

    score(u, i) = popularity(i) * sum over the seeds j of weight(u, j) * cosine(v_j, v_i)^sharpness

over the seeds that have i among their nearest songs. Each seed brings its own neighbours, so that a taste of many sides stays one of
many sides: the mean of the vectors lies near none of them (PinnerSage, Pal et al., KDD 2020, on why). Vectors are those of the
knowledge graph (`Snapshot.vectors`); a snapshot that carries others, such as a song encoder's, is served by those.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.errors import UserError
from recall.candidates import Candidates, Paths
from recall.histories import played_songs
from recall.latest import Latest
from recall.route_settings import read_settings, write_settings
from recall.seeds import SeedSettings, check_above_zero, listeners, user_seeds
from recall.snapshot import Snapshot
from recall.top_k import candidates, csr, product_argmax, product_at, product_top_k
from recall.usercf import grouped
from recall.vector_index import VectorIndex

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class NeighboursSettings(SeedSettings):
    """Which songs are near, and what of a history counts. Defaults chosen on the validation part of a real listening log."""

    max_seeds: int = 100
    """At most so many songs of a user are seeds: those of largest weight."""
    neighbours: int = 100
    """Nearest songs of each seed that are scored."""
    sharpness: float = 3.0
    """Power of the cosine: the higher, the less a far neighbour counts beside a near one."""
    popularity_power: float = 0.6
    """A song is multiplied by (1 + its distinct listeners) to this power."""

    def __post_init__(self) -> None:
        above_zero = ("half_life_days", "half_life_plays", "max_seeds", "neighbours", "sharpness")
        check_above_zero(self, "recall.neighbours", *above_zero)


class NeighboursRoute:
    """Songs near the user's latest songs by their vectors."""

    name: ClassVar[str] = "neighbours"

    def __init__(self, settings: NeighboursSettings = NeighboursSettings()) -> None:
        self.settings = settings

    def obstacle(self, snapshot: Snapshot) -> str | None:
        """Why the route cannot be fitted on this snapshot, in one line; None where it can."""
        if snapshot.vectors is not None and snapshot.vectors[: snapshot.catalogue.n_songs].any():
            return None
        return "neighbours: no song has a vector; train embeddings on a catalogue with facts (`kg-recall embed`), or leave the route out"

    def fit(self, snapshot: Snapshot) -> None:
        """Observe: the vectors were learned elsewhere.

        Raises:
            UserError: no song has a vector.
        """
        if (why := self.obstacle(snapshot)) is not None:
            raise UserError(why)
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take vectors, seeds and popularity. A song's neighbours are found when a user first needs them."""
        n = snapshot.catalogue.n_songs
        vectors = np.zeros((n, 1), np.float32) if snapshot.vectors is None else snapshot.vectors[:n]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._index = VectorIndex(np.asarray(vectors / np.where(length > 0, length, 1), np.float32))
        self._seeds = csr(user_seeds(snapshot, self.settings))
        self._played = played_songs(snapshot)
        self._popularity = np.power(1.0 + listeners(snapshot)[:n], self.settings.popularity_power).astype(np.float32)
        self._found = np.zeros(n, bool)
        self._matrices = Latest(self._matrices_of)
        self._near = np.zeros((n, min(self.settings.neighbours, n)), np.int32)
        self._weight = np.zeros(self._near.shape, np.float32)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest score."""
        exclude = self._played if new_only else None
        seeds, near, _ = self._matrices.of(users)
        return candidates(users, product_top_k(seeds, np.arange(len(users)), near, k, exclude, users))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Score of each pair `[n]`, grouped by user; 0 where the song is not among the nearest of any seed."""
        distinct, row = grouped(users)
        seeds, near, _ = self._matrices.of(distinct)
        return product_at(seeds, near, row, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The seed that adds most to the score."""
        distinct, row = grouped(users)
        seeds, near, songs = self._matrices.of(distinct)
        best = product_argmax(seeds, near, row, items)
        evidence = np.full(len(items), -1, np.int32)
        evidence[best >= 0] = songs[best[best >= 0]]
        return Paths.one_hop(evidence, items, "SIMILAR_TO")

    def save(self, folder: Path) -> None:
        """Write the settings; vectors are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, NeighboursSettings))
        route.observe(snapshot)
        return route

    def _matrices_of(self, users: npt.NDArray[np.int32]) -> tuple[csr_array, csr_array, Ints]:
        """Weights of seeds `[len(users), n_seeds]`, what each adds to its neighbours `[n_seeds, n_songs]`, and the seeds' song ids."""
        held = csr(self._seeds[users])
        songs = np.unique(held.indices)
        self._find(songs[~self._found[songs]])
        seeds = csr_array((held.data, np.searchsorted(songs, held.indices), held.indptr), shape=(len(users), len(songs)))
        row, place = np.nonzero(self._weight[songs] > 0)
        near = csr_array((self._weight[songs[row], place], (row, self._near[songs[row], place])), shape=(len(songs), len(self._found)))
        return csr(seeds), csr(near), songs

    def _find(self, songs: Ints) -> None:
        """Look up the neighbours of `songs`, once for all who have heard them."""
        found = self._index.search(self._index.vectors[songs], self._near.shape[1], (np.arange(len(songs)), songs))
        place = np.arange(len(found.row)) - np.searchsorted(found.row, found.row)
        self._near[songs[found.row], place] = found.item
        cosine = np.maximum(found.score, 0) ** self.settings.sharpness
        self._weight[songs[found.row], place] = cosine * self._popularity[found.item]
        self._found[songs] = True
