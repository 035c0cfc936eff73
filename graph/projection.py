"""The in-memory projection: the store's facts as one typed adjacency, both directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ALWAYS = np.iinfo(np.int64).min
"""`valid_from` of a fact without a date."""


@dataclass(frozen=True)
class Projection:
    """Typed CSR of the graph. Node ids are the lake's entity ids, then nodes that exist only in the store, by key.

    Edges of a node are `indptr[node]:indptr[node + 1]`, sorted by step, then target. Step `r` follows relation `r` along its
    direction, step `n_relations + r` against it.
    """

    keys: npt.NDArray[np.object_]
    """`[n_nodes]` key of each node."""
    names: npt.NDArray[np.object_]
    """`[n_nodes]` name of each node."""
    n_songs: int
    """Nodes `[0, n_songs)` are the songs of the lake, in its order: only they are recommended as songs."""
    relations: tuple[str, ...]
    """Relation names, sorted."""
    indptr: npt.NDArray[np.int64]
    """`[n_nodes + 1]`"""
    step: npt.NDArray[np.int16]
    """`[n_edges]`, n_edges = twice the number of facts"""
    target: npt.NDArray[np.int32]
    """`[n_edges]`"""
    valid_from: npt.NDArray[np.int64]
    """`[n_edges]` Unix seconds, or `ALWAYS`."""
    confidence: npt.NDArray[np.float32]
    """`[n_edges]` in (0, 1]"""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.keys)

    @property
    def step_names(self) -> tuple[str, ...]:
        """Name of each step: `RELATION` along an edge, `<RELATION` against it."""
        return self.relations + tuple(f"<{relation}" for relation in self.relations)
