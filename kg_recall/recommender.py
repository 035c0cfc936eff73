"""Recommendations for users, in the schema of batch files: ordered, attributed, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.errors import UserError
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.fm import FmSession
from kg_recall.fm_odds import StreamHouse, fm_odds
from kg_recall.kinds import ItemLists, KindLists, extended
from kg_recall.listening import is_played, pair_code, popularity_order
from kg_recall.reasons import Language, path_tokens, reasons, texts
from kg_recall.reranking import NO_CONSTRAINTS, Reranking
from ranking.rerank.settings import RerankSettings
from ranking.stream_settings import StreamSettings
from recall.candidates import Paths
from recall.kind_settings import KindSettings
from recall.made_of_songs import KINDS
from recall.snapshot import Snapshot

if TYPE_CHECKING:
    from kg_recall.context import Context

Repeats = Literal["include", "exclude"]

SONG_SCENARIOS: Final = ("daily", "fm")
KIND_SCENARIOS: Final = tuple(KINDS)
"""Scenarios of items made of songs."""
SCENARIOS: Final = (*SONG_SCENARIOS, *KIND_SCENARIOS)
BELOW_FILL: Final = 2.0
"""What other versions of a listed work are lowered by: songs that fill a list stand within less than that below its last."""

BATCH_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "user_id": pl.String,
    "rank": pl.Int32,
    "item_kind": pl.String,
    "item_id": pl.String,
    "score": pl.Float32,
    "routes": pl.List(pl.String),
    "reason": pl.String,
    "path": pl.List(pl.String),
}


class _Words(NamedTuple):
    """What lists say in words, as columns of text."""

    snapshot: Snapshot
    user_id: pl.Series
    """`[n_users]`"""
    key: pl.Series
    """`[n_nodes]`"""
    name: pl.Series
    """`[n_nodes]`"""
    artist: pl.Series
    """`[n_songs]`"""

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Words:
        """The texts of a snapshot."""
        catalogue, projection = snapshot.catalogue, snapshot.projection
        key, name = (pl.Series(column.tolist(), dtype=pl.String) for column in (projection.keys, projection.names))
        return cls(snapshot, catalogue.users["user_id"].cast(pl.String), key, name, catalogue.songs["artist"])


class Recommender:
    """The serving end of a cascade."""

    def __init__(
        self,
        cascade: Cascade,
        scenes: tuple[str, ...],
        language: Language = "en",
        stream: StreamSettings | None = None,
        rerank: RerankSettings = NO_CONSTRAINTS,
        kinds: KindSettings | None = None,
    ) -> None:
        self.cascade = cascade
        self.reranking = Reranking(cascade, rerank)
        self.scenes = scenes
        self.language = language
        self.stream = stream or StreamSettings()
        self._words: _Words | None = None
        self.kinds = kinds or KindSettings()
        self._kinds: dict[str, KindLists] = {}
        self._stream_house: StreamHouse | None = None

    @classmethod
    def load(cls, context: Context) -> Recommender:
        """The recommender of a workspace.

        Raises:
            UserError: nothing has been trained yet.
        """
        from kg_recall.training import load_serving

        cascade = load_serving(context)
        said = context.settings.recommend
        return cls(cascade, cascade.snapshot.scenes, said.language, said.fm, rerank=said.rerank, kinds=said.kinds)

    def recommend(self, users: npt.NDArray[np.int32], k: int, scenario: str = "daily", repeats: Repeats = "include") -> pl.DataFrame:
        """The best `k` items of each user: the columns of `BATCH_SCHEMA` and `title`, `artist`.

        Exactly `k` rows a user where so many songs (or playlists, MVs, Mlogs) remain that the user has not refused.

        Raises:
            UserError: unknown scenario.
        """
        if scenario not in SCENARIOS:
            raise UserError(f"scenario '{scenario}' is unknown: choose one of {', '.join(SCENARIOS)}")
        if scenario in KIND_SCENARIOS:
            parts = [self._of_kind(chunk, k, scenario) for chunk in self.cascade.chunks(users)]
            return pl.concat(parts) if parts else self._of_kind(users, k, scenario)
        parts = [self._songs(chunk, k, scenario, repeats) for chunk in self.cascade.chunks(users)]
        # Nobody gets a frame of no rows, with the same columns.
        return pl.concat(parts) if parts else self._songs(users, k, scenario, repeats)

    def fm(self, user: int, repeats: Repeats = "include") -> FmSession:
        """A stream of songs for one user, who answers to each."""
        if self._stream_house is None or self._stream_house.snapshot is not self.cascade.snapshot:
            self._stream_house = StreamHouse.of(self.cascade.snapshot)
        return FmSession(self, user, self._stream_house, self.stream, repeats)

    def _songs(self, users: npt.NDArray[np.int32], k: int, scenario: str, repeats: Repeats) -> pl.DataFrame:
        cascade = self.cascade
        table = cascade.candidates(users)
        if repeats == "exclude":
            table = table.take(~is_played(cascade.snapshot, table.user, table.item))
        scene = self.scenes.index(scenario) if scenario in self.scenes else -1
        score = cascade.ranked(table, cascade.merged(table), scene)
        if scenario == "fm":
            score = fm_odds(cascade.snapshot, table.user, table.item, score, self.stream)
        lists = _in_order(users, table.user, table.item, score)
        lists = lists.take(~cascade.later_versions(lists))
        lists = self._filled(users, lists, self.reranking.pool(scenario), repeats)
        lists = self.reranking.of(lists, scenario, repeats=repeats == "include")
        lists = self._filled(users, lists, k, repeats)
        lists = lists.take(lists.rank <= k)
        found = table.rank_of(lists.user, lists.item)
        return self._frame(lists, "song", found)

    def _filled(self, users: npt.NDArray[np.int32], lists: RankedLists, k: int, repeats: Repeats) -> RankedLists:
        """Lists that candidates alone leave short are filled with the catalogue's other songs, most popular first.

        At last come other versions of what is listed already.
        """
        position = _position_of(users, lists.user)
        have = np.bincount(position, minlength=len(users))
        short = np.flatnonzero(have < k)
        if len(short) == 0:
            return lists
        n_songs = self.cascade.snapshot.catalogue.n_songs
        pair_user = np.repeat(users[short], n_songs)
        pair_item = np.tile(popularity_order(self.cascade.snapshot), len(short))
        open_pair = self.cascade.allowed(pair_user, pair_item)
        open_pair &= ~np.isin(pair_code(pair_user, pair_item, n_songs), pair_code(lists.user, lists.item, n_songs))
        if repeats == "exclude":
            open_pair &= ~is_played(self.cascade.snapshot, pair_user, pair_item)
        pair_user, pair_item = pair_user[open_pair], pair_item[open_pair]
        # Their score falls with popularity rank, below every scored candidate of the same user.
        floor = np.zeros(len(users), dtype=np.float32)
        np.minimum.at(floor, position, lists.score)
        fill = floor[_position_of(users, pair_user)] - 1 - np.flatnonzero(open_pair) % n_songs / n_songs
        user = np.concatenate([lists.user, pair_user])
        item = np.concatenate([lists.item, pair_item])
        score = np.concatenate([lists.score, fill.astype(np.float32)])
        filled = _in_order(users, user, item, score)
        last = np.where(self.cascade.later_versions(filled), filled.score - BELOW_FILL, filled.score).astype(np.float32)
        filled = _in_order(users, filled.user, filled.item, last)
        # A list that was long enough keeps all its rows, whoever else is asked.
        return filled.take(filled.rank <= np.maximum(have, k)[_position_of(users, filled.user)])

    def _of_kind(self, users: npt.NDArray[np.int32], k: int, kind: str) -> pl.DataFrame:
        """Playlists, MVs or Mlogs, each with the way to the song that says most for it, and on to the item."""
        made = self._kinds.get(kind)
        if made is None or made.snapshot is not self.cascade.snapshot:
            made = self._kinds[kind] = KindLists(self.cascade.snapshot, KINDS[kind], self.kinds)
        found = made.of(self.cascade, users, k, self.scenes.index(kind) if kind in self.scenes else -1)
        paths = extended(self._ways_to_songs(found), found.lists.item, KINDS[kind].hop)
        return self._frame(found.lists, kind, found.found, paths)

    def _ways_to_songs(self, found: ItemLists) -> Paths:
        """From the user's evidence to the song of each listed item, `[n]`; a song that the user liked is its own evidence."""
        rows = found.to_explain()
        songs = RankedLists(found.lists.user[rows], found.song[rows], found.lists.score[rows], found.lists.rank[rows])
        own = np.flatnonzero(found.is_own)
        itself = Paths.itself(found.song[own], np.ones(len(own), dtype=bool))
        return join_paths(len(found.song), [(own, itself), (rows, self._explain(songs, found.found[rows]))])

    def _frame(self, lists: RankedLists, kind: str, found: npt.NDArray[np.int32], paths: Paths | None = None) -> pl.DataFrame:
        """The columns of lists; without `paths` their items are songs, which the routes explain."""
        words, paths = self._words_now(), self._explain(lists, found) if paths is None else paths
        user_id = texts(words.user_id, lists.user)
        routes = {name: texts(pl.Series([name]), found[:, column].clip(0, 1) - 1) for column, name in enumerate(self.cascade.routes)}
        columns = {
            "user_id": user_id,
            "rank": lists.rank,
            "item_kind": pl.repeat(kind, len(lists.user), dtype=pl.String, eager=True),
            "item_id": texts(words.key, lists.item).str.slice(len(kind) + 1),
            "score": lists.score,
            "routes": pl.DataFrame(routes).select(routes=pl.concat_list(pl.all()).list.drop_nulls())["routes"],
            "reason": reasons(paths, words.name, kind, self.language),
            "path": path_tokens(paths, words.key, "user:" + user_id),
            "title": texts(words.name, lists.item),
            "artist": texts(words.artist, np.where(lists.item < len(words.artist), lists.item, -1)),
        }
        return pl.DataFrame(columns, schema_overrides=BATCH_SCHEMA)

    def _words_now(self) -> _Words:
        """The texts of the snapshot, made once for each."""
        if self._words is None or self._words.snapshot is not self.cascade.snapshot:
            self._words = _Words.of(self.cascade.snapshot)
        return self._words

    def _explain(self, lists: RankedLists, found: npt.NDArray[np.int32]) -> Paths:
        """The path of each item by the route that speaks for it, `[n]`."""
        speaker = speaking_route(list(self.cascade.routes), found)
        speaks = speaker[:, None] == np.arange(found.shape[1])
        parts: list[tuple[npt.NDArray[np.intp], Paths]] = []
        silent = np.ones(len(lists.user), dtype=bool)
        # First the route that speaks for an item; where it cannot say why, another that lists the item; at last any that can.
        for asked in (speaks, (found > 0) & ~speaks, found == 0):
            for column, route in enumerate(self.cascade.routes.values()):
                rows = np.flatnonzero(silent & asked[:, column])
                if len(rows):
                    parts.append((rows, route.explain(lists.user[rows], lists.item[rows])))
                    silent[rows[parts[-1][1].length > 0]] = False
        return join_paths(len(lists.user), parts)


