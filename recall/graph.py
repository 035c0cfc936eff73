"""The graph route: songs (or MVs, mlogs, any kind) that typed relations join to what the listener liked lately.

Seeds are the user's positive songs, decayed by age; `graph.multihop` spreads their weight along meta-paths. What a song passes on is
shared out by its neighbours' popularity, so that of an artist's hundred songs the known ones come first. How much each meta-path counts is
learned from which new songs listeners went on to play (`recall.metapath_weights`), on a time-later slice of what the route is fitted on:
it needs no window of its own, and cannot have seen what it is judged by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.sparse import csr_array

from etl.errors import UserError
from graph.hops import SpreadSettings, walkable
from graph.metapaths import DEFAULT_META_PATHS, MetaPath, expanded, to_kind
from graph.multihop import MultiHop, Ragged, Seeds
from recall.candidates import Candidates, Paths
from recall.histories import played_songs
from recall.later_slice import LaterSlice, later_slice
from recall.latest import FEW_USERS, Latest
from recall.metapath_weights import MetaPathWeights, check_weights, evidence
from recall.seeds import SeedSettings, check_above_zero, listeners, user_seeds
from recall.snapshot import Snapshot
from recall.top_k import candidates, dense_top_k, rows_at
from recall.weight_table import relation_table, weight_table

SONG = "song"
SECTION = "recall.graph"


@dataclass(frozen=True)
class GraphRecallSettings(SeedSettings):
    """What of a history counts as evidence, how it spreads, and how the chains are weighed."""

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
    learn: bool = True
    """Weigh meta-paths and relations by what listeners went on to play; false: the weights that the meta-paths come with."""
    learn_share: float = 0.1
    """Share of the events, the latest ones, that the weights are learned from."""
    learn_users: int = 5000
    """At most so many users are learned from, drawn by seed."""
    pseudo_plays: float = 5.0
    """How many plays a weight's own data must outweigh before it leaves the weight that it would have without them."""
    offer_parts: bool = False
    """Give the merge what each chain says of a candidate, not only their sum. Off: on real plays the gain is within the noise, and a
    table of candidates takes some 150 bytes more a row."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weights of meta-paths set by hand, by their hops (`"IN_ALBUM.<IN_ALBUM" = 0.5`); 0 switches one off."""
    relations: dict[str, float] = field(default_factory=dict)
    """What a hop over a relation counts, either way, set by hand (`SUNG_BY = 0.5`): in place of what was learned of it."""

    def __post_init__(self) -> None:
        above_zero = ("half_life_days", "half_life_plays", "max_seeds", "fanout", "max_hops", "threads", "learn_users", "pseudo_plays")
        check_above_zero(self, SECTION, *above_zero)
        if not 0 <= self.hop_decay <= 1:
            raise UserError(f"hop_decay = {self.hop_decay} in [{SECTION}] must lie between 0 and 1: set it so or leave it out")
        if not 0 < self.learn_share < 1:
            raise UserError(f"learn_share = {self.learn_share} in [{SECTION}] must lie between 0 and 1: set it so or leave it out")

    @property
    def spread(self) -> SpreadSettings:
        """The part that the kernels' edges are weighed by."""
        return SpreadSettings(self.hop_decay, self.hub_damping, self.fanout, self.max_hops)


