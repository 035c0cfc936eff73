"""Numeric features of listener and song as of any moment: one list, one code for training, evaluation and serving."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import PLAYED, Behaviour
from ranking.as_of import AsOfCounts, Past
from ranking.facets import FACET_RELATIONS
from ranking.ranker import Examples
from ranking.song_rows import FacetRows, max_of
from recall.snapshot import SECONDS_PER_DAY, Snapshot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AFFINITIES: Final = ("artist", "album", "style", "language")
"""Facets through which a listener may know a song that is new to them."""

NUMERIC: Final = (
    "activity",  # log of the listener's plays so far
    "song_plays",  # log of their plays of this song
    "song_recency",  # log of the hours (ordinal time: of their own plays) since the last of these
    "song_refusals",  # log of their skips, dislikes and blocks of it
    "song_exposures",  # log of how often it had been shown to them
    *(f"{facet}_{what}" for facet in AFFINITIES for what in ("plays", "recency", "refusals")),  # the same by facet; the best of several
    "popularity",  # log of the song's share of all plays, over the even share
    "trend",  # the same over the last week; off in ordinal time
    "exposure_share",  # the same for exposures
)
"""Names of the columns of `ListeningFeatures.of`, in order."""

REFUSALS: Final = (Behaviour.SKIP, Behaviour.DISLIKE, Behaviour.BLOCK_SONG)
NEVER: Final = float(np.log1p(10 * 365 * 24))
"""Recency where there is nothing to be recent: as if ten years ago."""
TREND_SECONDS: Final = int(7 * SECONDS_PER_DAY)


class ListeningFeatures:
    """Answers `NUMERIC` for any examples on one snapshot. Nothing at or after an example's position has a part in its row."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        events, n_songs = snapshot.events, snapshot.catalogue.n_songs
        of_song = events.item < n_songs
        heard = np.flatnonzero(np.isin(events.behaviour, PLAYED) & of_song)
        # What is derived from a play follows it and shares its source row: each play counts once.
        heard = heard[np.concatenate(([True], events.source[heard][1:] != events.source[heard][:-1]))[: len(heard)]]
        refused = np.flatnonzero(np.isin(events.behaviour, REFUSALS) & of_song)
        exposed = np.flatnonzero((events.behaviour == Behaviour.EXPOSURE) & of_song)
        self._facets = [_Affinity(snapshot, relation, heard, refused) for relation in map(FACET_RELATIONS.__getitem__, AFFINITIES)]
        self._activity = self._count(events.user[heard], heard)
        self._plays = self._count(events.item[heard], heard)
        self._exposures = self._count(events.item[exposed], exposed)
        self._all_plays, self._all_exposures = (self._count(np.zeros_like(rows), rows) for rows in (heard, exposed))
        self._own_plays, self._own_refusals, self._own_exposures = (
            self._count(self._pair(events.user[rows], events.item[rows]), rows) for rows in (heard, refused, exposed)
        )

    def of(self, examples: Examples) -> npt.NDArray[np.float32]:
        """`[n, len(NUMERIC)]` raw features of the examples `[n]`."""
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
        return np.stack(columns + self._fame(item, examples), axis=1).astype(np.float32)

    def _fame(self, item: Ints, examples: Examples) -> list[Floats]:
        """Popularity, trend and exposure share of the songs at the examples' moments."""
        before = examples.position
        plays, all_plays = self._song_and_all(self._plays, self._all_plays, item, before)
        shown = self._lift(*self._song_and_all(self._exposures, self._all_exposures, item, before))
        if self._snapshot.ordinal:
            return [self._lift(plays, all_plays), np.zeros(len(item)), shown]
        week_ago = np.minimum(np.searchsorted(self._snapshot.events.ts, examples.ts - TREND_SECONDS), before)
        earlier, all_earlier = self._song_and_all(self._plays, self._all_plays, item, week_ago)
        return [self._lift(plays, all_plays), self._lift(plays - earlier, all_plays - all_earlier), shown]

    @staticmethod
    def _song_and_all(of_song: AsOfCounts, of_all: AsOfCounts, item: Ints, before: Ints) -> tuple[Floats, Floats]:
        return of_song.before(item, before).total, of_all.before(np.zeros_like(item), before).total

    def _lift(self, count: Floats, of_all: Floats) -> Floats:
        """Log of a song's share over the even share, smoothed by one count a song."""
        n_songs = max(self._snapshot.catalogue.n_songs, 1)
        return np.log((count + 1.0) * n_songs / (of_all + n_songs))

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
