"""What a listener had done with a song and with others like it, as of any moment: one code for training, evaluation and serving."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from ranking.as_of import AsOfCounts, Past
from ranking.facets import FACET_RELATIONS
from ranking.fame import listened
from ranking.ranker import Examples
from ranking.song_rows import FacetRows, max_of
from recall.snapshot import Snapshot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AFFINITIES: Final = ("artist", "album", "style", "language")
"""Facets through which a listener may know a song that is new to them."""

LISTENING: Final = (
    "activity",  # log of the listener's plays so far
    "song_plays",  # log of their plays of this song
    "song_recency",  # log of the hours (ordinal time: of their own plays) since the last of these
    "song_refusals",  # log of their skips, dislikes and blocks of it
    "song_exposures",  # log of how often it had been shown to them
    *(f"{facet}_{what}" for facet in AFFINITIES for what in ("plays", "recency", "refusals")),  # the same by facet; the best of several
)
"""Names of the columns of `ListeningFeatures.of`, in order."""

REFUSALS: Final = (Behaviour.SKIP, Behaviour.DISLIKE, Behaviour.BLOCK_SONG)
NEVER: Final = float(np.log1p(10 * 365 * 24))
"""Recency where there is nothing to be recent: as if ten years ago."""


class ListeningFeatures:
    """Answers `LISTENING` for any examples on one snapshot. Nothing at or after an example's position has a part in its row."""

    def __init__(self, snapshot: Snapshot, rows: Ints | None = None) -> None:
        """From all events, or from those at `rows` (ascending): all of the listeners who will be asked for."""
        self._snapshot = snapshot
        at = np.arange(len(snapshot.events)) if rows is None else rows
        events = snapshot.events if rows is None else snapshot.events.take(rows)
        of_song = events.item < snapshot.catalogue.n_songs
        heard = at[listened(events, snapshot.catalogue.n_songs)]
        refused = at[np.isin(events.behaviour, REFUSALS) & of_song]
        exposed = at[(events.behaviour == Behaviour.EXPOSURE) & of_song]
        self._facets = [_Affinity(snapshot, relation, heard, refused) for relation in map(FACET_RELATIONS.__getitem__, AFFINITIES)]
        self._activity = self._count(snapshot.events.user[heard], heard)
        self._own_plays, self._own_refusals, self._own_exposures = (
            self._count(self._pair(snapshot.events.user[rows], snapshot.events.item[rows]), rows) for rows in (heard, refused, exposed)
        )

    def of(self, examples: Examples) -> npt.NDArray[np.float32]:
        """`[n, len(LISTENING)]` raw features of the examples `[n]`."""
        user, item, before = examples.user.astype(np.int64), examples.item.astype(np.int64), examples.position
        pair = self._pair(user, item)
        own = self._own_plays.before(pair, before)
        columns = [
            np.log1p(self._activity.before(user, before).total),
            np.log1p(own.total),
            self._recency(own, examples),
            np.log1p(self._own_refusals.before(pair, before).total),
            np.log1p(self._own_exposures.before(pair, before).total),
        ]
        for facet in self._facets:
            plays, refusals = facet.before(user, item, before)
            columns += [np.log1p(plays.total), self._recency(plays, examples), np.log1p(refusals)]
        return np.stack(columns, axis=1).astype(np.float32)

    def _recency(self, past: Past, examples: Examples) -> Floats:
        """Log of the age of the latest event: hours, or the listener's own plays since then where time is ordinal."""
        known, last = past.last >= 0, np.maximum(past.last, 0)
        if self._snapshot.ordinal:
            user = examples.user.astype(np.int64)
            age = self._activity.before(user, examples.position).total - self._activity.before(user, last + 1).total
        elif len(self._snapshot.events):
            age = (examples.ts - self._snapshot.events.ts[last]) / 3_600.0
        else:
            age = np.zeros(len(last))
        return np.where(known, np.log1p(np.maximum(age, 0.0)), NEVER)

    def _count(self, keys: npt.NDArray[np.integer], rows: npt.NDArray[np.integer]) -> AsOfCounts:
        return AsOfCounts.of(keys.astype(np.int64), rows.astype(np.int64), self._snapshot.events.count[rows])

    def _pair(self, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> Ints:
        return user.astype(np.int64) * max(self._snapshot.catalogue.n_songs, 1) + item


class _Affinity:
    """A listener's plays and refusals of the facets of one relation."""

    def __init__(self, snapshot: Snapshot, relation: str, heard: npt.NDArray[np.intp], refused: npt.NDArray[np.intp]) -> None:
        self._rows = FacetRows.of(snapshot.projection, relation)
        self._plays, self._refusals = (self._count(snapshot, rows) for rows in (heard, refused))

    def before(self, user: Ints, item: Ints, position: Ints) -> tuple[Past, Floats]:
        """Plays of the best known facet of each song (and its latest), and the refusals of the most refused one."""
        owner, node = self._rows.expand(item)
        keys, at = self._rows.key(user[owner], node), position[owner]
        plays, refusals = self._plays.before(keys, at), self._refusals.before(keys, at)
        n = len(item)
        return Past(max_of(plays.total, owner, n, 0.0), max_of(plays.last, owner, n, -1)), max_of(refusals.total, owner, n, 0.0)

    def _count(self, snapshot: Snapshot, rows: npt.NDArray[np.intp]) -> AsOfCounts:
        events = snapshot.events
        owner, node = self._rows.expand(events.item[rows])
        return AsOfCounts.of(self._rows.key(events.user[rows][owner], node), rows[owner].astype(np.int64), events.count[rows][owner])
