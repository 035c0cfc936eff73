"""Top-k kernels: the best columns of each row of a sparse product or a dense block, ties by column id.

A route that counts is a product of two sparse matrices, `left @ right`: user histories times song neighbours, user neighbours times
histories. A row of the product is summed into one dense scratch row in 64 bits, always in the same order, so that a list and the
score of a single pair are the same number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recall.candidates import Candidates

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


class Ranked(NamedTuple):
    """The best entries of each row, rows in the order asked, best first. Arrays of `[n]`."""

    row: Ints
    """Position in the rows asked for."""
    col: Ints
    score: Floats


def candidates(users: npt.NDArray[np.integer], ranked: Ranked) -> Candidates:
    """The ranked songs as candidates of `users`, the users that the rows stand for."""
    return Candidates(users[ranked.row].astype(np.int32), ranked.col, ranked.score)


def csr(matrix: Any) -> csr_array:
    """`matrix` as the kernels want it: CSR with summed, sorted 32-bit column ids, 64-bit row offsets and 32-bit values."""
    result = csr_array(matrix, dtype=np.float32)
    result.sum_duplicates()
    result.indptr, result.indices = result.indptr.astype(np.int64), result.indices.astype(np.int32)
    return result


class Rows(NamedTuple):
    """Rows of a sparse matrix: row `i` has `indices[indptr[i]:indptr[i + 1]]`, and as many values."""

    indptr: npt.NDArray[np.int64]
    indices: Ints
    data: npt.NDArray[np.floating]


def rows_at(matrix: csr_array, rows: npt.NDArray[np.integer]) -> Rows:
    """`matrix[rows]` without what SciPy checks, which for one row takes longer than all else."""
    start = matrix.indptr[rows].astype(np.int64)
    size = matrix.indptr[rows.astype(np.int64) + 1] - start
    indptr = np.concatenate(([0], np.cumsum(size))).astype(np.int64)
    at = np.repeat(start - indptr[:-1], size) + np.arange(indptr[-1])
    return Rows(indptr, matrix.indices[at].astype(np.int32, copy=False), matrix.data[at])


def product_top_k(
    left: csr_array,
    rows: npt.NDArray[np.integer],
    right: csr_array,
    k: int,
    exclude: csr_array | None = None,
    exclude_rows: npt.NDArray[np.integer] | None = None,
) -> Ranked:
    """The `k` largest positive entries of each of `rows` of `left @ right`, without what the same row of `exclude` holds.

    `exclude_rows` names other rows of `exclude`, one for each of `rows`. The matrices are those of `csr`. Scores are rounded to 32 bits
    before they are compared; equal scores come by column id.
    """
    rows = np.ascontiguousarray(rows, dtype=np.int64)
    skip_rows = rows if exclude_rows is None else np.ascontiguousarray(exclude_rows, dtype=np.int64)
    if exclude is None:
        skip, skip_rows = (np.zeros(2, np.int64), np.empty(0, np.int32)), np.zeros(len(rows), np.int64)
    else:
        skip = _arrays(exclude)[:2]
    keys, size = _product_keys(*_arrays(left), rows, *_arrays(right), right.shape[1], min(k, right.shape[1]), *skip, skip_rows)
    return _ranked(keys, size)


def product_at(
    left: csr_array, right: csr_array, row: npt.NDArray[np.integer], col: npt.NDArray[np.integer], *, largest: bool = False
) -> Floats:
    """Entries `[n]` of `left @ right` at pairs grouped by row; with `largest` the largest single term instead of the sum of terms."""
    row, col = np.ascontiguousarray(row, dtype=np.int64), np.ascontiguousarray(col, dtype=np.int64)
    return _product_at(*_arrays(left), *_arrays(right), right.shape[1], row, col, largest)  # type: ignore[no-any-return]


def product_argmax(left: csr_array, right: csr_array, row: npt.NDArray[np.integer], col: npt.NDArray[np.integer]) -> Ints:
    """The middle index `m` with the largest positive term `left[row, m] * right[m, col]`, for pairs `[n]` grouped by row; -1 where none."""
    row, col = np.ascontiguousarray(row, dtype=np.int64), np.ascontiguousarray(col, dtype=np.int64)
    return _product_argmax(*_arrays(left), *_arrays(right), right.shape[1], row, col)  # type: ignore[no-any-return]


def ranking_top_k(order: Ints, score: Floats, rows: npt.NDArray[np.integer], k: int, exclude: csr_array | None = None) -> Ranked:
    """The first `k` of one ranking for each of `rows`, without what row `r` of `exclude` holds.

    `order` holds columns, best first; `score` is by column.
    """
    n_rows = int(rows.max(initial=-1)) + 1
    skip = _arrays(exclude)[:2] if exclude is not None else (np.zeros(n_rows + 1, np.int64), np.empty(0, np.int32))
    found, size = _ranking(order, len(score), np.ascontiguousarray(rows, dtype=np.int64), min(k, len(order)), *skip)
    row, place = np.nonzero(np.arange(found.shape[1]) < size[:, None])
    col = found[row, place]
    return Ranked(row.astype(np.int32), col, score[col])


def dense_top_k(block: Floats, rows: npt.NDArray[np.integer], k: int, exclude: csr_array | None = None) -> Ranked:
    """The `k` largest positive entries of each row of a score block `[len(rows), n]`; row `i` leaves out row `rows[i]` of `exclude`."""
    skip = rows_at(exclude, rows)[:2] if exclude is not None else (np.zeros(len(rows) + 1, np.int64), np.empty(0, np.int32))
    return _ranked(*_dense_keys(np.ascontiguousarray(block, dtype=np.float32), min(k, block.shape[1]), *skip))


def dense_argmax(left: csr_array, right: Floats, row: npt.NDArray[np.integer], col: npt.NDArray[np.integer]) -> Ints:
    """`product_argmax` for a dense `right`; -1 also where `col` is negative."""
    return _dense_argmax(*_arrays(left), right, row.astype(np.int64), col.astype(np.int64))  # type: ignore[no-any-return]


def _arrays(matrix: csr_array) -> tuple[npt.NDArray[np.int64], Ints, Floats]:
    return matrix.indptr.astype(np.int64, copy=False), matrix.indices.astype(np.int32, copy=False), matrix.data


def _ranked(keys: npt.NDArray[np.uint64], size: npt.NDArray[np.integer]) -> Ranked:
    """Keys are score bits, then the complement of the column id: one integer order is score first, id second."""
    row, place = np.nonzero(np.arange(keys.shape[1]) < size[:, None])
    key = keys[row, place]
    score = (key >> np.uint64(32)).astype(np.uint32).view(np.float32)
    col = (np.uint64(0xFFFFFFFF) - (key & np.uint64(0xFFFFFFFF))).astype(np.int32)
    return Ranked(row.astype(np.int32), col, score)


@_jit
def _add_row(row, l_indptr, l_indices, l_data, r_indptr, r_indices, r_data, total, touched, n, largest):  # type: ignore[no-untyped-def]
    """Sum one row of the product into `total`; returns how many columns it touched."""
    for a in range(l_indptr[row], l_indptr[row + 1]):
        weight = np.float64(l_data[a])
        middle = l_indices[a]
        for b in range(r_indptr[middle], r_indptr[middle + 1]):
            col = r_indices[b]
            term = weight * r_data[b]
            if total[col] == 0.0:
                touched[n] = col
                n += 1
                total[col] = 1e-300
            if not largest:
                # A sum of terms of both signs may meet 0, which means not touched.
                total[col] = total[col] + term or 1e-300
            elif term > total[col]:
                total[col] = term
    return n


@_jit
def _product_keys(  # type: ignore[no-untyped-def]
    l_indptr, l_indices, l_data, rows, r_indptr, r_indices, r_data, n_cols, k, x_indptr, x_indices, x_rows
):
    total = np.zeros(n_cols)
    touched = np.empty(n_cols + 1, np.int32)
    keys = np.empty(n_cols, np.uint64)
    bits = np.empty(1, np.float32)
    best = np.zeros((len(rows), k), np.uint64)
    size = np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        n = _add_row(rows[i], l_indptr, l_indices, l_data, r_indptr, r_indices, r_data, total, touched, 0, False)
        for x in range(x_indptr[x_rows[i]], x_indptr[x_rows[i] + 1]):
            if total[x_indices[x]] != 0.0:
                total[x_indices[x]] = -1.0
        m = 0
        for t in range(n):
            col = touched[t]
            bits[0] = total[col]
            total[col] = 0.0
            if bits[0] > 0.0:
                keys[m] = (np.uint64(bits.view(np.uint32)[0]) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.uint64(col))
                m += 1
        size[i] = min(m, k)
        top = np.sort(np.partition(keys[:m], m - k)[m - k :] if m > k else keys[:m])
        best[i, : size[i]] = top[::-1]
    return best, size


@_jit
def _dense_keys(block, k, x_indptr, x_indices):  # type: ignore[no-untyped-def]
    n_rows, n_cols = block.shape
    best, size = np.zeros((n_rows, k), np.uint64), np.zeros(n_rows, np.int64)
    held, keys = np.zeros(n_cols, np.bool_), np.empty(max(4 * k, 1), np.uint64)
    for i in range(n_rows if k else 0):
        excluded = x_indices[x_indptr[i] : x_indptr[i + 1]]
        held[excluded] = True
        bits, m, bar = block[i].view(np.uint32), 0, np.float32(0)
        for col in range(n_cols):
            if block[i, col] > 0 and block[i, col] >= bar and not held[col]:
                keys[m] = (np.uint64(bits[col]) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.uint64(col))
                m += 1
                if m == len(keys):
                    # Only the best k of those met so far may still be among the best.
                    keys[:k] = np.partition(keys, m - k)[m - k :]
                    m, bar = k, np.uint32(np.min(keys[:k]) >> np.uint64(32)).view(np.float32)
        held[excluded] = False
        size[i] = min(m, k)
        best[i, : size[i]] = np.sort(keys[:m])[::-1][:k]
    return best, size


@_jit
def _product_at(l_indptr, l_indices, l_data, r_indptr, r_indices, r_data, n_cols, row, col, largest):  # type: ignore[no-untyped-def]
    total = np.zeros(n_cols)
    touched = np.empty(n_cols + 1, np.int32)
    found = np.zeros(len(row), np.float32)
    start = 0
    while start < len(row):
        end = start + 1
        while end < len(row) and row[end] == row[start]:
            end += 1
        n = _add_row(row[start], l_indptr, l_indices, l_data, r_indptr, r_indices, r_data, total, touched, 0, largest)
        for i in range(start, end):
            found[i] = total[col[i]]
        for t in range(n):
            total[touched[t]] = 0.0
        start = end
    return found


@_jit
def _product_argmax(l_indptr, l_indices, l_data, r_indptr, r_indices, r_data, n_cols, row, col):  # type: ignore[no-untyped-def]
    largest = np.zeros(n_cols)
    middle_of = np.full(n_cols, -1, np.int32)
    found = np.full(len(row), -1, np.int32)
    start = 0
    while start < len(row):
        end = start + 1
        while end < len(row) and row[end] == row[start]:
            end += 1
        for i in range(start, end):
            largest[col[i]] = -1.0
        for a in range(l_indptr[row[start]], l_indptr[row[start] + 1]):
            middle = l_indices[a]
            for b in range(r_indptr[middle], r_indptr[middle + 1]):
                term = np.float64(l_data[a]) * r_data[b]
                asked = largest[r_indices[b]]
                if asked != 0.0 and term > max(asked, 0.0):
                    largest[r_indices[b]] = term
                    middle_of[r_indices[b]] = middle
        for i in range(start, end):
            found[i] = middle_of[col[i]]
        for i in range(start, end):
            largest[col[i]] = 0.0
            middle_of[col[i]] = -1
        start = end
    return found


@_jit
def _ranking(order, n_cols, rows, k, x_indptr, x_indices):  # type: ignore[no-untyped-def]
    skipped = np.full(n_cols, -1, np.int64)
    found = np.full((len(rows), k), -1, np.int32)
    size = np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        for x in range(x_indptr[rows[i]], x_indptr[rows[i] + 1]):
            skipped[x_indices[x]] = i
        for place in range(len(order)):
            if size[i] == k:
                break
            if skipped[order[place]] != i:
                found[i, size[i]] = order[place]
                size[i] += 1
    return found, size


@_jit
def _dense_argmax(l_indptr, l_indices, l_data, right, row, col):  # type: ignore[no-untyped-def]
    found = np.full(len(row), -1, np.int32)
    for i in range(len(row)):
        largest = 0.0
        if col[i] >= 0:
            for a in range(l_indptr[row[i]], l_indptr[row[i] + 1]):
                term = np.float64(l_data[a]) * right[l_indices[a], col[i]]
                if term > largest:
                    largest = term
                    found[i] = l_indices[a]
    return found