class GraphRoute:
    """Multi-hop recall over the projection; `fit` learns the weights of the chains, `observe` counts."""

    name: ClassVar[str] = "graph"
    learned: MetaPathWeights
    """Weights that `fit` found; without any, the meta-paths' own."""

    def __init__(
        self,
        settings: GraphRecallSettings = GraphRecallSettings(),
        meta_paths: Sequence[MetaPath] = DEFAULT_META_PATHS,
    ) -> None:
        self.settings = settings
        self.meta_paths = tuple(meta_paths)
        self.learned = MetaPathWeights.none()

    def fit(self, snapshot: Snapshot) -> None:
        """Learn weights from the latest events of the snapshot, by what stood before them; then observe all of it."""
        self.learned = MetaPathWeights.none()
        if self.settings.learn:
            self.learned = self._learn(later_slice(snapshot, self.settings.learn_share), snapshot.seed)
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the users' seeds, the popularity of every entity, and the facts known at the snapshot's moment."""
        self._snapshot = snapshot
        self._kind = snapshot.catalogue.entities["kind"].to_numpy().astype(str)
        self._chains = expanded(self.meta_paths, snapshot.projection.relations)
        check_weights(f"{SECTION}.weights", self.settings.weights, [path.key for path in self._chains])
        check_weights(f"{SECTION}.relations", self.settings.relations, sorted({name for path in self._chains for name in path.relations}))
        self._seeds = user_seeds(snapshot, self.settings)
        self._played = played_songs(snapshot)
        self._popularity = np.power(1.0 + listeners(snapshot), self.settings.popularity_power)
        self._multihop: dict[str, MultiHop] = {}
        self._scores = Latest(self._scores_of_all)
        self._priors: dict[str, npt.NDArray[np.float32]] = {}

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs with the most evidence from other songs of the history."""
        exclude = self._played if new_only else None
        if len(users) > FEW_USERS:
            return self._recall(users, k, SONG, exclude)
        return candidates(users, dense_top_k(self._scores.of(users), users, k, exclude))

    def recall_kind(self, users: npt.NDArray[np.int32], k: int, kind: str) -> Candidates:
        """The same for entities of another kind: those of a song heard, and of songs that relations join to it. Items are entity ids."""
        return self._recall(users, k, kind, None)

    def _recall(self, users: npt.NDArray[np.int32], k: int, kind: str, exclude: csr_array | None) -> Candidates:
        found = self._hops_to(kind).top_k(
            _seeds_of(self._seeds, users),
            k,
            self._prior(kind),
            exclude=None if exclude is None else Ragged(*rows_at(exclude, users)[:2]),
            threads=self.settings.threads,
        )
        return Candidates(users[found.user].astype(np.int32), found.item, found.score)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Evidence of each pair `[n]`, of songs or of other entities; 0 where no meta-path arrives."""
        distinct, row = np.unique(users, return_inverse=True)
        if len(distinct) <= FEW_USERS and (items < self._snapshot.projection.n_songs).all():
            return self._scores.of(distinct)[row, items]
        score = np.zeros(len(users), dtype=np.float32)

        def fill(kind: str, rows: npt.NDArray[np.intp], seeds: Seeds, pairs: Ragged) -> None:
            found = self._hops_to(kind).scores_of_pairs(seeds, pairs, self._prior(kind), threads=self.settings.threads)
            score[rows] = found

        self._by_kind(users, items, fill)
        return score

    @property
    def offers_parts(self) -> bool:
        """Whether the merge is given the parts."""
        return self.settings.offer_parts

    @property
    def part_names(self) -> tuple[str, ...]:
        """What the columns of `parts` are of: meta-paths of one name stand in one column."""
        usable = walkable(self._snapshot.projection, self._chains, self.settings.max_hops)
        return tuple(dict.fromkeys(path.name for path in usable))

    def parts(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """What each meta-path adds to the score of each pair of user and song, `[n, n_parts]`.

        Without evidence against (`negative_weight` 0) a row sums to `score`.
        """
        names, hops = self.part_names, self._hops_to(SONG)
        order = np.argsort(users, kind="stable")
        distinct, count = np.unique(users[order], return_counts=True)
        pairs = Ragged(np.concatenate(([0], np.cumsum(count))), items[order].astype(np.int32))
        found = hops.parts(_seeds_of(self._seeds, distinct), pairs, self._prior(SONG), threads=self.settings.threads).score
        part = np.zeros((len(users), len(names)), dtype=np.float32)
        for column, path in enumerate(hops.meta_paths):
            part[order, names.index(path.name)] += np.float32(path.weight) * found[:, column]
        return part

    def weight_table(self) -> pl.DataFrame:
        """The meta-paths with the weights that count, for people to read and overrule."""
        counted = {path.key: path.weight for path in self._weighed()}
        usable = walkable(self._snapshot.projection, self._chains, self.settings.max_hops)
        return weight_table(usable, counted, self.learned, self.settings.weights)

    def relation_table(self) -> pl.DataFrame:
        """The relations with what a hop over each counts."""
        return relation_table(self.learned, self.settings.relations)

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

    def _learn(self, later: LaterSlice, seed: int) -> MetaPathWeights:
        """Weights of the chains under which `later` would have been least surprising."""
        self.observe(later.before)
        users = np.unique(later.user)
        drawn = np.sort(np.random.default_rng(seed).permutation(users)[: self.settings.learn_users])
        rows = np.isin(later.user, drawn)
        hops, prior = self._multihop_of(self._chains), self._prior(SONG)
        pairs = Ragged(np.searchsorted(later.user[rows], np.append(drawn, np.iinfo(np.int32).max)), later.item[rows])
        exclude = Ragged(*rows_at(self._played, drawn)[:2])
        found = hops.parts(_seeds_of(self._seeds, drawn), pairs, prior, exclude=exclude, threads=self.settings.threads)
        user = np.repeat(np.arange(len(drawn)), np.diff(pairs.offsets))
        return MetaPathWeights.fit(
            hops.meta_paths, evidence(hops.meta_paths, found, user, prior[pairs.items] / max(prior.sum(), 1)), self.settings.pseudo_plays
        )

    def save(self, folder: Path) -> None:
        """Write settings, meta-paths and learned weights; the counts are those of whatever snapshot is observed."""
        self.learned.save(folder)
        paths = [asdict(path) for path in self.meta_paths]
        (folder / "settings.json").write_text(json.dumps({"settings": asdict(self.settings), "meta_paths": paths}))

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        saved = json.loads((folder / "settings.json").read_text())
        paths = [MetaPath(path["name"], tuple(path["hops"]), path["weight"]) for path in saved["meta_paths"]]
        route = cls(GraphRecallSettings(**saved["settings"]), paths)
        route.learned = MetaPathWeights.load(folder)
        route.observe(snapshot)
        return route

    def _scores_of_all(self, users: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Evidence of every song, `[len(users), n_nodes]`; 0 for other nodes."""
        return self._hops_to(SONG).scores_of_all(_seeds_of(self._seeds, users), self._prior(SONG), threads=self.settings.threads)

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
            paths = self._weighed()
            if kind != SONG:
                paths = to_kind(paths, self._last_hops(kind), self.settings.max_hops)
            self._multihop[kind] = self._multihop_of(paths)
        return self._multihop[kind]

    def _multihop_of(self, paths: Sequence[MetaPath]) -> MultiHop:
        snapshot = self._snapshot
        return MultiHop.build(snapshot.projection, paths, self.settings.spread, now=snapshot.now, importance=self._popularity)

    def _weighed(self) -> tuple[MetaPath, ...]:
        """The chains of this projection with the weights that count: by hand, else learned, else their own."""
        learned = self.learned.overruled(self.settings.relations).applied(self._chains)
        by_hand = self.settings.weights
        return tuple(replace(path, weight=by_hand.get(path.key, path.weight)) for path in learned)

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


def _seeds_of(matrix: csr_array, rows: npt.NDArray[np.integer]) -> Seeds:
    return Seeds(*rows_at(matrix, rows))
