"""The cluster route: several interests of a user without training, as in PinnerSage (Pal et al., KDD 2020, arXiv 2007.03634).

The songs of a history are clustered by Ward's method on their vectors, each cluster is spoken for by its medoid, and the clusters
that weigh most are served:

    medoid      argmin over m in C of sum_{i in C} |e_m - e_i|^2
    importance  sum over events i in C of exp(-lambda * age_i)

The vectors are those of the knowledge graph's embedding, brought to length 1; the route itself learns nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from recall.candidates import Candidates, Paths
from recall.histories import places_from_end, played_songs, user_song
from recall.interest_diagnostics import InterestDiagnostics, diagnose
from recall.interest_vectors import InterestVectors, best, search
from recall.latest import Latest
from recall.route_settings import read_settings, write_settings
from recall.serving import played_pairs
from recall.snapshot import Snapshot
from recall.vector_index import VectorIndex, Vectors
from recall.ward import ward_clusters

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClusterSettings:
    """What of a history is clustered, how finely, and what is served."""

    max_history: int = 200
    """Latest positive events of a user that are clustered."""
    threshold: float = 1.0
    """Clusters further apart by Ward's distance stay apart; two single songs are 0 (same vector) to 2 apart."""
    max_interests: int = 5
    """Clusters of a user that are served: those of the largest importance."""
    decay: float = 0.01
    """lambda: loss of an event's importance a day (a later event of the user, where time is ordinal)."""
    importance_power: float = 0.0
    """A medoid's cosines are multiplied by (importance / the user's largest)^power; 0 treats the clusters alike."""


class Medoids(NamedTuple):
    """The clusters of users that are served, by user and then by falling importance."""

    interests: InterestVectors
    """Vectors of the medoids, each of length 1 times its weight."""
    song: Ints
    """`[n_vectors]` the medoid of each."""


class ClusterRoute:
    """Songs near the medoids of the user's clusters."""

    name: ClassVar[str] = "clusters"

    def __init__(self, settings: ClusterSettings = ClusterSettings()) -> None:
        self.settings = settings

    def obstacle(self, snapshot: Snapshot) -> str | None:
        """Why the route cannot serve a snapshot; None if it can."""
        return None if snapshot.vectors is not None and snapshot.vectors.shape[1] else "there are no embeddings of songs to cluster"

    def fit(self, snapshot: Snapshot) -> None:
        """Observe: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's histories, and the vectors of its songs.

        Raises:
            ValueError: the snapshot has no vectors (see `obstacle`).
        """
        if snapshot.vectors is None:
            raise ValueError("clusters need the vectors of a snapshot")
        self._index = VectorIndex(unit(snapshot.vectors[: snapshot.catalogue.n_songs]))
        events = snapshot.positives
        events = events.take(places_from_end(events.user) < self.settings.max_history)
        weight = np.exp(-self.settings.decay * np.maximum(snapshot.age(events), 0)) * events.count
        self._history = user_song(snapshot, events, weight)
        self._played = played_songs(snapshot)
        self._medoids = Latest(self._medoids_of)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs nearest to any of the user's medoids."""
        found = search(self._index, self.medoids(users).interests, k, played_pairs(self._played, users) if new_only else None)
        return Candidates(users[found.row].astype(np.int32), found.item, found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Largest weighted cosine of the user's medoids to each item `[n]`; 0 without history."""
        distinct, row = np.unique(users, return_inverse=True)
        return best(self._index, self.medoids(distinct).interests, row, items)[0]

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The medoid that speaks for the item, or the item itself where it is that medoid."""
        distinct, row = np.unique(users, return_inverse=True)
        medoids = self.medoids(distinct)
        which = best(self._index, medoids.interests, row, items)[1]
        evidence = np.where(which >= 0, medoids.song[which] if len(medoids.song) else -1, -1)
        itself, known = evidence == items, evidence >= 0
        nodes = np.column_stack((evidence, np.where(itself | ~known, -1, items))).astype(np.int32)
        length = np.where(itself, 1, np.where(known, 2, 0)).astype(np.int8)
        return Paths(nodes, np.where(length == 2, 0, -1).astype(np.int16)[:, None], length, ("SIMILAR_TO",))

    def medoids(self, users: npt.NDArray[np.integer]) -> Medoids:
        """The most important clusters of `users` `[n]`; a user's depend on nobody else."""
        return self._medoids.of(users)

    def _medoids_of(self, users: npt.NDArray[np.int32]) -> Medoids:
        offsets, songs, cluster, weight = self.clusters(users)
        vectors = self._index.vectors
        owner, song, importance = cluster_medoids(vectors, offsets, songs, cluster, weight)
        order = np.lexsort((song, -importance, owner))
        owner, song, importance = owner[order], song[order], importance[order]
        first = np.searchsorted(owner, owner)
        kept = np.arange(len(owner)) - first < self.settings.max_interests
        weight = (importance / importance[first]) ** self.settings.importance_power
        sizes = np.bincount(owner[kept], minlength=len(users))
        served = vectors[song[kept]] * weight[kept, None].astype(np.float32)
        return Medoids(InterestVectors.of_sizes(sizes, served), song[kept])

    def clusters(self, users: npt.NDArray[np.integer]) -> tuple[Ints, Ints, Ints, npt.NDArray[np.float64]]:
        """Histories of `users` `[n]` as offsets `[n + 1]` and distinct songs, and for each song its cluster's number and its importance."""
        history = self._history[users]
        offsets, songs = history.indptr.astype(np.int64), history.indices.astype(np.int64)
        return offsets, songs, ward_clusters(self._index.vectors, offsets, songs, self.settings.threshold), history.data.astype(np.float64)

    def diagnose(self, users: npt.NDArray[np.integer], k: int = 100) -> InterestDiagnostics:
        """How different the medoids of `users` `[n]` are."""
        return diagnose(self._index, self.medoids(users).interests, k)

    def save(self, folder: Path) -> None:
        """Write the settings; histories and vectors are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, ClusterSettings))
        route.observe(snapshot)
        return route


def cluster_medoids(
    vectors: Vectors, offsets: Ints, songs: Ints, cluster: Ints, weight: npt.NDArray[np.float64]
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """Owner, medoid and importance of every cluster, owners ascending; of equally central songs the first is the medoid.

    Args:
        vectors: of songs, `[n_songs, dim]`.
        offsets: history `i` is `songs[offsets[i]:offsets[i + 1]]`.
        songs: `[n]`
        cluster: `[n]` number of each song's cluster within its history.
        weight: `[n]` importance of each song.
    """
    owner: Ints = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    # Clusters are numbered below the size of their history, so this names each once, owners ascending.
    name, group = np.unique(offsets[owner] + cluster, return_inverse=True)
    size, importance = np.bincount(group), np.bincount(group, weights=weight).astype(np.float64)
    points = vectors[songs].astype(np.float64)
    total = np.zeros((len(name), vectors.shape[1]))
    np.add.at(total, group, points)
    # sum_i |m - e_i|^2 = n |m|^2 - 2 m . sum e_i + a constant of the cluster; rounded, so that equal distances are ties.
    spread = size[group] * np.square(points).sum(axis=1) - 2 * np.einsum("nd,nd->n", points, total[group])
    order = np.lexsort((np.arange(len(songs)), np.round(spread, 9), group))
    medoid = order[np.unique(group[order], return_index=True)[1]] if len(songs) else order
    return owner[medoid], songs[medoid], importance


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to length 1; 0 stays 0."""
    norm = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norm > 0, norm, 1), np.float32)
