"""Items that are made of songs (playlists, MVs, Mlogs), and what a listener may think of them.

Two things speak for an item. Its songs: the mean taste of the listener for them, drawn to the mean of all songs as if the item held
`doubt` songs more of that kind (a Bayesian mean), so that it is not length which wins, nor one loved song alone:

    by_songs(u, i) = (sum of taste(u, s) over songs s of i  +  doubt * mean taste(u)) / (number of songs of i + doubt)

And the item itself: what other evidence (the chains of the graph) says of it; cosine neighbours, over the listeners who took them up, of
what the listener took up; and how many took it up lately. Each is standardised over the items of the kind before they are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.behaviours import Behaviour
from recall.histories import half_life_decay
from recall.kind_settings import KindSettings
from recall.snapshot import Snapshot

TAKEN_UP: Final = (
    Behaviour.CLICK,
    Behaviour.PLAY,
    Behaviour.FULL_PLAY,
    Behaviour.COLLECT,
    Behaviour.DOWNLOAD,
    Behaviour.SHARE,
)
"""What a listener does with an item that speaks for it. Being shown it, or leaving it early, does not."""
Floats = npt.NDArray[np.float64]
DEFAULTS: Final = KindSettings()


@dataclass(frozen=True)
class Kind:
    """A kind of item that is made of songs."""

    name: str
    """Kind of its keys."""
    relation: str
    """Relation between its items and their songs, in either direction."""
    hop: str
    """Step from a song to an item that holds it."""
    holds_songs_only: bool = False
    """An item without a song is nothing: it is never listed."""


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("playlist", "IN_PLAYLIST", "IN_PLAYLIST", holds_songs_only=True),
        Kind("mv", "MV_OF", "<MV_OF"),
        Kind("mlog", "USES_SONG", "<USES_SONG"),
    )
}


@dataclass(frozen=True)
class Makeup:
    """The items of a kind and the songs of each."""

    item: npt.NDArray[np.int32]
    """`[n_items]` nodes of the projection, ascending."""
    songs: csr_array
    """`[n_items, n_songs]` 1 for each song of an item that is out."""

    @classmethod
    def of(cls, snapshot: Snapshot, kind: Kind) -> Self:
        """Items of the catalogue, and those that only facts name; every song of each."""
        projection, n_songs = snapshot.projection, snapshot.catalogue.n_songs
        known = np.flatnonzero((snapshot.catalogue.entities["kind"] == kind.name).to_numpy())
        side, song = _pairs_of(snapshot, kind.relation)
        named = np.unique(side)
        # An item that someone has added to the graph stands behind the catalogue's entities.
        added = named[named >= snapshot.catalogue.n_entities]
        of_kind = [str(key).startswith(f"{kind.name}:") for key in projection.keys[added]]
        item = np.union1d(known, added[np.array(of_kind, dtype=bool)]).astype(np.int32)
        rows = np.isin(side, item) & snapshot.released[song]
        place = np.searchsorted(item, side[rows])
        pairs = np.unique(place.astype(np.int64) * max(n_songs, 1) + song[rows])
        entries = (np.ones(len(pairs)), (pairs // max(n_songs, 1), pairs % max(n_songs, 1)))
        return cls(item, csr_array(entries, shape=(len(item), n_songs)))

    @property
    def n_songs(self) -> npt.NDArray[np.int64]:
        """`[n_items]` number of songs of each item."""
        return np.asarray(np.diff(self.songs.indptr), dtype=np.int64)


class ItemTastes:
    """Scores of all items of a kind at the moment of a snapshot."""

    def __init__(self, snapshot: Snapshot, kind: Kind, settings: KindSettings = DEFAULTS) -> None:
        self.settings, self.makeup = settings, Makeup.of(snapshot, kind)
        self._acts = _acts(snapshot, self.makeup.item, settings)
        acts, n_items = self._acts, len(self.makeup.item)
        norm = np.sqrt(np.bincount(acts.indices, weights=acts.data**2, minlength=n_items))
        self._unit = csr_array((acts.data / norm[acts.indices], acts.indices, acts.indptr), shape=acts.shape)
        self.popularity: Floats = np.log1p(np.bincount(acts.indices, weights=acts.data, minlength=n_items))
        """`[n_items]`"""

    def scores(
        self, users: npt.NDArray[np.int32], taste: csr_array, evidence: npt.NDArray[np.floating] | None = None
    ) -> npt.NDArray[np.float32]:
        """Score of every item, `[len(users), n_items]`.

        Args:
            users: rows of the catalogue.
            taste: `[len(users), n_songs]` what each user thinks of songs.
            evidence: `[len(users), n_items]` not negative: what else speaks for each item.
        """
        settings = self.settings
        total = settings.songs * standardised(self.by_songs(taste))
        if evidence is not None:
            total += settings.graph * standardised(np.sqrt(evidence.astype(np.float64)))
        total += settings.neighbours * standardised(self.by_neighbours(users))
        total += settings.popular * standardised(self.popularity[None, :])
        return total.astype(np.float32)

    def by_songs(self, taste: csr_array) -> Floats:
        """`[n, n_items]` Bayesian mean of each user's taste for the songs of each item."""
        n_songs, doubt = self.makeup.songs.shape[1], self.settings.doubt
        mean = np.asarray(taste.sum(axis=1), dtype=np.float64).reshape(-1, 1) / max(n_songs, 1)
        total = (taste @ self.makeup.songs.T).toarray()
        weight = self.makeup.n_songs + doubt
        return np.asarray((total + doubt * mean) / np.where(weight > 0, weight, 1))

    def by_neighbours(self, users: npt.NDArray[np.int32]) -> Floats:
        """`[n, n_items]` sum of each item's cosines with what the user took up."""
        return np.asarray(((self._acts[users] @ self._unit.T) @ self._unit).toarray())


