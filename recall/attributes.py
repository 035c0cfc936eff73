"""Attributes of songs as codes that outlive a snapshot: the song itself, its artists, album, styles, language and era."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from graph.projection import Projection

Ints = npt.NDArray[np.int64]
SONG: Final = "song"
"""The attribute that is the song itself."""
RELATION_OF: Final = {
    "artist": "SUNG_BY",
    "album": "IN_ALBUM",
    "style": "HAS_STYLE",
    "language": "IN_LANGUAGE",
    "era": "FROM_ERA",
}
"""Relation from a song to each attribute that is lifted above it."""
VALUES_PER_SONG: Final = 4
"""Values of one attribute that a song keeps, the first by node: singers and styles may be many."""


@dataclass(frozen=True)
class Attributes:
    """Values of every song under a vocabulary; code 0 is no value, or one that the vocabulary does not know."""

    keys: tuple[str, ...]
    """Key of each code, from code 1 on."""
    names: tuple[str, ...]
    """Attributes in order: `song` first, then those of `RELATION_OF`."""
    codes: tuple[Ints, ...]
    """Of each attribute `[n_songs, width]` codes, the known ones first, then 0."""
    nodes: Ints
    """`[size]` node of the projection that each code stands for; -1 for code 0 and for what this projection lacks."""

    @classmethod
    def of(cls, projection: Projection) -> Self:
        """Attributes under the vocabulary of everything that a projection says of its songs."""
        nodes = [np.arange(projection.n_songs)] + [projection.facet(relation)[1].astype(np.int64) for relation in RELATION_OF.values()]
        return cls.under(tuple(str(key) for key in projection.keys[np.unique(np.concatenate(nodes))]), projection)

    @classmethod
    def under(cls, keys: tuple[str, ...], projection: Projection) -> Self:
        """Attributes of a projection's songs under a vocabulary made before."""
        code = _codes(keys, projection)
        nodes = np.full(len(keys) + 1, -1, np.int64)
        known = np.flatnonzero(code)
        nodes[code[known]] = known
        lifted = tuple(_padded(*projection.facet(relation), code) for relation in RELATION_OF.values())
        return cls(keys, (SONG, *RELATION_OF), (code[: projection.n_songs, None], *lifted), nodes)

    @property
    def size(self) -> int:
        """Number of codes, 0 included."""
        return len(self.keys) + 1

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return len(self.codes[0])


def _codes(keys: tuple[str, ...], projection: Projection) -> Ints:
    """Code of every node `[n_nodes]`."""
    known = pl.DataFrame({"key": pl.Series(keys, dtype=pl.String)}).with_row_index("code", offset=1)
    nodes = pl.DataFrame({"key": pl.Series(projection.keys.tolist(), dtype=pl.String)})
    return nodes.join(known, on="key", how="left", maintain_order="left")["code"].fill_null(0).to_numpy().astype(np.int64)


def _padded(offsets: npt.NDArray[np.int64], targets: npt.NDArray[np.int32], code: Ints) -> Ints:
    """Ragged values as `[n_songs, width]` codes, unknown ones left out."""
    song = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    value = code[targets]
    song, value = song[value > 0], value[value > 0]
    place = np.arange(len(song)) - np.searchsorted(song, song)
    width = max(1, min(int(place.max(initial=0)) + 1, VALUES_PER_SONG))
    out = np.zeros((len(offsets) - 1, width), np.int64)
    kept = place < width
    out[song[kept], place[kept]] = value[kept]
    return out
