"""Collaborative filtering lifted to albums and artists: which of them are heard together, then their songs.

A song has few plays, its album and artists have many: neighbours are found where there is evidence. For each relation,
`score(u, i) = sum_g p(g | u) * p(i | g)`: `p(g | u)` is the user's weight of groups near the groups heard (cosine of the users'
log-damped counts, a group near itself with 1), `p(i | g)` the song's share of the group's plays, which a new song has too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, diags_array, eye_array

from graph.projection import Projection
from recall.candidates import Candidates, Paths
from recall.histories import HistorySettings, decayed_history, latest_positives, played_songs, user_song
from recall.item_based import rows_of
from recall.itemcf import cosine_neighbours
from recall.latest import Latest
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import candidates, csr, product_argmax, product_at, product_top_k
from recall.usercf import grouped

HEARD_WITH = "HEARD_WITH"


@dataclass(frozen=True)
class LiftedSettings(HistorySettings):
    """What songs are lifted to, and what of a history counts."""

    relations: tuple[str, ...] = ("IN_ALBUM", "SUNG_BY")
    """Relations of songs whose tails are the groups; each of those that have facts weighs the same."""
    neighbours: int = 500
    """Most similar groups kept of each group, of the same relation."""
    groups: int = 500
    """Groups of largest weight that a user is led to."""
    prior_plays: float = 1.0
    """Plays that every song has in advance when a group's plays are shared out."""
    half_life_plays: float = 20.0
    """A song of the history counts half after so many later plays of the user, where time is ordinal."""


class LiftedRoute:
    """Songs of the albums and artists that the user's albums and artists are heard with."""

    name: ClassVar[str] = "lifted"

    def __init__(self, settings: LiftedSettings = LiftedSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Count which groups are heard together, and take the histories."""
        settings, events = self.settings, latest_positives(snapshot, self.settings)
        self._history = decayed_history(snapshot, settings)
        self._played = played_songs(snapshot)
        counts = user_song(snapshot, events, events.count)
        plays = np.bincount(events.item, events.count, snapshot.catalogue.n_songs) + settings.prior_plays
        members = [membership(snapshot.projection, relation) for relation in settings.relations]
        self._relation_of = np.zeros(snapshot.projection.n_nodes, dtype=np.int64)
        for code, of in enumerate(members):
            self._relation_of[of.indices] = code
        self._groups = _sum(members, (snapshot.catalogue.n_songs, snapshot.projection.n_nodes))
        self._heard = _sum([shares(self._history @ of) for of in members], (snapshot.catalogue.n_users, snapshot.projection.n_nodes))
        near = [cosine_neighbours(csr(counts @ of), settings.neighbours) for of in members]
        self._near = _sum([eye_array(snapshot.projection.n_nodes), *near], (snapshot.projection.n_nodes,) * 2)
        self._led_to = Latest(self._groups_of)
        self._songs = _sum([shares(of.T @ diags_array(plays)) for of in members], self._groups.shape[::-1])

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest score."""
        exclude = self._played if new_only else None
        return candidates(users, product_top_k(self._led_to.of(users), np.arange(len(users)), self._songs, k, exclude, users))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Summed weight `[n]`; 0 where none of the song's groups is near a group heard."""
        distinct, row = grouped(users)
        return product_at(self._led_to.of(distinct), self._songs, row, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """From the song that adds most to a group, by the group it is heard with, to the item."""
        distinct, row = grouped(users)
        led_to = product_argmax(self._led_to.of(distinct), self._songs, row, items)
        heard = product_argmax(self._heard, self._near, users, np.maximum(led_to, 0))
        song = product_argmax(self._history, self._groups, users, np.maximum(heard, 0))
        known = (led_to >= 0) & (heard >= 0) & (song >= 0)
        return self._paths(np.column_stack((song, heard, led_to, items)), known)

    def save(self, folder: Path) -> None:
        """Write the settings; the counts are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, LiftedSettings))
        route.observe(snapshot)
        return route

    def _groups_of(self, users: npt.NDArray[np.int32]) -> csr_array:
        """`[len(users), n_nodes]` weight of the groups that the user is led to."""
        best = product_top_k(self._heard, users, self._near, self.settings.groups)
        return rows_of(best, (len(users), self._near.shape[1]))

    def _paths(self, nodes: npt.NDArray[np.int32], known: npt.NDArray[np.bool_]) -> Paths:
        """`song, group, group, item`, or `song, group, item` where the group is the same; no path where not `known`."""
        names = [*self.settings.relations, *(f"<{relation}" for relation in self.settings.relations), HEARD_WITH]
        relation = self._relation_of[np.maximum(nodes[:, 1], 0)]
        steps = np.column_stack((relation, np.full(len(nodes), len(names) - 1), relation + len(self.settings.relations)))
        same = nodes[:, 1] == nodes[:, 2]
        nodes[same, 2:] = np.column_stack((nodes[same, 3], np.full(same.sum(), -1)))
        steps[same, 1:] = np.column_stack((steps[same, 2], np.full(same.sum(), -1)))
        nodes[~known], steps[~known] = -1, -1
        length = np.where(known, np.where(same, 3, 4), 0)
        return Paths(nodes.astype(np.int32), steps.astype(np.int16), length.astype(np.int8), tuple(names))


def membership(projection: Projection, relation: str) -> csr_array:
    """`[n_songs, n_nodes]` 1 / (number of the song's tails) for each tail of the relation."""
    offsets, target = projection.facet(relation)
    size = np.diff(offsets)
    weight = np.repeat(1 / np.maximum(size, 1), size)
    return csr(csr_array((weight, target, offsets), shape=(projection.n_songs, projection.n_nodes)))


def shares(matrix: csr_array) -> csr_array:
    """Each row divided by its sum."""
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return csr(diags_array(1 / np.where(total > 0, total, 1)) @ matrix)


def _sum(matrices: list[csr_array], shape: tuple[int, int]) -> csr_array:
    total = csr_array(shape, dtype=np.float32)
    for matrix in matrices:
        total = total + matrix
    return csr(total)
