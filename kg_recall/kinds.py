"""Lists of items that are made of songs: playlists, MVs and Mlogs, by the cascade's taste for their songs and what is done with them.

What a listener has refused reaches them: an item that he has refused himself, or of which more than `refused_share` of the songs are
refused, is left out; below that, a refused song counts against its item as much as the best loved one counts for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from kg_recall.cascade import Cascade, RankedLists
from kg_recall.showable import refused_pairs
from recall.candidate_table import CandidateTable
from recall.candidates import Candidates, Paths
from recall.histories import distinct_pairs
from recall.kind_settings import KindSettings
from recall.made_of_songs import DEFAULTS, ItemTastes, Kind
from recall.snapshot import Snapshot
from recall.top_k import Rows, rows_at

CELLS = 4_000_000
"""Pairs of user and item scored at a time: bounds memory."""
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ItemLists:
    """Ranked items of one kind, and for each the song that says most for it."""

    lists: RankedLists
    song: Ints
    """`[n]` the song; -1 where the item has none that may be shown."""
    is_own: npt.NDArray[np.bool_]
    """`[n]` true where the user has liked that song: it is the evidence itself."""
    found: Ints
    """`[n, n_routes]` each route's rank of that song; 0 where the route did not list it."""

    def to_explain(self) -> npt.NDArray[np.intp]:
        """Rows whose song is not the listener's own: how the house came to it must be asked of the routes."""
        return np.flatnonzero(~self.is_own & (self.song >= 0))


