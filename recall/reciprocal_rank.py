"""Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): routes vote with their ranks alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recall.candidate_table import CandidateTable

CONSTANT = 60
"""The paper's k: how little the very first places differ."""


def reciprocal_rank(table: CandidateTable, constant: int = CONSTANT) -> npt.NDArray[np.float32]:
    """Sum over the routes that list the pair of `1 / (constant + rank)`, `[n]`."""
    vote = np.where(table.rank > 0, 1.0 / (constant + table.rank), 0.0)
    total: npt.NDArray[np.float64] = vote.sum(axis=1)
    return total.astype(np.float32)
