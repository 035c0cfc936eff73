"""The graph route: songs (or MVs, mlogs, any kind) that typed relations join to what the listener liked lately.

Seeds are the user's positive songs, decayed by age; `graph.multihop` spreads their weight along meta-paths. What a song passes on is
shared out by its neighbours' popularity, so that of an artist's hundred songs the known ones come first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.behaviours import NEGATIVE, PLAYED, Behaviour
from etl.errors import UserError
from etl.events import Events
from graph.hops import SpreadSettings
from graph.metapaths import DEFAULT_META_PATHS, MetaPath, to_kind
from graph.multihop import MultiHop, Ragged, Seeds
from recall.candidates import Candidates, Paths
from recall.histories import half_life_decay, played_songs, user_song
from recall.snapshot import Snapshot

SONG = "song"


@dataclass(frozen=True)
class GraphRecallSettings:
    """What of a history counts as evidence, and how it spreads. Defaults chosen on the validation part of a real listening log."""

    half_life_days: float = 30.0
    """A song of the history counts half after so many days."""
    half_life_plays: float = 20.0
    """The same where time is ordinal, in later positive events of the user."""
    repeat_power: float = 0.5
    """The decayed count of a song's positives is raised to it: hearing a song often is not hearing many songs of an artist."""
    negative_weight: float = 0.0
    """What a skip, dislike or block of a song takes away, in units of one positive event; 0: nothing."""
    max_seeds: int = 500
    """At most so many songs of a user are seeds: those of largest weight."""
    popularity_power: float = 0.6
    """A candidate's score is multiplied by (1 + number of its listeners)^power."""
    hop_decay: float = 0.8
    """What one hop leaves of the evidence."""
    hub_damping: float = 0.75
    """A hop from a node with d edges of its kind is divided by d^hub_damping."""
    fanout: int = 2000
    """A hop leads to at most so many neighbours of a node, those of most listeners."""
    max_hops: int = 6
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("half_life_days", "half_life_plays", "max_seeds", "fanout", "max_hops", "threads"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} = {getattr(self, name)} in [recall.graph] must be greater than 0: set it so or leave it out")
        if not 0 <= self.hop_decay <= 1:
            raise UserError(f"hop_decay = {self.hop_decay} in [recall.graph] must lie between 0 and 1: set it so or leave it out")

    @property
    def spread(self) -> SpreadSettings:
        """The part that the kernels' edges are weighed by."""
        return SpreadSettings(self.hop_decay, self.hub_damping, self.fanout, self.max_hops)