class KindLists:
    """Lists of one kind of item at the moment of a snapshot; what does not depend on the user is found once."""

    def __init__(self, snapshot: Snapshot, kind: Kind, settings: KindSettings = DEFAULTS) -> None:
        self.snapshot, self.kind, self.settings = snapshot, kind, settings
        self.tastes = ItemTastes(snapshot, kind, settings)
        self._liked = distinct_pairs(snapshot, snapshot.positives)
        self._refused = _refused_songs(snapshot)
        self._owner = _owners(snapshot, self.tastes.makeup.item)

    def of(self, cascade: Cascade, users: Ints, k: int, scene: int = -1) -> ItemLists:
        """The best `k` items of each of `users` (distinct), in their order: exactly `k` where so many may be shown."""
        table = cascade.candidates(users)
        taste = song_taste(cascade, table, users, self.settings.half_rank, scene)
        refused = self._refused[users]
        taste = csr_array(taste - refused)
        size = max(1, CELLS // max(len(self.tastes.makeup.item), 1))
        chunks = [slice(at, at + size) for at in range(0, max(len(users), 1), size)]
        parts = [self._best(cascade, users[chunk], taste[chunk], refused[chunk], k) for chunk in chunks]
        lists = RankedLists.of(*(np.concatenate([getattr(part, column) for part in parts]) for column in ("user", "item", "score")))
        song, is_own = self._evidence(lists, users, taste)
        return ItemLists(lists, song, is_own, table.rank_of(lists.user, song))

    def _best(self, cascade: Cascade, users: Ints, taste: csr_array, refused: csr_array, k: int) -> Candidates:
        """The best `k` that may be shown."""
        makeup = self.tastes.makeup
        score = self.tastes.scores(users, taste, self._evidence_of_graph(cascade, users))
        fine = cascade.allowed(np.repeat(users, len(makeup.item)), np.tile(makeup.item, len(users))).reshape(score.shape)
        n_refused = (refused @ makeup.songs.T).toarray()
        fine &= n_refused <= self.settings.refused_share * makeup.n_songs
        fine &= users[:, None] != self._owner[None, :]
        if self.kind.holds_songs_only:
            fine &= makeup.n_songs > 0
        # A stable sort of ascending items breaks ties by id.
        order = np.argsort(np.where(fine, -score, np.inf), axis=1, kind="stable")[:, :k]
        row = np.repeat(np.arange(len(users)), order.shape[1])
        column = order.ravel()
        shown = fine[row, column]
        row, column = row[shown], column[shown]
        return Candidates(users[row], makeup.item[column], score[row, column])

    def _evidence_of_graph(self, cascade: Cascade, users: Ints) -> npt.NDArray[np.float32] | None:
        """`[len(users), n_items]` score of each item by the graph route; None where it is off."""
        route, item = cascade.routes.get("graph"), self.tastes.makeup.item
        if route is None or self.settings.graph == 0:
            return None
        # Of what someone has added to the graph the route knows no kind.
        known = np.flatnonzero(item < self.snapshot.catalogue.n_entities)
        score = np.zeros((len(users), len(item)), dtype=np.float32)
        pairs = np.repeat(users, len(known)), np.tile(item[known], len(users))
        score[:, known] = route.score(*pairs).reshape(len(users), len(known))
        return np.maximum(score, 0)

    def _evidence(self, lists: RankedLists, users: Ints, taste: csr_array) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """The song of each listed item that the user liked, else thinks most of; among equals the first."""
        makeup = self.tastes.makeup
        held = rows_at(makeup.songs, np.searchsorted(makeup.item, lists.item))
        row, song = np.repeat(np.arange(len(lists.item)), np.diff(held.indptr)), held.indices
        user = _place(users, lists.user)[row]
        own = _at(rows_at(self._liked, users), user, song) > 0
        value = _at(rows_at(taste, np.arange(len(users))), user, song)
        own &= value >= 0
        order = np.lexsort((song, -value, ~own, row))
        first = order[np.unique(row[order], return_index=True)[1]]
        found, is_own = np.full(len(lists.item), -1, dtype=np.int32), np.zeros(len(lists.item), dtype=bool)
        found[row[first]], is_own[row[first]] = song[first], own[first]
        refused = np.zeros(len(found), dtype=bool)
        refused[row[first]] = value[first] < 0
        return np.where(refused, -1, found).astype(np.int32), is_own


def song_taste(cascade: Cascade, table: CandidateTable, users: Ints, half_rank: float, scene: int) -> csr_array:
    """`[len(users), n_songs]` in (0, 1]: what the cascade thinks of songs, by their place in its list; songs it does not list are 0."""
    lists = RankedLists.of(table.user, table.item, cascade.ranked(table, cascade.merged(table), scene))
    value = half_rank / (half_rank + lists.rank - 1.0)
    shape = (len(users), cascade.snapshot.catalogue.n_songs)
    return csr_array((value, (_place(users, lists.user), lists.item)), shape=shape)


def extended(paths: Paths, items: Ints, hop: str) -> Paths:
    """Paths one hop longer, that end at `items` `[n]`; a row without a path stays without."""
    n, width = paths.nodes.shape
    nodes = np.full((n, width + 1), -1, dtype=np.int32)
    steps = np.full((n, width), -1, dtype=np.int16)
    nodes[:, :width], steps[:, : width - 1] = paths.nodes, paths.steps
    rows = np.flatnonzero(paths.length > 0)
    nodes[rows, paths.length[rows]] = items[rows]
    names = (*paths.step_names, *(() if hop in paths.step_names else (hop,)))
    steps[rows, paths.length[rows] - 1] = names.index(hop)
    return Paths(nodes, steps, np.where(paths.length > 0, paths.length + 1, 0).astype(np.int8), names, paths.from_profile)


def _place(users: Ints, user: Ints) -> npt.NDArray[np.intp]:
    """Where each of `user` `[n]` stands in `users`."""
    order = np.argsort(users, kind="stable")
    return np.asarray(order[np.searchsorted(users, user, sorter=order)])


def _owners(snapshot: Snapshot, item: Ints) -> Ints:
    """`[n_items]` the user whose own an item is; -1 where the source does not say."""
    of_entity = np.full(snapshot.projection.n_nodes, -1, dtype=np.int32)
    if snapshot.catalogue.owners is not None:
        of_entity[snapshot.catalogue.owners["item"].to_numpy()] = snapshot.catalogue.owners["user"].to_numpy()
    return of_entity[item]


def _refused_songs(snapshot: Snapshot) -> csr_array:
    """`[n_users, n_songs]` 1 for every song that a user has refused, itself or by its artist."""
    n_nodes, n_songs = snapshot.projection.n_nodes, snapshot.catalogue.n_songs
    pair = refused_pairs(snapshot)
    pair = pair[pair % max(n_nodes, 1) < n_songs]
    shape = (snapshot.catalogue.n_users, n_songs)
    return csr_array((np.ones(len(pair)), (pair // max(n_nodes, 1), pair % max(n_nodes, 1))), shape=shape)


def _at(rows: Rows, row: npt.NDArray[np.integer], col: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Entries `[n]` of a matrix of sorted columns; 0 where it has none."""
    code = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr)) << 32 | rows.indices
    if not len(code):
        return np.zeros(len(row))
    wanted = row.astype(np.int64) << 32 | col
    place = np.minimum(np.searchsorted(code, wanted), len(code) - 1)
    return np.where(code[place] == wanted, rows.data[place], 0.0)
