"""What a song is: its artists, album, styles, language, era and tags, as one CSR from song to facet values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.catalogue import Catalogue

FACETS: Final = ("artist", "album", "style", "language", "era", "scene", "emotion", "theme")
"""Facets by name, in the order of their codes. Tags of any other kind follow, each kind a facet of its own, sorted by name."""

RELATIONS: Final = {
    "SUNG_BY": "artist",
    "IN_ALBUM": "album",
    "HAS_STYLE": "style",
    "IN_LANGUAGE": "language",
    "FROM_ERA": "era",
    "TAGGED": "tag",
}
"""Relations from a song to its facets, and the kind of entity at their other end."""

ALWAYS: Final = int(np.iinfo(np.int64).min)
"""`valid_from` of a fact without a date."""


@dataclass(frozen=True)
class SongFacets:
    """Facet values of every song. Song `s` owns `offsets[s]:offsets[s + 1]` of the columns, ordered by value; ids are entity ids."""

    names: tuple[str, ...]
    """Facet names by code: `FACETS`, then the other kinds of tag."""
    facet_of: npt.NDArray[np.int16]
    """`[n_entities]` facet code of each entity; -1 where it is no facet of songs."""
    offsets: npt.NDArray[np.int64]
    """`[n_songs + 1]`"""
    value: npt.NDArray[np.int32]
    """`[n]` entity ids."""
    weight: npt.NDArray[np.float32]
    """`[n]` confidence of the fact (a tag's weight) in (0, 1]."""
    valid_from: npt.NDArray[np.int64]
    """`[n]` Unix seconds from which the fact holds, or `ALWAYS`."""

    @classmethod
    def of(cls, catalogue: Catalogue, triples: pl.DataFrame) -> Self:
        """The facets that the lake's `triples` state of the catalogue's songs, with every singer of a song."""
        names, facet_of = _facet_codes(catalogue.entities)
        entities = catalogue.entities.select("key", "kind").with_row_index("id")
        stated = triples.filter(pl.col("relation").is_in(list(RELATIONS)))
        stated = stated.with_columns(kind=pl.col("relation").replace_strict(RELATIONS, return_dtype=pl.String))
        songs = entities.head(catalogue.n_songs).select(head="key", song="id")
        values = entities.select("kind", tail="key", value="id")  # a tail of another kind is a slip of the source, and no facet
        facts = stated.join(songs, on="head").join(values, on=["tail", "kind"]).sort("song", "value")
        offsets = np.zeros(catalogue.n_songs + 1, dtype=np.int64)
        np.cumsum(np.bincount(facts["song"].to_numpy(), minlength=catalogue.n_songs), out=offsets[1:])
        return cls(
            names,
            facet_of,
            offsets,
            facts["value"].cast(pl.Int32).to_numpy(writable=True),
            facts["confidence"].to_numpy(writable=True),
            facts["valid_from"].fill_null(ALWAYS).to_numpy(writable=True),
        )

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return len(self.offsets) - 1

    @property
    def n_entities(self) -> int:
        """Number of entities: one more than the highest id that a value may have."""
        return len(self.facet_of)

    @property
    def song(self) -> npt.NDArray[np.int32]:
        """`[n]` the song of each value."""
        return np.repeat(np.arange(self.n_songs, dtype=np.int32), np.diff(self.offsets))

    def code(self, facet: str) -> int:
        """Code of a facet name; -1 where no song has such a facet."""
        return self.names.index(facet) if facet in self.names else -1

    def as_of(self, t: int) -> SongFacets:
        """Only the facts known at `t` (Unix seconds): `valid_from` at most `t`."""
        return self._where(self.valid_from <= t)

    def only(self, facet: str) -> SongFacets:
        """Only the values of one facet; none where no song has it."""
        return self._where(self.facet_of[self.value] == self.code(facet) if facet in self.names else np.zeros(len(self.value), dtype=bool))

    def timeless(self) -> SongFacets:
        """The same facts without dates: where the source's times give order only, they cannot hide a fact either."""
        return SongFacets(self.names, self.facet_of, self.offsets, self.value, self.weight, np.full_like(self.valid_from, ALWAYS))

    def _where(self, rows: npt.NDArray[np.bool_]) -> SongFacets:
        kept = np.concatenate(([0], np.cumsum(rows, dtype=np.int64)))
        return SongFacets(self.names, self.facet_of, kept[self.offsets], self.value[rows], self.weight[rows], self.valid_from[rows])


def _facet_codes(entities: pl.DataFrame) -> tuple[tuple[str, ...], npt.NDArray[np.int16]]:
    """Names of the facets, and the code of each entity. A tag belongs to the facet that its kind names, even `style` or `language`."""
    tag_kind = pl.col("key").str.extract(r"^tag:([^/]*)/").fill_null("tag").str.to_lowercase()
    own = [kind for kind in RELATIONS.values() if kind != "tag"]
    facet = pl.when(pl.col("kind").is_in(own)).then("kind").when(pl.col("kind") == "tag").then(tag_kind)
    facets = entities.select(facet=facet)["facet"]
    others = facets.filter(~facets.is_in(FACETS)).drop_nulls().unique().sort().to_list()
    names = (*FACETS, *others)
    codes = facets.replace_strict({name: code for code, name in enumerate(names)}, default=-1, return_dtype=pl.Int16)
    return names, codes.fill_null(-1).to_numpy(writable=True)
