"""From examples to DIN's batches: features, packed histories and the distinct songs of each batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from etl.behaviours import POSITIVE
from etl.sequences import BehaviourSequences
from ranking.din_network import DinBatch
from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features
from ranking.history_pairs import SECONDS_PER_HOUR, Ints, age_buckets, merged_pairs
from ranking.ranges import times_covered
from ranking.ranker import Examples
from ranking.song_inputs import NO_FACETS, Rows, SongInputs, distinct, taken
from recall.snapshot import Snapshot


class HistoryColumns(NamedTuple):
    """What is computed once for each of `n` examples of a network that looks back on one sequence."""

    item: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    ts: npt.NDArray[np.int64]
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    """First row of the history in the sequences."""
    end: npt.NDArray[np.int64]

    def take(self, rows: Rows) -> HistoryColumns:
        """The columns at `rows`."""
        return taken(self, rows)


@dataclass(frozen=True)
class DinInputs(SongInputs):
    """The inputs of DIN on one snapshot."""

    histories: BehaviourSequences
    """Positive songs of each user."""
    length: int
    """Longest history."""
    ordinal: bool

    @classmethod
    def of(cls, features: Features, vocabulary: FacetVocabulary, snapshot: Snapshot, given: npt.NDArray[np.float32], length: int) -> Self:
        """Inputs on `snapshot`, whose features are `features`."""
        n_songs = snapshot.catalogue.n_songs
        histories = BehaviourSequences.of(snapshot.events, snapshot.catalogue.n_users, *POSITIVE, n_songs=n_songs)
        return cls(features, song_facets(snapshot.projection, vocabulary), given, histories, length, snapshot.ordinal)

    def columns(self, examples: Examples) -> HistoryColumns:
        """What the examples `[n]` need, as of their own moments."""
        end = self.histories.end(examples.user, examples.position)
        start = np.maximum(self.histories.offsets[examples.user], end - self.length)
        return HistoryColumns(examples.item, examples.label, examples.ts, self.features.numeric(examples), self.codes(examples), start, end)

    def batch(self, columns: HistoryColumns) -> tuple[DinBatch, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        pairs = merged_pairs(columns.start, columns.end, *self._clock(columns), self.n_songs)
        songs, place = distinct(self.n_songs, columns.item, pairs.song)
        batch = DinBatch(
            given=torch.empty(0),
            facets=NO_FACETS,
            target=torch.from_numpy(place[columns.item]),
            history=torch.from_numpy(place[pairs.song]),
            owner=torch.from_numpy(pairs.owner),
            age=torch.from_numpy(pairs.age),
            times=torch.from_numpy(pairs.times),
            numeric=torch.from_numpy(columns.numeric),
            codes=torch.from_numpy(columns.codes),
            label=torch.from_numpy(columns.label),
        )
        return batch, songs

    def occurrences(self, columns: HistoryColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples, targets and histories together; at least 1."""
        return self.occurrences_of(
            in_histories(self.histories, columns.start, columns.end, self.n_songs) + np.bincount(columns.item, minlength=self.n_songs)
        )

    def ages(self, columns: HistoryColumns, owner: npt.NDArray[np.intp], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Age bucket of each history entry `[p]`: log2 of hours, or of its place from the end where time is ordinal."""
        if self.ordinal:
            return age_buckets(columns.end[owner] - 1 - rows)
        return age_buckets((columns.ts[owner] - self.histories.ts[rows]) // SECONDS_PER_HOUR)

    def _clock(self, columns: HistoryColumns) -> tuple[Ints, npt.NDArray[np.int32], Ints, int]:
        """What ages are counted on, as `merged_pairs` takes it: each example's now, songs and moments of rows, and the unit."""
        if self.ordinal:
            return columns.end - 1, self.histories.item, self._row, 1
        return columns.ts, self.histories.item, self.histories.ts, SECONDS_PER_HOUR

    @cached_property
    def _row(self) -> Ints:
        return np.arange(len(self.histories), dtype=np.int64)


def in_histories(
    histories: BehaviourSequences, start: npt.NDArray[np.int64], end: npt.NDArray[np.int64], n_songs: int
) -> npt.NDArray[np.float64]:
    """`[n_songs]` how often each song stands in the rows `start:end` of all examples together."""
    covered = times_covered(start, end, len(histories))
    return np.asarray(np.bincount(histories.item, weights=covered, minlength=n_songs), dtype=np.float64)
