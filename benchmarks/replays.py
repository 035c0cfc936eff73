"""Replays: listeners do something to songs of one artist at the end of the log; what becomes of all her songs?"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events
from ranking.ranker import Examples
from recall.snapshot import Snapshot

ACTS: Final = 3
"""Songs of the artist that are acted on; fewer where she has fewer."""


@dataclass(frozen=True)
class Cases:
    """Pairs `[n]` of a listener and a song of the artist that is replayed to him."""

    user: npt.NDArray[np.int32]
    song: npt.NDArray[np.int32]
    acted: npt.NDArray[np.bool_]
    """Songs that the replay acts on."""

    @classmethod
    def of(cls, snapshot: Snapshot, examples: Examples, n_users: int) -> Cases:
        """The first example of each of `n_users` listeners whose song has an artist says who is replayed to whom."""
        offsets, artists = snapshot.projection.facet("SUNG_BY")
        n_of_song = np.diff(offsets)
        rows = np.flatnonzero(n_of_song[examples.item] > 0)
        users, first = np.unique(examples.user[rows], return_index=True)
        users, item = users[:n_users], examples.item[rows[first[:n_users]]]
        order = np.argsort(artists, kind="stable")
        song_of, artist_of = np.repeat(np.arange(len(n_of_song)), n_of_song)[order], artists[order]
        start, end = (np.searchsorted(artist_of, artists[offsets[item]], side=side) for side in ("left", "right"))
        n_songs = end - start
        owner = np.repeat(np.arange(len(users)), n_songs)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(n_songs) - n_songs, n_songs)
        return cls(users[owner].astype(np.int32), song_of[start[owner] + place].astype(np.int32), place < ACTS)

    def after(self, snapshot: Snapshot, behaviour: Behaviour) -> Snapshot:
        """The snapshot after every listener has done `behaviour` to the songs that are acted on, at its last moment."""
        events, n = snapshot.events, int(self.acted.sum())
        added = Events(
            user=self.user[self.acted],
            item=self.song[self.acted],
            behaviour=np.full(n, behaviour, np.int8),
            ts=np.full(n, events.ts[-1], np.int64),
            scene=np.full(n, -1, np.int16),
            play_ms=np.full(n, -1, np.int32),
            is_organic=np.full(n, -1, np.int8),
            count=np.ones(n, np.float32),
            source=int(events.source.max()) + 1 + np.arange(n, dtype=np.int64),
        )
        columns = {field.name: np.concatenate((getattr(events, field.name), getattr(added, field.name))) for field in fields(Events)}
        return replace(snapshot, events=Events(**columns))