def speaking_route(names: list[str], found: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Which route explains each item, `[n]` column of `found` (ranks `[n, n_routes]`, 0 = not listed), -1 where none lists it.

    `repeat` where it lists the item (nothing says more about a song than having loved it), else `graph` (a fact explains
    better than a correlation), else the route that lists it highest.
    """
    best = np.where(found > 0, found, np.iinfo(np.int32).max)
    for preferred in ("graph", "repeat"):
        if preferred in names:
            column = names.index(preferred)
            best[found[:, column] > 0, column] = -1 if preferred == "repeat" else 0
    if best.shape[1] == 0:
        return np.full(len(best), -1, dtype=np.int32)
    speaker = best.argmin(axis=1).astype(np.int32)
    return np.where((found > 0).any(axis=1), speaker, np.int32(-1))


def join_paths(n: int, parts: list[tuple[npt.NDArray[np.intp], Paths]]) -> Paths:
    """One `Paths` of `n` rows from parts that each fill some rows; a later part fills only rows that still have no path."""
    width = max([part.nodes.shape[1] for _, part in parts], default=1)
    names = sorted({name for _, part in parts for name in part.step_names})
    nodes = np.full((n, width), -1, dtype=np.int32)
    steps = np.full((n, max(width - 1, 0)), -1, dtype=np.int16)
    length = np.zeros(n, dtype=np.int8)
    profile = np.zeros(n, dtype=bool)
    for rows, part in parts:
        free = length[rows] == 0
        rows = rows[free]
        code = np.array([*(names.index(name) for name in part.step_names), -1], dtype=np.int16)
        nodes[rows, : part.nodes.shape[1]] = part.nodes[free]
        steps[rows, : part.steps.shape[1]] = code[part.steps[free]]
        length[rows] = part.length[free]
        if part.from_profile is not None:
            profile[rows] = part.from_profile[free]
    return Paths(nodes, steps, length, tuple(names), profile)


def _in_order(
    users: npt.NDArray[np.int32], user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], score: npt.NDArray[np.float32]
) -> RankedLists:
    """Lists of rows in any order, the users as `users` has them."""
    order = np.argsort(_position_of(users, user), kind="stable")
    return RankedLists.of(user[order], item[order], score[order])


def _position_of(users: npt.NDArray[np.int32], user: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    order = np.argsort(users, kind="stable")
    return np.asarray(order[np.searchsorted(users, user, sorter=order)])
