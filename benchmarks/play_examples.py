"""Examples from an imported service whose plays have an order but no exposures: each play beside a song that was not played then.

Kept free of this project's packages but for `PlayService.snapshot`, so that a peer's process in an environment of its own can read them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from recall.snapshot import Snapshot

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PlayService:
    """Plays of some listeners in order: listener `u` owns `item[offsets[u]:offsets[u + 1]]`. Artist and album are 0 where unknown."""

    offsets: Ints
    item: Ints
    artist: Ints
    """`[n_songs]`, from 1."""
    album: Ints

    @classmethod
    def read(cls, source: Path, n_users: int, seed: int = 0) -> PlayService:
        """`n_users` listeners of an import (SQLite), drawn by the seed, and the songs that they played."""
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as database:
            events = database.execute("select user_id, item_id, ts from events where behaviour in ('play', 'full_play')").fetchall()
            albums = dict(database.execute("select song_id, album_id from songs where album_id is not null"))
            artists = dict(database.execute("select song_id, min(artist_id) from song_artists group by song_id"))
        user, song, ts = (np.array(column) for column in zip(*events, strict=True))
        _, user = np.unique(user, return_inverse=True)
        chosen = np.isin(user, np.random.default_rng(seed).permutation(user.max() + 1)[:n_users])
        user, song, ts = user[chosen], song[chosen], ts[chosen]
        order = np.lexsort((np.arange(len(ts)), ts, user))
        _, user = np.unique(user[order], return_inverse=True)
        names, item = np.unique(song[order], return_inverse=True)
        offsets = np.concatenate(([0], np.cumsum(np.bincount(user))))
        return cls(offsets, item, *(_numbered([of.get(name) for name in names.tolist()]) for of in (artists, albums)))

    def of_listeners(self, users: Ints) -> PlayService:
        """The same songs, and only these listeners, in this order."""
        n = np.diff(self.offsets)[users]
        rows = np.arange(n.sum()) + np.repeat(self.offsets[users] - (np.cumsum(n) - n), n)
        return PlayService(np.concatenate(([0], np.cumsum(n))), self.item[rows], self.artist, self.album)

    @property
    def n_songs(self) -> int:
        """Songs that were played."""
        return len(self.artist)

    @property
    def user(self) -> Ints:
        """`[n]` listener of each play."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def snapshot(self) -> Snapshot:
        """The plays as full plays, songs' artists and albums as facts."""
        from dataclasses import replace

        from leave_last import Histories
        from snapshot_of import snapshot_of

        from graph.projection import Projection

        plain = snapshot_of(Histories(self.offsets, self.item), self.n_songs)
        keys = plain.projection.keys.tolist()
        heads, relations, tails = [], [], []
        for kind, relation, of_song in (("artist", "SUNG_BY", self.artist), ("album", "IN_ALBUM", self.album)):
            known = np.flatnonzero(of_song)
            heads += known.tolist()
            relations += [relation] * len(known)
            tails += (len(keys) - 1 + of_song[known]).tolist()
            keys += [f"{kind}:{number}" for number in range(1, int(of_song.max()) + 1)]
        return replace(plain, projection=Projection.build(keys, keys, self.n_songs, heads, relations, tails))


@dataclass(frozen=True)
class PlayExamples:
    """Labelled pairs `[n]`, each as of the play that it stands at."""

    play: Ints
    """Row of the play: the history is the listener's rows before it."""
    item: Ints
    label: npt.NDArray[np.float32]
    part: npt.NDArray[np.int8]
    """0 train, 1 validation, 2 test: the last two tenths of each listener's plays."""

    @classmethod
    def of(cls, service: PlayService, seed: int = 0) -> PlayExamples:
        """Every play but each listener's first five, and beside it a song drawn as often as it is played."""
        place = np.arange(len(service.item)) - service.offsets[service.user]
        share = place / np.diff(service.offsets)[service.user]
        play = np.flatnonzero(place >= 5)
        drawn = service.item[np.random.default_rng((seed, 1)).integers(0, len(service.item), len(play))]
        item, label = np.concatenate((service.item[play], drawn)), np.repeat(np.float32([1, 0]), len(play))
        part = np.tile(((share[play] >= 0.8).astype(np.int8) + (share[play] >= 0.9)).astype(np.int8), 2)
        order = np.argsort(np.tile(play, 2), kind="stable")
        return cls(np.tile(play, 2)[order], item[order], label[order], part[order])

    def rows(self, part: int) -> Ints:
        """Rows of one part."""
        return np.flatnonzero(self.part == part)

    def histories(self, service: PlayService, rows: Ints, length: int) -> tuple[Ints, Ints]:
        """Last `length` songs before each of `rows`, `[n, length]`, right-padded with -1; and how many there are."""
        play = self.play[rows]
        begin = np.maximum(service.offsets[service.user[play]], play - length)
        at = begin[:, None] + np.arange(length)
        return np.where(at < play[:, None], service.item[np.minimum(at, len(service.item) - 1)], -1), play - begin


def house_examples(service: PlayService, examples: PlayExamples, rows: Ints) -> Any:
    """The rows as the house's examples on `service.snapshot()`, whose events are ordered by place in the history, then by listener."""
    from ranking.ranker import Examples

    place = np.arange(len(service.item)) - service.offsets[service.user]
    event = np.empty(len(place), np.int64)
    event[np.argsort(place, kind="stable")] = np.arange(len(place))
    play = examples.play[rows]
    user, item = service.user[play].astype(np.int32), examples.item[rows].astype(np.int32)
    return Examples(user, item, examples.label[rows], event[play], place[play] * 60, np.full(len(rows), -1, np.int16))


def _numbered(names: list[Any]) -> Ints:
    """`[n]` numbers from 1 in the order of the names, 0 for None."""
    known = sorted({name for name in names if name is not None})
    number = {name: place for place, name in enumerate(known, start=1)}
    return np.array([number.get(name, 0) for name in names], np.int64)
