"""From examples to batches of deep rankers: the columns of a pair, and the distinct songs that a batch needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor

from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features, FeatureSchema
from ranking.ranker import Examples
from ranking.song_network import Bag
from recall.snapshot import Snapshot

Rows = npt.NDArray[np.integer] | slice
SomeColumns = TypeVar("SomeColumns", bound=tuple[Any, ...])


class Columns(Protocol):
    """What is computed once for each of `n` examples, as arrays of `[n, …]`."""

    @property
    def item(self) -> npt.NDArray[np.int32]:
        """`[n]` songs."""
        ...

    def take(self, rows: Rows) -> Self:
        """The columns at `rows`."""
        ...


class Inputs(Protocol):
    """The inputs of one network on one snapshot."""

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        ...

    @property
    def given(self) -> npt.NDArray[np.float32]:
        """`[n_songs, given_dim]` vectors of the shared encoder."""
        ...

    def columns(self, examples: Examples) -> Any:
        """What the examples `[n]` need, as of their own moments: `Columns`."""
        ...

    def batch(self, columns: Any) -> tuple[Any, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        ...

    def songs(self, songs: npt.NDArray[np.int64] | slice) -> tuple[Tensor, Bag]:
        """Encoder vectors `[u, given_dim]` and facets of songs."""
        ...

    def occurrences(self, columns: Any) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples; at least 1."""
        ...


def taken(columns: SomeColumns, rows: Rows) -> SomeColumns:
    """A tuple of columns `[n, …]` at `rows`."""
    return type(columns)(*(column[rows] for column in columns))


class PairColumns(NamedTuple):
    """Columns of examples of a network without histories."""

    item: npt.NDArray[np.int32]
    user: npt.NDArray[np.int32]
    """Code of the user in the vocabulary; 0 unknown."""
    label: npt.NDArray[np.float32]
    numeric: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int32]

    def take(self, rows: Rows) -> PairColumns:
        """The columns at `rows`."""
        return taken(self, rows)


class PairBatch(NamedTuple):
    """One batch of `b` examples over `u` distinct songs."""

    given: Tensor
    """`[u, given_dim]`"""
    facets: Bag
    target: Tensor
    """`[b]` row of the target among the songs."""
    user: Tensor
    """`[b]` code of the user in the vocabulary; 0 unknown."""
    numeric: Tensor
    """`[b, n_numeric]`"""
    codes: Tensor
    """`[b, n_columns]` rows of the table of code embeddings."""
    label: Tensor
    """`[b]`"""


@dataclass(frozen=True)
class SongInputs:
    """Features of examples, and what networks are told of songs, on one snapshot."""

    features: Features
    facets: sp.csr_matrix
    """`[n_songs, vocabulary]`, see `song_facets`."""
    given: npt.NDArray[np.float32]
    """`[n_songs, given_dim]` vectors of the shared encoder."""

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return self.facets.shape[0]  # type: ignore[no-any-return]

    def codes(self, examples: Examples) -> npt.NDArray[np.int32]:
        """Rows `[n, n_columns]` of the one table of code embeddings."""
        rows: npt.NDArray[np.int32] = self.features.codes(examples) + column_offsets(self.features.schema)
        return rows

    def songs(self, songs: npt.NDArray[np.int64] | slice) -> tuple[Tensor, Bag]:
        """Encoder vectors `[u, given_dim]` and facets of songs."""
        part = self.facets[songs]
        bag = Bag(*(torch.from_numpy(column) for column in (part.indices.astype(np.int64), part.indptr[:-1].astype(np.int64), part.data)))
        return torch.from_numpy(self.given[songs]), bag

    def occurrences_of(self, n_of_song: npt.NDArray[np.floating] | npt.NDArray[np.integer]) -> Tensor:
        """`[vocabulary]` how often each id occurs where each song occurs `n_of_song` `[n_songs]` times; at least 1."""
        return torch.from_numpy(np.maximum((self.facets > 0).T @ n_of_song, 1.0).astype(np.float32))


@dataclass(frozen=True)
class PairInputs(SongInputs):
    """The inputs of a network that knows listeners by their ids and has no histories."""

    users: npt.NDArray[np.int32]
    """`[n_users]` code of each user in the vocabulary; 0 unknown."""

    @classmethod
    def of(cls, features: Features, vocabulary: FacetVocabulary, snapshot: Snapshot, given: npt.NDArray[np.float32]) -> Self:
        """Inputs on `snapshot`, whose features are `features`."""
        users = vocabulary.codes_of(user_keys(snapshot.catalogue.users["user_id"]))
        return cls(features, song_facets(snapshot.projection, vocabulary), given, users)

    def columns(self, examples: Examples) -> PairColumns:
        """What the examples `[n]` need, as of their own moments."""
        user = self.users[examples.user]
        return PairColumns(examples.item, user, examples.label, self.features.numeric(examples), self.codes(examples))

    def batch(self, columns: PairColumns) -> tuple[PairBatch, npt.NDArray[np.int64]]:
        """The batch of all rows of `columns`, songs' own inputs left out; and the distinct songs `[u]` that its song rows mean."""
        songs, place = distinct(self.n_songs, columns.item)
        parts = (place[columns.item], columns.user, columns.numeric, columns.codes, columns.label)
        return PairBatch(torch.empty(0), NO_FACETS, *(torch.from_numpy(part) for part in parts)), songs

    def occurrences(self, columns: PairColumns) -> Tensor:
        """`[vocabulary]` how often each id occurs in the examples, users among them; at least 1."""
        of_songs = self.occurrences_of(np.bincount(columns.item, minlength=self.n_songs))
        of_users = np.bincount(columns.user, minlength=len(of_songs)).astype(np.float32)
        return torch.maximum(of_songs, torch.from_numpy(of_users))


def user_keys(user_id: pl.Series) -> pl.Series:
    """Keys of users."""
    return pl.select(pl.format("user:{}", user_id)).to_series()


NO_FACETS = Bag(torch.empty(0), torch.empty(0), torch.empty(0))
"""Stands in a batch until its songs' own inputs are added."""


def complete(inputs: Inputs, batch: Any, songs: npt.NDArray[np.int64]) -> Any:
    """What `inputs.batch` gives, with its songs' own inputs."""
    given, facets = inputs.songs(songs)
    return batch._replace(given=given, facets=facets)


def distinct(n: int, *ids: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Distinct ids below `n`, ascending, and the place of each id among them, `[n]`."""
    mark = np.zeros(n, dtype=bool)
    for column in ids:
        mark[column] = True
    found = np.flatnonzero(mark)
    place = np.zeros(n, dtype=np.int64)
    place[found] = np.arange(len(found))
    return found, place


def column_offsets(schema: FeatureSchema) -> npt.NDArray[np.int32]:
    """First row of each coded column in the one table of code embeddings."""
    return np.concatenate(([0], np.cumsum(schema.code_sizes)[:-1])).astype(np.int32)
