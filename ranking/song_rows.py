"""Songs' facets as rows to count by, and what several facets of one song say together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from graph.projection import Projection
from ranking.ranges import packed

Ints = npt.NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.int64)


@dataclass(frozen=True)
class FacetRows:
    """The facets of every song by one relation, and the keys that a listener's acts on them are counted under."""

    n_nodes: int
    offsets: Ints
    """`[n_songs + 1]`"""
    targets: npt.NDArray[np.int32]
    """`[offsets[-1]]` nodes."""

    @classmethod
    def of(cls, projection: Projection, relation: str) -> Self:
        """The facets that `projection` states."""
        return cls(projection.n_nodes, *projection.facet(relation))

    def expand(self, item: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.intp], Ints]:
        """For every facet of every song `[n]`: the row of the song, ascending, and the node of the facet."""
        owner, rows = packed(self.offsets[item], self.offsets[item + 1])
        return owner, self.targets[rows].astype(np.int64)

    def key(self, user: npt.NDArray[np.integer], node: npt.NDArray[np.integer]) -> Ints:
        """One number `[n]` for each pair of user and node."""
        return user.astype(np.int64) * self.n_nodes + node


def max_of(values: npt.NDArray[Number], owner: npt.NDArray[np.intp], n: int, empty: float) -> npt.NDArray[Number]:
    """`[n]` greatest value of each owner (ascending), `empty` where it has none."""
    result = np.full(n, empty, dtype=values.dtype)
    if len(owner):
        start = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1])))
        result[owner[start]] = np.maximum.reduceat(values, start)
    return result
