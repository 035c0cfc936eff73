"""What may be shown to whom at one moment: nothing refused, no song of a refused artist, nothing that is not yet out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from etl.behaviours import BLOCKING, Behaviour
from recall.snapshot import Snapshot


@dataclass(frozen=True)
class Showable:
    """Answers for pairs of a snapshot; what it must know of all users is found once."""

    snapshot: Snapshot

    def of(self, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """`[n]` false for refused songs, songs of refused artists and songs not yet released."""
        fine = self._out[item]
        asked = np.flatnonzero(self._refuses[user])
        if len(asked):
            pair = user[asked].astype(np.int64) * self.snapshot.projection.n_nodes + item[asked]
            place = np.minimum(np.searchsorted(self._refused, pair), len(self._refused) - 1)
            fine[asked] &= self._refused[place] != pair
        return np.asarray(fine)

    @cached_property
    def _refused(self) -> npt.NDArray[np.int64]:
        return refused_pairs(self.snapshot)

    @cached_property
    def _refuses(self) -> npt.NDArray[np.bool_]:
        """`[n_users]` users who refuse anything."""
        refuses = np.zeros(self.snapshot.catalogue.n_users, dtype=bool)
        refuses[self._refused // self.snapshot.projection.n_nodes] = True
        return refuses

    @cached_property
    def _out(self) -> npt.NDArray[np.bool_]:
        """`[n_nodes]` false for songs that come later."""
        out = np.ones(self.snapshot.projection.n_nodes, dtype=bool)
        out[: self.snapshot.catalogue.n_songs] = self.snapshot.released
        return out


def refused_pairs(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """Refused pairs as sorted codes `user * n_nodes + item`: refused items, and every song of a refused artist."""
    n_nodes = snapshot.projection.n_nodes
    refused = snapshot.events.of(*BLOCKING)
    by_artist = refused.behaviour == Behaviour.BLOCK_ARTIST
    direct = refused.user.astype(np.int64) * n_nodes + refused.item
    if not by_artist.any():
        return np.unique(direct)
    offsets, artists = snapshot.projection.facet("SUNG_BY")
    song = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    order = np.argsort(artists, kind="stable")
    artist_of, song_of = artists[order], song[order]
    first = np.searchsorted(artist_of, refused.item[by_artist], side="left")
    n_of = np.searchsorted(artist_of, refused.item[by_artist], side="right") - first
    rows = np.repeat(first - np.concatenate([[0], np.cumsum(n_of)[:-1]]), n_of) + np.arange(n_of.sum())
    users = np.repeat(refused.user[by_artist].astype(np.int64), n_of)
    return np.unique(np.concatenate([direct, users * n_nodes + song_of[rows]]))
