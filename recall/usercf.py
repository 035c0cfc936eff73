"""User-based collaborative filtering: what listeners with the same songs hear (Resnick et al., CSCW 1994; cosine of log-damped counts)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array, eye_array

from recall.candidates import Candidates, Paths
from recall.histories import HistorySettings, decayed_history, played_songs
from recall.item_based import rows_of
from recall.latest import Latest
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import candidates, csr, product_argmax, product_at, product_top_k


@dataclass(frozen=True)
class UserCfSettings(HistorySettings):
    """Who is a neighbour, and what of a history counts."""

    neighbours: int = 200
    """Most similar listeners of each user."""
    include_self: bool = True
    """The user is a neighbour too, with cosine 1, and so hears the own songs again."""
    half_life_days: float = 90.0
    """A song of a history counts half after so many days."""
    half_life_plays: float = 200.0
    """The same where time is ordinal, in later plays of the user."""


class UserCfRoute:
    """Score of a song: sum over the user's neighbours of `cosine * the neighbour's weight of the song`.

    Neighbours are found at the request, for the users asked.
    """

    name: ClassVar[str] = "usercf"

    def __init__(self, settings: UserCfSettings = UserCfSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the histories as vectors of length 1."""
        self._unit = unit_rows(decayed_history(snapshot, self.settings))
        self._listeners = csr(self._unit.T)
        self._itself = csr(eye_array(snapshot.catalogue.n_users))
        self._played = played_songs(snapshot)
        # Neighbours are most of the work of a request.
        self._others = Latest(self._others_of)
        self._neighbours = Latest(self._neighbours_of)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs that the user's neighbours hear most."""
        exclude = self._played if new_only else None
        near = self._neighbours.of(users)
        return candidates(users, product_top_k(near, np.arange(len(users)), self._unit, k, exclude, users))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Summed weight `[n]`; 0 where no neighbour has heard the song."""
        distinct, row = grouped(users)
        return product_at(self._neighbours.of(distinct), self._unit, row, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """A song that the user shares with the neighbour who adds most to the score: the one that makes them most alike."""
        distinct, row = grouped(users)
        neighbour = product_argmax(self._others.of(distinct), self._unit, row, items)
        shared = product_argmax(self._unit, self._listeners, users, np.maximum(neighbour, 0))
        return Paths.one_hop(np.where(neighbour >= 0, shared, -1).astype(np.int32), items, "HEARD_BY_SIMILAR")

    def save(self, folder: Path) -> None:
        """Write the settings; the histories are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, UserCfSettings))
        route.observe(snapshot)
        return route

    def _neighbours_of(self, users: npt.NDArray[np.int32]) -> csr_array:
        """`[len(users), n_users]` cosines of the most similar listeners, and of the user where the settings say so."""
        others = self._others.of(users)
        return csr(others + self._itself[users]) if self.settings.include_self else others

    def _others_of(self, users: npt.NDArray[np.int32]) -> csr_array:
        best = product_top_k(self._unit, users, self._listeners, self.settings.neighbours, exclude=self._itself)
        return rows_of(best, (len(users), self._unit.shape[0]))


def unit_rows(weights: csr_array) -> csr_array:
    """log(1 + weights), each row scaled to length 1."""
    damped = csr_array((np.log1p(weights.data), weights.indices, weights.indptr), shape=weights.shape)
    norm = np.sqrt(np.asarray(damped.multiply(damped).sum(axis=1)).ravel())
    return csr(diags_array(1 / np.where(norm > 0, norm, 1)) @ damped)


def grouped(users: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The users of the pairs, one for each group in the order given, and the group of each pair."""
    start = np.ones(len(users), dtype=bool)
    start[1:] = users[1:] != users[:-1]
    return users[start], np.cumsum(start) - 1
