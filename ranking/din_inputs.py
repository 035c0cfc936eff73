"""From examples to DIN's batches: features, packed histories and the distinct songs of each batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from etl.behaviours import POSITIVE
from etl.sequences import BehaviourSequences
from ranking.din_network import N_AGES, Bag, DinBatch
from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features, FeatureSchema
from ranking.ranker import Examples
from recall.snapshot import Snapshot

Rows = npt.NDArray[np.integer] | slice


class ExampleColumns(NamedTuple):
    """What is computed once for each of `n` examples."""

    item: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    ts: npt.NDArray[np.int64]
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    """First row of the history in the positive sequences."""
    end: npt.NDArray[np.int64]

    def take(self, rows: Rows) -> ExampleColumns:
        """The columns at `rows`."""
        columns: Iterator[Any] = (column[rows] for column in self)
        return ExampleColumns(*columns)


@dataclass(frozen=True)
class DinInputs:
    """The inputs of DIN on one snapshot."""

    features: Features
    histories: BehaviourSequences
    """Positive songs of each user."""
    facets: sp.csr_matrix
    """`[n_songs, vocabulary]`, see `song_facets`."""
    given: npt.NDArray[np.float32]
    """`[n_songs, given_dim]` vectors of the shared encoder."""
    length: int
    """Longest history."""
    ordinal: bool

    @classmethod
    def of(
        cls, features: Features, vocabulary: FacetVocabulary, snapshot: Snapshot, given: npt.NDArray[np.float32], length: int
    ) -> DinInputs:
        """Inputs on `snapshot`, whose features are `features`."""
        n_songs = snapshot.catalogue.n_songs
        histories = BehaviourSequences.of(snapshot.events, snapshot.catalogue.n_users, *POSITIVE, n_songs=n_songs)
        return cls(features, histories, song_facets(snapshot.projection, vocabulary), given, length, snapshot.ordinal)

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return self.facets.shape[0]  # type: ignore[no-any-return]

    def columns(self, examples: Examples) -> ExampleColumns:
        """What the examples `[n]` need, as of their own moments."""
        end = self.histories.end(examples.user, examples.position)
        start = np.maximum(self.histories.offsets[examples.user], end - self.length)
        codes = self.features.codes(examples) + _column_offsets(self.features.schema)
        return ExampleColumns(examples.item, examples.label, examples.ts, self.features.numeric(examples), codes, start, end)

    def batch(self, columns: ExampleColumns) -> tuple[DinBatch, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        n_of_row = columns.end - columns.start
        owner = np.repeat(np.arange(len(n_of_row)), n_of_row)
        rows = np.arange(len(owner)) + np.repeat(columns.start - (np.cumsum(n_of_row) - n_of_row), n_of_row)
        history = self.histories.item[rows]
        songs, place = _distinct(self.n_songs, columns.item, history)
        batch = DinBatch(
            given=torch.empty(0),
            facets=Bag(torch.empty(0), torch.empty(0), torch.empty(0)),
            target=torch.from_numpy(place[columns.item]),
            history=torch.from_numpy(place[history]),
            owner=torch.from_numpy(owner),
            age=torch.from_numpy(self._ages(columns, owner, rows)),
            numeric=torch.from_numpy(columns.numeric),
            codes=torch.from_numpy(columns.codes),
            label=torch.from_numpy(columns.label),
        )
        return batch, songs

    def with_songs(self, columns: ExampleColumns) -> DinBatch:
        """The batch of all rows of `columns`, complete."""
        batch, songs = self.batch(columns)
        given, facets = self.songs(songs)
        return batch._replace(given=given, facets=facets)

    def songs(self, songs: npt.NDArray[np.int64] | slice) -> tuple[Tensor, Bag]:
        """Encoder vectors `[u, given_dim]` and facets of songs."""
        part = self.facets[songs]
        bag = Bag(*(torch.from_numpy(column) for column in (part.indices.astype(np.int64), part.indptr[:-1].astype(np.int64), part.data)))
        return torch.from_numpy(self.given[songs]), bag

    def occurrences(self, columns: ExampleColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples, targets and histories together; at least 1."""
        covers = np.bincount(columns.start, minlength=len(self.histories) + 1) - np.bincount(columns.end, minlength=len(self.histories) + 1)
        in_history = np.bincount(self.histories.item, weights=np.cumsum(covers)[:-1], minlength=self.n_songs)
        of_song = in_history + np.bincount(columns.item, minlength=self.n_songs)
        return torch.from_numpy(np.maximum((self.facets > 0).T @ of_song, 1.0).astype(np.float32))

    def _ages(self, columns: ExampleColumns, owner: npt.NDArray[np.intp], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Age bucket of each history entry: log2 of hours, or of its place from the end where time is ordinal."""
        if self.ordinal:
            age = (columns.end[owner] - 1 - rows).astype(np.float32)
        else:
            age = ((columns.ts[owner] - self.histories.ts[rows]) / 3_600.0).astype(np.float32)
        return np.clip(np.log2(1.0 + np.maximum(age, 0.0)), 0, N_AGES - 1).astype(np.int64)


def _distinct(n: int, *ids: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct ids below `n`, ascending, and the place of each id among them, `[n]`."""
    mark = np.zeros(n, dtype=bool)
    for column in ids:
        mark[column] = True
    distinct = np.flatnonzero(mark)
    place = np.zeros(n, dtype=np.int64)
    place[distinct] = np.arange(len(distinct))
    return distinct, place


def _column_offsets(schema: FeatureSchema) -> npt.NDArray[np.int32]:
    """First row of each coded column in the one table of code embeddings."""
    return np.concatenate(([0], np.cumsum(schema.code_sizes)[:-1])).astype(np.int32)
