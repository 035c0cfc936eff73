"""Song profile as numbers: how a song had been received, and how old it was, as of any moment."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import PLAYED
from etl.event_rows import listens
from etl.song_profile import COUNTED, DEFAULT_RULES, RATES, SongRules
from ranking.as_of import AsOfCounts
from ranking.ranker import Examples
from recall.snapshot import SECONDS_PER_DAY, Snapshot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

RECEPTION: Final = (
    "play_through_rate",
    "skip_rate",
    "hearts_per_play",
    "refusals_per_play",
    "click_rate",
    "song_age",  # log of the days since its release; unknown without a date, and in ordinal time
)
"""Names of the columns of `Reception.of`, in order; the rates are those of `etl.song_profile`."""


class Reception:
    """Answers `RECEPTION` for any examples on one snapshot. Nothing at or after an example's position has a part in its row."""

    def __init__(self, snapshot: Snapshot, rules: SongRules = DEFAULT_RULES) -> None:
        self._prior, self._release = rules.prior, _release(snapshot)
        events = snapshot.events
        of_song = events.item < snapshot.catalogue.n_songs
        needed = sorted({name for rate in RECEPTION[:-1] for name in RATES[rate]})
        masks = {name: np.isin(events.behaviour, COUNTED.get(name, PLAYED)) for name in needed}
        if len(events):
            masks["plays"] &= listens(events)
        self._counts = {name: _SongCounts(snapshot, np.flatnonzero(mask & of_song)) for name, mask in masks.items()}

    def of(self, examples: Examples) -> npt.NDArray[np.float32]:
        """`[n, len(RECEPTION)]` features of the songs at the moments of the examples `[n]`; NaN where an age is unknown."""
        item, before = examples.item.astype(np.int64), examples.position
        counts = {name: count.before(item, before) for name, count in self._counts.items()}
        columns = [self._shrunk(counts[hits], counts[tries]) for hits, tries in (RATES[name] for name in RECEPTION[:-1])]
        days = np.maximum(examples.ts - self._release[item], 0.0) / SECONDS_PER_DAY
        return np.stack([*columns, np.log1p(days)], axis=1).astype(np.float32)

    def _shrunk(self, hits: tuple[Floats, Floats], tries: tuple[Floats, Floats]) -> Floats:
        """Rates `[n]` shrunk towards that of all songs at the time (0 where nothing had been tried)."""
        of_all = np.divide(hits[1], tries[1], out=np.zeros(len(hits[1])), where=tries[1] > 0)
        result: Floats = (hits[0] + self._prior * of_all) / (tries[0] + self._prior)
        return result


class _SongCounts:
    """Counts of each song and of all songs together."""

    def __init__(self, snapshot: Snapshot, rows: npt.NDArray[np.intp]) -> None:
        count, at = snapshot.events.count[rows], rows.astype(np.int64)
        self._of_song = AsOfCounts.of(snapshot.events.item[rows].astype(np.int64), at, count)
        self._of_all = AsOfCounts.of(np.zeros_like(at), at, count)

    def before(self, item: Ints, position: Ints) -> tuple[Floats, Floats]:
        """Of each song `[n]`, and of all, before each position."""
        return self._of_song.before(item, position).total, self._of_all.before(np.zeros_like(item), position).total


def _release(snapshot: Snapshot) -> Floats:
    """`[n_songs]` Unix seconds, NaN unknown."""
    songs = snapshot.catalogue.songs
    if snapshot.ordinal or "release_ts" not in songs.columns:
        return np.full(snapshot.catalogue.n_songs, np.nan)
    return songs["release_ts"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