def standardised(values: Floats) -> Floats:
    """Rows `[n, m]` with mean 0 and deviation 1; a constant row becomes 0."""
    if values.size == 0:
        return values
    centred = values - values.mean(axis=1, keepdims=True)
    deviation = values.std(axis=1, keepdims=True)
    # A row of one value comes out as rounding error alone.
    return np.asarray(
        np.where(deviation > 1e-9 * np.abs(values).max(axis=1, keepdims=True), centred / np.where(deviation > 0, deviation, 1), 0)
    )


def _pairs_of(snapshot: Snapshot, relation: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Other entity and song of every fact of a relation that has one song, `[n]` each."""
    projection = snapshot.projection
    if relation not in projection.relations:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    facts = projection.facts
    rows = facts.relation == projection.relations.index(relation)
    head, tail = facts.head[rows], facts.tail[rows]
    forward = head < snapshot.catalogue.n_songs
    one = forward != (tail < snapshot.catalogue.n_songs)
    return np.where(forward, tail, head)[one], np.where(forward, head, tail)[one]


def _acts(snapshot: Snapshot, item: npt.NDArray[np.int32], settings: KindSettings) -> csr_array:
    """`[n_users, n_items]` log(1 + decayed number of acts) of each user on each item."""
    events = snapshot.events.of(*TAKEN_UP).first_of_source()
    place = np.minimum(np.searchsorted(item, events.item), max(len(item) - 1, 0))
    events = events.take(item[place] == events.item) if len(item) else events.take(slice(0, 0))
    half_life = settings.half_life_events if snapshot.ordinal else settings.half_life_days
    weight = half_life_decay(snapshot.age(events), half_life) * events.count
    shape = (snapshot.catalogue.n_users, len(item))
    acts = csr_array((weight.astype(np.float64), (events.user, np.searchsorted(item, events.item))), shape=shape)
    acts.sum_duplicates()
    acts.data = np.log1p(acts.data)
    return acts
