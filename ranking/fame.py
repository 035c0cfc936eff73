"""How known a song had been, as of any moment."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import PLAYED, Behaviour
from etl.events import Events
from ranking.as_of import AsOfCounts
from ranking.ranker import Examples
from recall.snapshot import SECONDS_PER_DAY, Snapshot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FAME: Final = (
    "popularity",  # log of the song's share of all plays, over the even share
    "trend",  # the same over the last week; off in ordinal time
    "exposure_share",  # the same for exposures
)
"""Names of the columns of `Fame.of`, in order."""
TREND_SECONDS: Final = int(7 * SECONDS_PER_DAY)


def listened(events: Events, n_songs: int) -> npt.NDArray[np.intp]:
    """Rows of plays of songs, ascending. What is derived from a play follows it and shares its source row: each play counts once."""
    heard = np.flatnonzero(np.isin(events.behaviour, PLAYED) & (events.item < n_songs))
    return heard[np.concatenate(([True], events.source[heard][1:] != events.source[heard][:-1]))[: len(heard)]]


class Fame:
    """Answers `FAME` for any examples on one snapshot. Nothing at or after an example's position has a part in its row."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._n_songs = max(snapshot.catalogue.n_songs, 1)
        events = snapshot.events
        heard = listened(events, snapshot.catalogue.n_songs)
        exposed = np.flatnonzero((events.behaviour == Behaviour.EXPOSURE) & (events.item < snapshot.catalogue.n_songs))
        self._plays, self._exposures = (self._count(events.item[rows], rows) for rows in (heard, exposed))
        self._all_plays, self._all_exposures = (self._count(np.zeros_like(rows), rows) for rows in (heard, exposed))

    def of(self, examples: Examples) -> npt.NDArray[np.float32]:
        """`[n, len(FAME)]` raw features of the songs at the moments of the examples `[n]`."""
        item, before = examples.item.astype(np.int64), examples.position
        plays, all_plays = self._song_and_all(self._plays, self._all_plays, item, before)
        shown = self._lift(*self._song_and_all(self._exposures, self._all_exposures, item, before))
        trend = np.zeros(len(item))
        if not self._snapshot.ordinal:
            week_ago = np.minimum(np.searchsorted(self._snapshot.events.ts, examples.ts - TREND_SECONDS), before)
            earlier, all_earlier = self._song_and_all(self._plays, self._all_plays, item, week_ago)
            trend = self._lift(plays - earlier, all_plays - all_earlier)
        return np.stack([self._lift(plays, all_plays), trend, shown], axis=1).astype(np.float32)

    @staticmethod
    def _song_and_all(of_song: AsOfCounts, of_all: AsOfCounts, item: Ints, before: Ints) -> tuple[Floats, Floats]:
        return of_song.before(item, before).total, of_all.before(np.zeros_like(item), before).total

    def _lift(self, count: Floats, of_all: Floats) -> Floats:
        """Log of a song's share over the even share, smoothed by one count a song."""
        return np.log((count + 1.0) * self._n_songs / (of_all + self._n_songs))

    def _count(self, keys: npt.NDArray[np.integer], rows: npt.NDArray[np.integer]) -> AsOfCounts:
        return AsOfCounts.of(keys.astype(np.int64), rows.astype(np.int64), self._snapshot.events.count[rows])
