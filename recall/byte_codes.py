"""Vectors in a byte a number, a quarter of what a scan of them has to read: products that are wrong by no more than a known bound."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
LARGEST = 127


class ByteCodes(NamedTuple):
    """Every vector as whole numbers times its own scale."""

    code: npt.NDArray[np.int8]
    """`[n, dim]`"""
    scale: Vectors
    """`[n]`"""
    apart: float
    """Largest distance of a vector from its code."""


class QueryCodes(NamedTuple):
    """Queries likewise, finer, so that a sum of products still is a whole number of 32 bits."""

    code: npt.NDArray[np.int16]
    """`[n_queries, dim]`"""
    scale: Vectors
    """`[n_queries]`"""
    error: npt.NDArray[np.float64]
    """`[n_queries]` by how much a product of codes may be wrong."""


def byte_codes(vectors: Vectors) -> ByteCodes:
    """Codes of `vectors` `[n, dim]`."""
    code, scale = np.zeros(vectors.shape, np.int8), np.ones(len(vectors), np.float32)
    return ByteCodes(code, scale, float(np.sqrt(_encode(vectors, code, scale))))


def query_codes(queries: Vectors, codes: ByteCodes, longest: float) -> QueryCodes:
    """Codes of `queries` `[n_queries, dim]` to be multiplied with `codes`, of whose vectors `longest` is the largest length."""
    dim = queries.shape[1]
    largest = min(np.iinfo(np.int16).max, (2**31 - 1) // (LARGEST * max(dim, 1)))
    size = np.abs(queries).max(axis=1, initial=0)
    scale = np.where(size > 0, size / largest, 1).astype(np.float32)
    code = np.clip(np.rint(queries / scale[:, None]), -largest, largest).astype(np.int16)
    off = np.linalg.norm(queries.astype(np.float64) - code * scale[:, None].astype(np.float64), axis=1)
    length = np.linalg.norm(queries.astype(np.float64), axis=1)
    # What the codes leave out of vector and query, and three roundings to 32 bits (of numbers however small).
    error = length * codes.apart + (off + 2.0**-22 * length) * (longest + codes.apart) + 2.0**-147
    return QueryCodes(code, scale, error)


@numba.njit(cache=True, nogil=True)
def _encode(vectors, code, scale):  # type: ignore[no-untyped-def]
    """Fill in codes and scales; returns the largest squared distance of a vector from its code."""
    worst = 0.0
    for i in range(len(vectors)):
        size = np.float32(0)
        for d in range(vectors.shape[1]):
            size = max(size, abs(vectors[i, d]))
        if size > 0:
            scale[i] = size / np.float32(LARGEST)
        square = 0.0
        for d in range(vectors.shape[1]):
            code[i, d] = np.int8(np.rint(vectors[i, d] / scale[i]))
            square += (np.float64(vectors[i, d]) - np.float64(scale[i]) * code[i, d]) ** 2
        worst = max(worst, square)
    return worst


@numba.njit(cache=True, nogil=True)
def code_products(query, query_scale, code, scale):  # type: ignore[no-untyped-def]
    """Products `[n_queries, n]` of codes, back in the scale of what they stand for."""
    out = np.empty((len(query), len(code)), np.float32)
    for q in range(len(query)):
        wanted = query[q]
        for i in range(len(code)):
            given = code[i]
            total = np.int32(0)
            for d in range(len(wanted)):
                # Wrapped, since Numba would go on in 64 bits: the sum stays below 2^31 by the queries' scale.
                total = np.int32(total + np.int32(np.int16(given[d]) * np.int32(wanted[d])))
            out[q, i] = np.float32(total) * scale[i] * query_scale[q]
    return out