class GraphRoute:
    """Multi-hop recall over the projection; nothing is learned, `observe` counts."""

    name: ClassVar[str] = "graph"

    def __init__(
        self,
        settings: GraphRecallSettings = GraphRecallSettings(),
        meta_paths: Sequence[MetaPath] = DEFAULT_META_PATHS,
    ) -> None:
        self.settings = settings
        self.meta_paths = tuple(meta_paths)

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the users' seeds, the popularity of every entity, and the facts known at the snapshot's moment."""
        self._snapshot = snapshot
        self._kind = snapshot.catalogue.entities["kind"].to_numpy().astype(str)
        self._seeds = user_seeds(snapshot, self.settings)
        self._played = played_songs(snapshot)
        self._popularity = np.power(1.0 + _listeners(snapshot), self.settings.popularity_power)
        self._multihop: dict[str, MultiHop] = {}
        self._priors: dict[str, npt.NDArray[np.float32]] = {}

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs with the most evidence from other songs of the history."""
        return self._recall(users, k, SONG, self._played if new_only else None)

    def recall_kind(self, users: npt.NDArray[np.int32], k: int, kind: str) -> Candidates:
        """The same for entities of another kind: those of a song heard, and of songs that relations join to it. Items are entity ids."""
        return self._recall(users, k, kind, None)

    def _recall(self, users: npt.NDArray[np.int32], k: int, kind: str, exclude: csr_array | None) -> Candidates:
        found = self._hops_to(kind).top_k(
            _seeds_of(self._seeds, users),
            k,
            self._prior(kind),
            exclude=None if exclude is None else Ragged(*_rows(exclude, users)[:2]),
            threads=self.settings.threads,
        )
        return Candidates(users[found.user].astype(np.int32), found.item, found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Evidence of each pair `[n]`, of songs or of other entities; 0 where no meta-path arrives."""
        score = np.zeros(len(users), dtype=np.float32)

        def fill(kind: str, rows: npt.NDArray[np.intp], seeds: Seeds, pairs: Ragged) -> None:
            found = self._hops_to(kind).scores_of_pairs(seeds, pairs, self._prior(kind), threads=self.settings.threads)
            score[rows] = found

        self._by_kind(users, items, fill)
        return score

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The walk from a song of the history that adds most to each pair's score."""
        longest = self.settings.max_hops
        nodes = np.full((len(users), longest + 1), -1, dtype=np.int32)
        steps = np.full((len(users), longest), -1, dtype=np.int16)

        def fill(kind: str, rows: npt.NDArray[np.intp], seeds: Seeds, pairs: Ragged) -> None:
            best = self._hops_to(kind).best_paths(seeds, pairs, threads=self.settings.threads)
            nodes[rows, : best.nodes.shape[1]] = best.nodes
            steps[rows, : best.steps.shape[1]] = best.steps

        self._by_kind(users, items, fill)
        return Paths(nodes, steps, np.count_nonzero(nodes >= 0, axis=1).astype(np.int8), self._snapshot.projection.step_names)

    def save(self, folder: Path) -> None:
        """Write settings and meta-paths; the counts are those of whatever snapshot is observed."""
        paths = [asdict(path) for path in self.meta_paths]
        (folder / "settings.json").write_text(json.dumps({"settings": asdict(self.settings), "meta_paths": paths}))

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        saved = json.loads((folder / "settings.json").read_text())
        paths = [MetaPath(path["name"], tuple(path["hops"]), path["weight"]) for path in saved["meta_paths"]]
        route = cls(GraphRecallSettings(**saved["settings"]), paths)
        route.observe(snapshot)
        return route

    def _by_kind(
        self,
        users: npt.NDArray[np.int32],
        items: npt.NDArray[np.int32],
        fill: Callable[[str, npt.NDArray[np.intp], Seeds, Ragged], None],
    ) -> None:
        """Call `fill` for the pairs of each kind of item, with the seeds of their users."""
        kind_of = self._kind[items]
        for kind in np.unique(kind_of).tolist():
            rows = np.flatnonzero(kind_of == kind)
            rows = rows[np.argsort(users[rows], kind="stable")]
            distinct, count = np.unique(users[rows], return_counts=True)
            offsets = np.concatenate(([0], np.cumsum(count)))
            fill(kind, rows, _seeds_of(self._seeds, distinct), Ragged(offsets, items[rows].astype(np.int32)))

    def _hops_to(self, kind: str) -> MultiHop:
        if kind not in self._multihop:
            paths = self.meta_paths if kind == SONG else to_kind(self.meta_paths, self._last_hops(kind), self.settings.max_hops)
            self._multihop[kind] = MultiHop.build(
                self._snapshot.projection, paths, self.settings.spread, now=self._snapshot.now, importance=self._popularity
            )
        return self._multihop[kind]

    def _last_hops(self, kind: str) -> list[str]:
        """Steps that lead from songs to entities of `kind`."""
        projection, n_entities = self._snapshot.projection, self._snapshot.catalogue.n_entities
        of_songs = slice(0, projection.indptr[projection.n_songs])
        step, target = projection.step[of_songs], projection.target[of_songs]
        inside = target < n_entities
        arrives = np.zeros(len(step), dtype=bool)
        arrives[inside] = self._kind[target[inside]] == kind
        return [projection.step_names[code] for code in np.unique(step[arrives])]

    def _prior(self, kind: str) -> npt.NDArray[np.float32]:
        """Popularity of the entities of `kind`; 0 for every other node."""
        if kind not in self._priors:
            prior = np.zeros(self._snapshot.projection.n_nodes, dtype=np.float32)
            of_kind = np.flatnonzero(self._kind == kind)
            prior[of_kind] = self._popularity[of_kind]
            self._priors[kind] = prior
        return self._priors[kind]


def user_seeds(snapshot: Snapshot, settings: GraphRecallSettings) -> csr_array:
    """Weight of every user's seeds, `[n_users, n_songs]`: decayed positives to a power, minus decayed negatives."""

    def decayed(events: Events) -> csr_array:
        half_life = settings.half_life_plays if snapshot.ordinal else settings.half_life_days
        return user_song(snapshot, events, half_life_decay(snapshot.age(events), half_life) * events.count)

    seeds = decayed(snapshot.positives)
    seeds.data **= np.float32(settings.repeat_power)
    if settings.negative_weight:
        negatives = snapshot.events.of(*NEGATIVE).of_songs(snapshot.catalogue.n_songs)
        seeds = csr_array(seeds - settings.negative_weight * decayed(negatives))
    return _heaviest(seeds, settings.max_seeds)


def _heaviest(matrix: csr_array, n: int) -> csr_array:
    """Only the `n` entries of largest absolute value of each row, ties by column."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -np.abs(matrix.data), row))
    kept = np.sort(order[np.arange(len(order)) - matrix.indptr[row[order]] < n])
    return csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)


def _listeners(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """How many users ever played each song, or met another entity with any behaviour but exposure, `[n_nodes]`."""
    events, n_songs, n_nodes = snapshot.events, snapshot.catalogue.n_songs, snapshot.projection.n_nodes
    met = np.isin(events.behaviour, PLAYED) | ((events.item >= n_songs) & (events.behaviour != Behaviour.EXPOSURE))
    pairs = np.unique(events.user[met].astype(np.int64) * n_nodes + events.item[met])
    return np.bincount(pairs % n_nodes, minlength=n_nodes)


def _rows(matrix: csr_array, rows: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    part = matrix[rows]
    return part.indptr.astype(np.int64), part.indices.astype(np.int32), part.data


def _seeds_of(matrix: csr_array, rows: npt.NDArray[np.integer]) -> Seeds:
    return Seeds(*_rows(matrix, rows))
