"""What a song is, for rankers: itself and its facets in the graph, under a vocabulary that outlives the snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from etl.facets import RELATIONS
from graph.projection import Projection

FACET_RELATIONS: Final = {facet: relation for relation, facet in RELATIONS.items()}
"""Facets of a song by name, and the relation that leads to each."""


@dataclass(frozen=True)
class FacetVocabulary:
    """Keys of the nodes that a model has parameters for; code 0 is every other node. Codes survive a change of node ids."""

    keys: pl.Series
    """`[size - 1]` keys; the code of `keys[i]` is `i + 1`."""

    @classmethod
    def of(cls, projection: Projection, songs: npt.NDArray[np.integer], others: pl.Series | None = None) -> Self:
        """The given songs, every facet that any song has, and the keys of `others` (users)."""
        nodes = [songs.astype(np.int64)] + [projection.facet(relation)[1].astype(np.int64) for relation in FACET_RELATIONS.values()]
        keys = pl.Series("key", projection.keys[np.unique(np.concatenate(nodes))].tolist(), dtype=pl.String)
        return cls(keys if others is None else keys.append(others.alias("key")))

    @property
    def size(self) -> int:
        """Number of codes, 0 included."""
        return len(self.keys) + 1

    def codes(self, projection: Projection) -> npt.NDArray[np.int32]:
        """Code of every node `[n_nodes]` of a projection."""
        return self.codes_of(pl.Series(projection.keys.tolist(), dtype=pl.String))

    def codes_of(self, keys: pl.Series) -> npt.NDArray[np.int32]:
        """Code of every key `[n]`."""
        known = pl.DataFrame({"key": self.keys}).with_row_index("code", offset=1)
        joined = pl.DataFrame({"key": keys}).join(known, on="key", how="left", maintain_order="left")
        return joined["code"].fill_null(0).to_numpy().astype(np.int32)


def song_facets(projection: Projection, vocabulary: FacetVocabulary) -> sp.csr_matrix:
    """`[n_songs, vocabulary.size]` float32: the song itself 1, and each of its n facets of one relation 1/n. Unknown nodes are left out."""
    n_songs = projection.n_songs
    codes = vocabulary.codes(projection)
    songs, columns, weights = [np.arange(n_songs)], [codes[:n_songs]], [np.ones(n_songs)]
    for relation in FACET_RELATIONS.values():
        offsets, targets = projection.facet(relation)
        n_of_song = np.diff(offsets)
        songs.append(np.repeat(np.arange(n_songs), n_of_song))
        columns.append(codes[targets])
        weights.append(1.0 / np.repeat(n_of_song, n_of_song))
    song, column, weight = np.concatenate(songs), np.concatenate(columns), np.concatenate(weights).astype(np.float32)
    known = column > 0
    matrix = sp.csr_matrix((weight[known], (song[known], column[known])), shape=(n_songs, vocabulary.size), dtype=np.float32)
    matrix.sort_indices()
    return matrix
