"""Candidates and paths as columns."""

from __future__ import annotations

from dataclasses import dataclass

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
