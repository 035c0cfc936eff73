"""Popularity: what everyone hears now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recall.candidates import Candidates, Paths
from recall.histories import half_life_decay, played_songs
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import candidates, ranking_top_k


@dataclass(frozen=True)
class PopularSettings:
    """How plays become popularity."""

    half_life_days: float = 14.0
    """A play counts half after so many days. Where the source's time is ordinal every play counts alike."""


class PopularRoute:
    """The songs with the most positive events, each counting `0.5^(age / half_life)`; the same list for everyone."""

    name: ClassVar[str] = "popular"

    def __init__(self, settings: PopularSettings = PopularSettings()) -> None:
        self.settings = settings
        self.popularity: npt.NDArray[np.float32] = np.empty(0, np.float32)
        """`[n_songs]` decayed count of positive events."""

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Count the positive events known at the snapshot's moment."""
        events = snapshot.positives
        weight = events.count.astype(np.float64)
        if not snapshot.ordinal:
            weight *= half_life_decay(snapshot.age(events), self.settings.half_life_days)
        self.popularity = np.bincount(events.item, weight, snapshot.catalogue.n_songs).astype(np.float32)
        order = np.lexsort((np.arange(len(self.popularity)), -self.popularity))
        self._order = order[self.popularity[order] > 0].astype(np.int32)
        self._played: csr_array = played_songs(snapshot)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` most popular songs, for each user; with `new_only` those that the user has not played."""
        return candidates(users, ranking_top_k(self._order, self.popularity, users, k, self._played if new_only else None))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Decayed count of each item `[n]`."""
        return self.popularity[items]

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """No path: nothing of the user's own leads to a popular song."""
        return Paths.none(len(items))

    def save(self, folder: Path) -> None:
        """Write the settings; the counts are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, PopularSettings))
        route.observe(snapshot)
        return route
