"""Item-based collaborative filtering: songs that the same people hear.

Cosine: Sarwar et al., WWW 2001, over log-damped counts. Window: only plays near each other in one user's sequence count, by the
inverse of their distance, so that a song's neighbours are those it is heard with and not merely by the same person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array, diags_array, eye_array

from etl.events import Events
from recall.histories import HistorySettings, decayed_history, latest_positives, played_songs, user_song
from recall.item_based import ItemBased, ItemBasedRoute, nearest
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import csr

Similarity = Literal["window", "cosine"]


@dataclass(frozen=True)
class ItemCfSettings(HistorySettings):
    """Which songs are neighbours, and what of a history counts."""

    similarity: Similarity = "window"
    window: int = 10
    """Window: plays at most so many places apart in a user's sequence are heard together."""
    damping: float = 0.25
    """Window: the shared weight is divided by (plays of each of the two songs)^damping; 0.5 is the cosine of the window counts."""
    neighbours: int = 200
    """Most similar songs kept of each song."""


class ItemCfRoute(ItemBasedRoute):
    """Score of a song: sum over the user's history of `weight(age) * similarity`."""

    name: ClassVar[str] = "itemcf"

    def __init__(self, settings: ItemCfSettings = ItemCfSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Count who is heard with whom, and take the histories."""
        settings, events = self.settings, latest_positives(snapshot, self.settings)
        if settings.similarity == "cosine":
            similar = cosine_neighbours(user_song(snapshot, events, events.count), settings.neighbours)
        else:
            similar = window_neighbours(events, snapshot.catalogue.n_songs, settings)
        self.model = ItemBased(decayed_history(snapshot, settings), similar, played_songs(snapshot))

    def save(self, folder: Path) -> None:
        """Write the settings; the counts are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, ItemCfSettings))
        route.observe(snapshot)
        return route


def cosine_neighbours(counts: csr_array, n: int) -> csr_array:
    """`[n_songs, n_songs]`: the `n` songs of largest cosine between columns of log(1 + counts), a song not its own neighbour."""
    damped = csr_array((np.log1p(counts.data), counts.indices, counts.indptr), shape=counts.shape)
    norm = np.sqrt(np.bincount(damped.indices, damped.data.astype(np.float64) ** 2, damped.shape[1]))
    unit = csr(damped @ diags_array(1 / np.where(norm > 0, norm, 1)))
    return nearest(csr(unit.T), unit, n)


def window_neighbours(events: Events, n_songs: int, settings: ItemCfSettings) -> csr_array:
    """`[n_songs, n_songs]`: the songs with the most plays within the window of each other, `1 / distance` each, damped by popularity."""
    order = np.argsort(events.user, kind="stable")
    user, item = events.user[order], events.item[order]
    pairs = [_at_distance(user, item, distance) for distance in range(1, settings.window + 1)]
    first, second = (np.concatenate(ends) for ends in zip(*((a, b) for a, b, _ in pairs), strict=True))
    weight = np.concatenate([w for _, _, w in pairs])
    one_way = coo_array((weight, (first, second)), shape=(n_songs, n_songs)).tocsr()
    plays = np.maximum(np.bincount(item, minlength=n_songs), 1).astype(np.float64) ** -settings.damping
    together = csr(diags_array(plays) @ (one_way + one_way.T) @ diags_array(plays))
    return nearest(together, csr(eye_array(n_songs)), settings.neighbours)


def _at_distance(
    user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], distance: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Pairs of different songs that one user played `distance` places apart, and their weight."""
    pair = (user[distance:] == user[:-distance]) & (item[distance:] != item[:-distance])
    first, second = item[:-distance][pair], item[distance:][pair]
    return first, second, np.full(len(first), 1 / distance)
