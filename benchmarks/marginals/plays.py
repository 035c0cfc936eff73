"""The plays of a log as columns in each listener's order: what every marginal is measured on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.events import Events
from etl.lake import Lake

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Plays:
    """Plays of songs, `[n]` each: listener by listener, each listener's in the order of time."""

    user: Ints
    song: Ints
    ts: Ints
    """Unix seconds; only an order where the source has no clock."""
    heard_ms: Ints
    """-1 where it was not logged."""
    duration_ms: Ints
    """-1 where unknown."""
    organic: Ints
    """1 own choice, 0 recommended, -1 unknown."""
    release_ts: Ints
    """Release of the song, Unix seconds; the smallest integer where unknown."""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def place(self) -> Ints:
        """Number of plays of the same listener before each play, `[n]`."""
        return np.arange(len(self)) - np.repeat(self.starts, self.counts)

    @property
    def starts(self) -> Ints:
        """Row of each listener's first play, `[listeners]`."""
        return np.flatnonzero(np.append(True, self.user[1:] != self.user[:-1])[: len(self)])

    @property
    def counts(self) -> Ints:
        """Plays of each listener who has any, `[listeners]`."""
        return np.diff(np.append(self.starts, len(self)))

    def take(self, rows: Mask | Ints) -> Plays:
        """Plays at `rows`."""
        return Plays(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


UNKNOWN_RELEASE = np.iinfo(np.int64).min


def plays_of(lake: Lake, keep: Mask | None = None) -> Plays:
    """The `play` events of songs in `lake`, or those of them that `keep` `[n_events]` marks."""
    events, n_songs = lake.events, lake.catalogue.n_songs
    chosen = (events.behaviour == Behaviour.PLAY) & (events.item < n_songs)
    rows = np.flatnonzero(chosen if keep is None else chosen & keep)
    rows = rows[np.argsort(events.user[rows], kind="stable")]
    songs = lake.catalogue.songs
    duration = songs["duration_ms"].cast(pl.Int64).fill_null(-1).to_numpy()
    release = songs["release_ts"].cast(pl.Int64).fill_null(UNKNOWN_RELEASE).to_numpy()
    item = events.item[rows].astype(np.int64)
    return Plays(
        user=events.user[rows].astype(np.int64),
        song=item,
        ts=events.ts[rows],
        heard_ms=events.play_ms[rows].astype(np.int64),
        duration_ms=duration[item],
        organic=events.is_organic[rows].astype(np.int64),
        release_ts=release[item],
    )


def links_of(lake: Lake, relation: str) -> pl.DataFrame:
    """`song` (id) and `value` (key of an artist or album): the songs' facts of one relation, each once."""
    keys = lake.catalogue.entities.head(lake.catalogue.n_songs).select(head="key").with_row_index("song")
    facts = lake.triples.filter(pl.col("relation") == relation).select("head", value="tail").unique()
    return facts.join(keys, on="head").select(pl.col("song").cast(pl.Int64), "value").sort("song", "value")


def responses(lake: Lake, keep: Mask | None = None) -> Events:
    """All events of songs, or those of them that `keep` `[n_events]` marks."""
    of_songs = lake.events.item < lake.catalogue.n_songs
    return lake.events.take(of_songs if keep is None else of_songs & keep)
