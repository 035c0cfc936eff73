"""What the learned merge knows of a candidate: every route's word, and traits of song, user and pair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.events import Events
from recall.candidate_table import CandidateTable
from recall.heard import Heard
from recall.histories import half_life_decay
from recall.own_sequence import COLUMNS as OWN_COLUMNS
from recall.own_sequence import OwnSequence
from recall.snapshot import Snapshot

FAR_RANK: Final = 10_000
"""Rank of a song that the route did not list: behind every listed one."""
FACETS: Final = {"artist": "SUNG_BY", "album": "IN_ALBUM"}
HALF_LIFE_DAYS: Final = 14.0
HALF_LIFE_PLAYS: Final = 50.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MergeFeatures:
    """The columns of a table of candidates at a snapshot's moment.

    A pair's columns depend on its user's rows of the table alone, so tables may be cut anywhere between users.
    """

    snapshot: Snapshot

    def names(self, routes: tuple[str, ...], parts: tuple[str, ...] = ()) -> list[str]:
        """Names of the columns for these routes and their parts."""
        of_routes = [f"{route} {what}" for route in routes for what in ("score", "score of best", "rank")]
        of_pair = ["song plays", "song last", *(f"{facet} {what}" for facet in FACETS for what in ("plays", "last", "share", "songs"))]
        of_parts = [f"{part} {what}" for part in parts for what in ("part", "part of best")]
        of_song = ["popularity", "trend", "release age", *PLACES]
        return [*of_routes, "routes", *of_song, "activity", "repeat share", *of_pair, *OWN_COLUMNS, *of_parts]

    def columns(self, table: CandidateTable) -> Floats:
        """What is known of each candidate, `[n_features, n]`; NaN where unknown."""
        columns = [*self._of_routes(table), *self._of_song(table.item), *self._of_listeners(table.user, table.item)]
        return np.stack([*columns, *self._of_parts(table)], dtype=np.float32, casting="same_kind")

    def matrix(self, table: CandidateTable) -> Floats:
        """The same as `[n, n_features]`."""
        return self.columns(table).T

    def _of_parts(self, table: CandidateTable) -> list[npt.NDArray[np.floating]]:
        if table.part is None or not len(table):
            return [np.zeros(len(table), np.float32)] * (2 * len(table.parts))
        heads = np.flatnonzero(np.concatenate([[True], table.user[1:] != table.user[:-1]]))
        best = np.repeat(np.maximum.reduceat(table.part, heads), np.diff(np.append(heads, len(table))), axis=0)
        of_best = table.part / np.where(best > 0, best, 1)
        return [column for pair in zip(table.part.T, of_best.T, strict=True) for column in pair]

    def _of_routes(self, table: CandidateTable) -> list[npt.NDArray[np.floating]]:
        heads = np.flatnonzero(np.concatenate([[True], table.user[1:] != table.user[:-1]])) if len(table) else np.zeros(0, np.intp)
        group = np.repeat(np.arange(len(heads)), np.diff(np.append(heads, len(table))))
        columns: list[npt.NDArray[np.floating]] = []
        for route in range(len(table.routes)):
            score = table.score[:, route]
            best = np.maximum.reduceat(score, heads)[group] if len(heads) else score
            rank = np.where(table.rank[:, route] > 0, table.rank[:, route], FAR_RANK)
            columns += [score, score / np.where(best > 0, best, 1), np.log(rank.astype(np.float32))]
        return [*columns, (table.rank > 0).sum(axis=1).astype(np.float32)]

    def _of_song(self, item: npt.NDArray[np.int32]) -> list[npt.NDArray[np.floating]]:
        return [column[item] for column in self._songs]

    @cached_property
    def _songs(self) -> list[Floats]:
        """Traits by song: log plays, share of the plays that is recent, release age in days, and its place within artist and album."""
        snapshot, plays = self.snapshot, self.snapshot.plays
        n_songs = snapshot.catalogue.n_songs
        count = np.bincount(plays.item, weights=plays.count, minlength=n_songs)
        recent = np.bincount(plays.item, weights=plays.count * self._decay(plays), minlength=n_songs)
        release = snapshot.catalogue.songs["release_ts"].cast(float).fill_null(np.nan).to_numpy()
        age = (snapshot.now - release) / 86_400 if not snapshot.ordinal else np.full(n_songs, np.nan)
        columns = [np.log1p(count), recent / np.maximum(count, 1), age]
        for relation in FACETS.values():
            song, group = self._facet(relation)
            of_group = np.bincount(group, weights=count[song], minlength=snapshot.projection.n_nodes)
            place = np.full(n_songs, np.nan)
            place[song] = count[song] / np.maximum(of_group[group], 1)
            columns.append(place)
        return [column.astype(np.float32) for column in columns]

    def _of_listeners(self, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> list[npt.NDArray[np.floating]]:
        """What listeners have played, as traits of each and of each pair. Only the plays of those asked for are gone through."""
        asked, place = np.unique(user, return_inverse=True)
        plays = self.snapshot.plays_of(asked)
        own = replace(plays, user=np.searchsorted(asked, plays.user).astype(np.int32))
        at = place.astype(np.int32)
        age = self.snapshot.age(own)
        songs_heard = Heard.by(own, own.item, age, len(asked))
        n_plays = np.bincount(own.user, minlength=len(asked))
        n_songs = np.bincount(songs_heard.key >> 32, minlength=len(asked))
        columns: list[npt.NDArray[np.floating]] = [np.log1p(n_plays)[at], (1 - n_songs / np.maximum(n_plays, 1))[at]]
        count, last, _ = songs_heard.of(at, item)
        columns += [np.log1p(count), np.log1p(last)]
        for relation in FACETS.values():
            first = self._first_of[relation]
            count, last, songs = Heard.by(own, first[own.item], age, len(asked)).of(at, first[item])
            columns += [np.log1p(count), np.log1p(last), songs / np.maximum(self._size_of[relation][first[item]], 1), np.log1p(songs)]
        return [*columns, *OwnSequence.of(own, len(asked)).columns(at, item)]

    def _facet(self, relation: str) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int32]]:
        """Song and node of every fact of a relation."""
        if relation not in self.snapshot.projection.relations:
            return np.zeros(0, np.intp), np.zeros(0, np.int32)
        offsets, node = self.snapshot.projection.facet(relation)
        return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), node

    @cached_property
    def _first_of(self) -> dict[str, npt.NDArray[np.int32]]:
        """By relation `[n_songs]`: first node of each song (its first artist, its album), -1 without."""
        found = {}
        for relation in FACETS.values():
            song, node = self._facet(relation)
            found[relation] = np.full(self.snapshot.catalogue.n_songs, -1, dtype=np.int32)
            found[relation][song[::-1]] = node[::-1]
        return found

    @cached_property
    def _size_of(self) -> dict[str, npt.NDArray[np.int64]]:
        """By relation `[n_nodes + 1]`: songs of each node, at last the 0 of a song without one."""
        n_nodes = self.snapshot.projection.n_nodes
        return {relation: np.bincount(self._facet(relation)[1], minlength=n_nodes + 1) for relation in FACETS.values()}

    def _decay(self, events: Events) -> npt.NDArray[np.float64]:
        half_life = HALF_LIFE_PLAYS if self.snapshot.ordinal else HALF_LIFE_DAYS
        return half_life_decay(self.snapshot.age(events), half_life)


PLACES: Final = [f"share of {facet}'s plays" for facet in FACETS]
