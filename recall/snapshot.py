"""What a model may see: the house at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import PLAYED, POSITIVE
from etl.catalogue import Catalogue
from etl.domains import comment_sentiment
from etl.event_rows import rows_by_user
from etl.events import Events
from graph.projection import Projection

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True)
class Snapshot:
    """Everything known at `now`, and nothing later."""

    catalogue: Catalogue
    events: Events
    """Events before `now`, in time order."""
    projection: Projection
    """Facts valid at `now`."""
    now: int
    """Unix seconds."""
    ordinal: bool = False
    """True where times of the source give order only (`split` last or random): ages count the user's own events, not days."""
    vectors: npt.NDArray[np.float32] | None = None
    """Knowledge-graph embeddings `[n_nodes, dim]` of the projection's nodes, where they have been trained."""
    seed: int = 0
    scenes: tuple[str, ...] = ()
    """Names of the scenes that the codes of `events.scene` stand for."""
    comments: pl.DataFrame | None = None
    """`user, item` (ids), `ts`, `sentiment` in [-1, 1] of judged comments, where the source has them: `Lake.comments`."""

    def sentiment(self, rows: npt.NDArray[np.integer] | slice = slice(None)) -> npt.NDArray[np.float32]:
        """Sentiment of comments among the events at `rows`, `[n]`; NaN for other events and for what nobody has judged.

        Only comments that are among the events count: what was said after the snapshot's moment is not.
        """
        if self.comments is None or "sentiment" not in self.comments.columns:
            return np.full(len(self.events.user[rows]), np.nan, dtype=np.float32)
        return self._sentiment[rows]

    @cached_property
    def _sentiment(self) -> npt.NDArray[np.float32]:
        assert self.comments is not None
        return comment_sentiment(self.events, self.comments)

    @cached_property
    def positives(self) -> Events:
        """Positive events on songs, in time order."""
        return self.events.of(*POSITIVE).of_songs(self.catalogue.n_songs)

    @cached_property
    def plays(self) -> Events:
        """Plays of songs (each play once, whatever was derived from it), in time order."""
        return self._plays_among(self.events)

    @cached_property
    def _rows_by_user(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return rows_by_user(self.events.user, self.catalogue.n_users)

    def rows_of(self, users: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Rows of the events of distinct `users`: those of the first in time order, then those of the second, and so on."""
        rows, offsets = self._rows_by_user
        first, n = offsets[users], offsets[users + 1] - offsets[users]
        return np.asarray(rows[np.repeat(first - (np.cumsum(n) - n), n) + np.arange(n.sum())])

    def plays_of(self, users: npt.NDArray[np.int32]) -> Events:
        """Plays of distinct `users`, in the order of `rows_of`: nobody else's are touched."""
        return self._plays_among(self.events.take(self.rows_of(users)))

    def _plays_among(self, events: Events) -> Events:
        return events.of(*PLAYED).of_songs(self.catalogue.n_songs).first_of_source()

    @cached_property
    def released(self) -> npt.NDArray[np.bool_]:
        """`[n_songs]` songs that are out; where time is ordinal all are."""
        songs = self.catalogue.songs
        if self.ordinal or not songs.height:
            return np.ones(songs.height, dtype=bool)
        return np.asarray(songs["release_ts"].fill_null(np.iinfo(np.int64).min).to_numpy() <= self.now)

    def age(self, events: Events) -> npt.NDArray[np.float64]:
        """Age of each event `[n_events]`: days before `now`, or, where time is ordinal, how many later events its user has in `events`."""
        if not self.ordinal:
            return (self.now - events.ts) / SECONDS_PER_DAY
        order = np.lexsort((np.arange(len(events)), events.user))
        users = events.user[order]
        last = np.searchsorted(users, users, side="right")
        age = np.empty(len(events), dtype=np.float64)
        age[order] = last - 1 - np.arange(len(events))
        return age
