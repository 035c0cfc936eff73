"""Greedy MAP inference of a determinantal point process (Chen, Zhang and Zhou, NeurIPS 2018), in a sliding window.

Of items with quality q and similarity S the kernel is L = diag(q) S diag(q), and a set Y is as good as log det L_Y. Adding i to Y adds
log q_i² + log d_i², where d_i² is what of i's own variance is left given Y. By an incremental Cholesky factor (their equations 5 to 9)
item i keeps a row c_i; when j is taken, with d_j = √(d_j²):

    e_i = (S_ji - <c_j, c_i>) / d_j        c_i := [c_i, e_i]        d_i² := d_i² - e_i²

so a place costs O(M · |Y|) for M candidates. With q_i = exp(θ r_i) of the score r_i a step is argmax of 2 θ r_i + log d_i²: θ → ∞ is the
order of the score. Here scores are in one unit and log d² has the weight δ / (1 - δ): θ = (1 - δ) / (2 δ), δ the setting `diversity`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled

NOISE: Final = 1e-3
"""Added to the similarity of a song with itself: the kernel of songs with the same vector stays positive definite."""
SMALLEST: Final = 1e-9
"""What is left of an item at least, so that its logarithm is finite."""


def unit_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Rows `[n, dim]` of length 1; a row of zeros stays, and is then half alike to every other."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), dtype=np.float32)


def similarity_matrix(units: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """S `[n, n]` of unit vectors: (1 + cosine) / 2, which is positive semidefinite, and `NOISE` on the diagonal."""
    rows = units.astype(np.float64)
    # A row of zeros is alike to itself all the same.
    matrix = (1 + rows @ rows.T) / 2
    np.fill_diagonal(matrix, 1 + NOISE)
    return matrix


@compiled
def alike(units: Any, one: int, other: int) -> float:
    """S of two different songs."""
    product = 0.0
    for column in range(units.shape[1]):
        product += units[one, column] * units[other, column]
    return (1.0 + product) / 2.0


@compiled
def condition(units: Any, item: Any, rows: Any, left: Any, n_held: int, chosen: int) -> None:
    """Take `chosen` into the set: column `n_held` of the Cholesky rows is written, and what is left of each item shrinks.

    Args:
        units: `[n_songs, dim]` unit vectors.
        item: `[m]` songs of the pool.
        rows: `[m, width]` Cholesky rows c.
        left: `[m]` d².
        n_held: items in the set before.
        chosen: place in the pool.
    """
    root = np.sqrt(left[chosen])
    for i in range(len(item)):
        same = 1.0 + NOISE if i == chosen else alike(units, item[i], item[chosen])
        for column in range(n_held):
            same -= rows[i, column] * rows[chosen, column]
        rows[i, n_held] = same / root
        left[i] = max(left[i] - rows[i, n_held] ** 2, SMALLEST)


@compiled
def forget_first(rows: Any, left: Any, held: Any, n_held: int) -> None:
    """Take the item that came first out of the set of `held[:n_held]`: what is left of each item grows back.

    The columns are turned (Givens) until none of the items that stay has a part in the first, which is then what they do not explain.
    """
    for column in range(1, n_held):
        first, own = rows[held[column], 0], rows[held[column], column]
        length = np.hypot(first, own)
        cosine, sine = own / length, first / length
        for i in range(len(rows)):
            x, y = rows[i, 0], rows[i, column]
            rows[i, column] = cosine * y + sine * x
            rows[i, 0] = cosine * x - sine * y
    for i in range(len(rows)):
        left[i] += rows[i, 0] ** 2
        for column in range(1, n_held):
            rows[i, column - 1] = rows[i, column]
