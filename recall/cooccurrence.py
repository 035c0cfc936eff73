"""Item vectors from who stands near whom: factorised positive pointwise mutual information (Levy and Goldberg, NIPS 2014)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array, diags_array

from recall.interest_sequences import Sequences

Vectors = npt.NDArray[np.float32]
OVERSAMPLING = 16
ROUNDS = 4
"""Rounds of power iteration: the spectrum of mutual information falls slowly."""


def neighbour_counts(sequences: Sequences, n_items: int, span: int) -> csr_array:
    """`[n_items, n_items]` symmetric: how often two items stand at most `span` places apart in a sequence, each by 1 / distance."""
    total = csr_array((n_items, n_items), dtype=np.float32)
    user, item = sequences.user, sequences.item
    for distance in range(1, span + 1):
        together = np.flatnonzero(user[distance:] == user[:-distance])
        pairs = (item[together], item[together + distance])
        total += coo_array((np.full(len(together), 1 / distance, np.float32), pairs), shape=(n_items, n_items)).tocsr()
    return csr_array(total + total.T)


def positive_mutual_information(counts: csr_array) -> csr_array:
    """log(c_ij · Σc / (c_i · c_j)) of the entries where it is positive, from symmetric counts `[n, n]`."""
    of_item = np.asarray(counts.sum(axis=1), np.float64)
    found = counts.tocoo()
    value = np.log(found.data * of_item.sum() / (of_item[found.row] * of_item[found.col]))
    kept = value > 0
    return csr_array(coo_array((value[kept].astype(np.float32), (found.row[kept], found.col[kept])), shape=counts.shape))


def leading_vectors(matrix: csr_array, dim: int, seed: int) -> Vectors:
    """`[n, dim]` left singular vectors times the root of their values (Halko et al., SIAM Review 2011); zeros beyond the rank."""
    n = matrix.shape[0]
    width = min(dim + OVERSAMPLING, n)
    basis = np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)
    for _ in range(ROUNDS):
        basis = np.linalg.qr(matrix @ (matrix.T @ basis))[0]
    left, value, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    found = (basis @ left)[:, :dim] * np.sqrt(value[:dim])
    return np.pad(found, ((0, 0), (0, dim - found.shape[1]))).astype(np.float32)


def neighbour_vectors(sequences: Sequences, n_items: int, dim: int, span: int, seed: int) -> Vectors:
    """`[n_items, dim]` vectors of which items that stand near each other have like ones; their coordinates have the variance 1 / dim.

    Args:
        sequences: whose `item` are rows below `n_items`.
        n_items: rows.
        dim: width.
        span: places apart at most.
        seed: of the first guess.
    """
    information = positive_mutual_information(neighbour_counts(sequences, n_items, span))
    vectors = leading_vectors(information, dim, seed)
    # Items of no sequence and missing dimensions begin at random, as all would without this.
    noise = np.random.default_rng((seed, 1)).standard_normal(vectors.shape).astype(np.float32) * dim**-0.5
    scale = diags_array(1 / np.maximum(np.linalg.norm(vectors, axis=1), 1e-6))
    unit = np.asarray(scale @ vectors, np.float32)
    return np.where(np.abs(unit).sum(1, keepdims=True) > 1e-3, unit, noise)
