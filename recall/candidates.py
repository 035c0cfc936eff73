"""Candidates and paths as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Candidates:
    """What one route offers: for each user at most k items, best first; ties by item id. Arrays of `[n]`."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Paths:
    """One path per row: `nodes[i, 0] -steps[i, 0]- nodes[i, 1] …`, from the user's evidence to the item.

    A row whose `length` is 0 has no path; a row of length 1 is one node and no hop (the item itself is the evidence).
    """

    nodes: npt.NDArray[np.int32]
    """`[n, max_hops + 1]` entity ids, -1 beyond `length`."""
    steps: npt.NDArray[np.int16]
    """`[n, max_hops]` index into `step_names`, -1 beyond `length - 1`."""
    length: npt.NDArray[np.int8]
    """`[n]` number of nodes."""
    step_names: tuple[str, ...]
    """Relation of each step; a hop against its edge is written `<RELATION`."""
    from_profile: npt.NDArray[np.bool_] | None = None
    """`[n]` true where the evidence is the user's profile: the path then starts at the user's own `user:` key, before `nodes[i, 0]`."""

    @classmethod
    def none(cls, n: int) -> Self:
        """`n` rows without a path: the route cannot say why."""
        empty = np.empty((n, 0), dtype=np.int16)
        return cls(np.full((n, 1), -1, dtype=np.int32), empty, np.zeros(n, dtype=np.int8), ())

    @classmethod
    def itself(cls, items: npt.NDArray[np.int32], known: npt.NDArray[np.bool_]) -> Self:
        """The item is its own evidence where `known` `[n]`; elsewhere no path."""
        nodes = np.where(known, items, -1).astype(np.int32)[:, None]
        return cls(nodes, np.empty((len(items), 0), dtype=np.int16), known.astype(np.int8), ())

    @classmethod
    def one_hop(cls, evidence: npt.NDArray[np.int32], items: npt.NDArray[np.int32], step: str) -> Self:
        """`evidence -step- item` for each row `[n]`; no path where the evidence is -1."""
        known = evidence >= 0
        nodes = np.where(known[:, None], np.column_stack((evidence, items)), -1).astype(np.int32)
        steps = np.where(known, 0, -1).astype(np.int16)[:, None]
        return cls(nodes, steps, np.where(known, 2, 0).astype(np.int8), (step,))
