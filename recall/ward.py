"""Ward's hierarchical clustering (1963) of many small sets of vectors, by nearest-neighbour chains (Murtagh, 1983)."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def ward_clusters(vectors: npt.NDArray[np.float32], offsets: Ints, rows: Ints, threshold: float) -> Ints:
    """Number of the cluster of every member `[n]`, counted from 0 within its set in the order of first members.

    Two clusters A and B are sqrt(2 |A| |B| / (|A| + |B|)) times the distance of their means apart (Ward's distance as SciPy scales
    it: two single points are their own distance apart). The nearest two are joined until none are within `threshold`.

    Args:
        vectors: `[n_vectors, dim]`.
        offsets: set `s` is `rows[offsets[s]:offsets[s + 1]]`.
        rows: `[n]` rows of `vectors`; a set costs the square of its size, in time and memory.
        threshold: largest distance that is joined.
    """
    return _clusters(np.ascontiguousarray(vectors), offsets.astype(np.int64), rows.astype(np.int64), threshold)  # type: ignore[no-any-return]


def _jit(function: Any) -> Any:
    return numba.njit(cache=True, nogil=True)(function)


@_jit
def _clusters(vectors, offsets, rows, threshold):  # type: ignore[no-untyped-def]
    largest = 0
    for s in range(len(offsets) - 1):
        largest = max(largest, offsets[s + 1] - offsets[s])
    cluster = np.zeros(len(rows), np.int64)
    distance = np.empty((largest, largest))
    for s in range(len(offsets) - 1):
        first, n = offsets[s], offsets[s + 1] - offsets[s]
        _squared_distances(vectors, rows[first : first + n], distance)
        parent = _joined(distance, n, threshold * threshold)
        found = 0
        for i in range(n):
            root = i
            while parent[root] != root:
                root = parent[root]
            # Roots are the first member of their cluster, so it has been numbered when the others come.
            if root == i:
                cluster[first + i] = found
                found += 1
            else:
                cluster[first + i] = cluster[first + root]
    return cluster


@_jit
def _squared_distances(vectors, rows, distance):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        distance[i, i] = 0.0
        for j in range(i):
            total = 0.0
            for d in range(vectors.shape[1]):
                gap = np.float64(vectors[rows[i], d]) - np.float64(vectors[rows[j], d])
                total += gap * gap
            distance[i, j] = total
            distance[j, i] = total


@_jit
def _joined(distance, n, limit):  # type: ignore[no-untyped-def]
    """Forest of the joins within `limit` (squared); `distance` is used up.

    A chain goes from each cluster to its nearest one until two are each other's nearest: with Ward's distance they are joined in the
    full hierarchy too, whatever else is joined first. Joins beyond the limit are carried through, but leave no trace in the forest.
    """
    parent, size, alive = np.arange(n), np.ones(n), np.ones(n, np.bool_)
    chain, length, left = np.empty(n, np.int64), 0, n
    while left > 1:
        if length == 0:
            start = 0
            while not alive[start]:
                start += 1
            chain[0], length = start, 1
        a = chain[length - 1]
        b = chain[length - 2] if length > 1 else -1
        nearest = distance[a, b] if b >= 0 else np.inf
        for c in range(n):
            # Strictly nearer: among equals the one before in the chain wins, or else the first.
            if alive[c] and c != a and distance[a, c] < nearest:
                b, nearest = c, distance[a, c]
        if length > 1 and b == chain[length - 2]:
            length -= 2
            keep, gone = min(a, b), max(a, b)
            if nearest <= limit:
                parent[gone] = keep
            _merge(distance, alive, size, n, keep, gone)
            left -= 1
        else:
            chain[length] = b
            length += 1
    return parent


@_jit
def _merge(distance, alive, size, n, keep, gone):  # type: ignore[no-untyped-def]
    """`gone` becomes part of `keep`: distances to the others by Lance and Williams' formula."""
    between = distance[keep, gone]
    alive[gone] = False
    for c in range(n):
        if alive[c] and c != keep:
            whole = size[keep] + size[gone] + size[c]
            far = (size[keep] + size[c]) * distance[keep, c] + (size[gone] + size[c]) * distance[gone, c] - size[c] * between
            distance[keep, c] = far / whole
            distance[c, keep] = distance[keep, c]
    size[keep] += size[gone]
