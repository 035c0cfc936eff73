"""Numba kernels: every simple walk along the meta-paths of a user's seeds, one user after the other.

The walks are enumerated depth first over per-hop CSR slices, so the inner loop of the last hop streams a contiguous slice and adds
into one dense row of sums (64 bits). A walk that meets a node twice is no path and is left out; so a seed is no evidence for itself.
The order of all additions is fixed by the user's seeds alone: results do not depend on the batch or on threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]


class Hops(NamedTuple):
    """Edges of each hop as CSR, and the meta-paths as rows of hops."""

    indptr: npt.NDArray[np.int64]
    """`[n_hops, n_nodes + 1]` into the edge arrays"""
    target: npt.NDArray[np.int32]
    """`[n_edges]`"""
    weight: npt.NDArray[np.float32]
    """`[n_edges]` confidence, times hop decay, over the damped degree"""
    step: npt.NDArray[np.int16]
    """`[n_edges]` step of the projection"""
    path_hop: npt.NDArray[np.int64]
    """`[n_paths, longest]` hop of each place, -1 beyond the path's length"""
    path_length: npt.NDArray[np.int64]
    """`[n_paths]` number of hops"""
    path_weight: npt.NDArray[np.float64]
    """`[n_paths]`"""


class Walk(NamedTuple):
    """The walk in progress: open slices of edges on a stack. Arrays of `[longest + 1]`."""

    node: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float64]
    edge: npt.NDArray[np.int64]
    """Next edge of the slice open at each depth; the edge taken is the one before."""
    end: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    """`[1]` the deepest open slice"""


@_jit
def _new_walk(hops):  # type: ignore[no-untyped-def]
    n = hops.path_hop.shape[1] + 1
    return Walk(np.zeros(n, np.int32), np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(1, np.int64))


@_jit
def _open(hops, path, walk, depth):  # type: ignore[no-untyped-def]
    hop = hops.path_hop[path, depth]
    walk.edge[depth] = hops.indptr[hop, walk.node[depth]]
    walk.end[depth] = hops.indptr[hop, walk.node[depth] + 1]
    walk.depth[0] = depth


@_jit
def _begin(hops, path, walk, seed, mass):  # type: ignore[no-untyped-def]
    walk.node[0] = seed
    walk.mass[0] = mass * hops.path_weight[path]
    _open(hops, path, walk, 0)


@_jit
def _on_walk(walk, depth, node):  # type: ignore[no-untyped-def]
    for i in range(depth + 1):  # noqa: SIM110 (Numba compiles the loop, not the generator)
        if walk.node[i] == node:
            return True
    return False


@_jit
def _next_prefix(hops, path, walk):  # type: ignore[no-untyped-def]
    """Go to the next simple walk of all hops but the last, and open the slice of the last; False when there is none."""
    last = hops.path_length[path] - 1
    if last == 0:
        first_time = walk.depth[0] == 0
        walk.depth[0] = -1
        return first_time
    depth = min(walk.depth[0], last - 1)
    while depth >= 0:
        edge = walk.edge[depth]
        if edge == walk.end[depth]:
            depth -= 1
            continue
        walk.edge[depth] = edge + 1
        node = hops.target[edge]
        if _on_walk(walk, depth, node):
            continue
        depth += 1
        walk.node[depth] = node
        walk.mass[depth] = walk.mass[depth - 1] * hops.weight[edge]
        _open(hops, path, walk, depth)
        if depth == last:
            return True
    return False


@_jit
def _add_walks(hops, path, walk, total, touched, n):  # type: ignore[no-untyped-def]
    """Add the mass of every walk begun to the sum of its last node; returns the number of nodes touched."""
    last = hops.path_length[path] - 1
    while _next_prefix(hops, path, walk):
        mass = walk.mass[last]
        seed, before = walk.node[0], walk.node[last]
        for edge in range(walk.edge[last], walk.end[last]):
            node = hops.target[edge]
            if node == seed or node == before or (last > 1 and _on_walk(walk, last, node)):  # noqa: SIM109 (faster than a tuple)
                continue
            # Without a branch: the node is written down always, and kept when it is new.
            touched[n] = node
            n += total[node] == 0.0
            total[node] += mass * hops.weight[edge]
    return n


@_jit
def _spread(hops, walk, songs, weights, total, touched):  # type: ignore[no-untyped-def]
    """Sums of all walks of one user's seeds. Positive seeds come first, so a sum meets zero again at most once."""
    n = 0
    for i in range(len(songs)):
        for path in range(len(hops.path_length)):
            _begin(hops, path, walk, songs[i], weights[i])
            n = _add_walks(hops, path, walk, total, touched, n)
    return n


@_jit
def _offer(heap, size, key):  # type: ignore[no-untyped-def]
    """Put a key into the heap of the largest keys (smallest on top); returns its size."""
    if size < len(heap):
        i = size
        size += 1
        while i > 0 and heap[(i - 1) // 2] > key:
            heap[i] = heap[(i - 1) // 2]
            i = (i - 1) // 2
        heap[i] = key
        return size
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = key
    return size


@_jit
def _collect(total, touched, n, prior, heap):  # type: ignore[no-untyped-def]
    """Fill `heap` with the best keys (bits of the 32-bit score, then the complement of the id) and set all sums back to zero."""
    bits = np.zeros(1, np.float32)
    as_int = bits.view(np.uint32)
    size = 0
    worst = np.float32(0.0)
    for i in range(n):
        node = touched[i]
        score = np.float32(total[node] * prior[node])
        total[node] = 0.0
        if score <= 0.0 or score < worst:
            continue
        bits[0] = score
        key = (np.uint64(as_int[0]) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.uint64(node))
        if size == len(heap) and key < heap[0]:
            continue
        size = _offer(heap, size, key)
        if size == len(heap):
            as_int[0] = np.uint32(heap[0] >> np.uint64(32))
            worst = bits[0]
    return size


@_jit
def top_k(hops, offsets, songs, weights, x_offsets, x_items, prior, start, stop, keys, size):  # type: ignore[no-untyped-def]
    """Best keys of users `start` to `stop`, best first, into `keys` `[n_users, k]` and their number into `size` `[n_users]`."""
    total = np.zeros(len(prior))
    touched = np.empty(2 * len(prior) + 1, np.int32)
    walk = _new_walk(hops)
    heap = np.empty(keys.shape[1], np.uint64)
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n = _spread(hops, walk, songs[rows], weights[rows], total, touched)
        for i in range(x_offsets[user], x_offsets[user + 1]):
            total[x_items[i]] = 0.0
        size[user] = _collect(total, touched, n, prior, heap)
        keys[user, : size[user]] = np.sort(heap[: size[user]])[::-1]


@_jit
def scores(hops, offsets, songs, weights, p_offsets, p_items, prior, start, stop, score):  # type: ignore[no-untyped-def]
    """Scores of the pairs of users `start` to `stop` into `score` `[n_pairs]`; 0 where the sum is not positive."""
    total = np.zeros(len(prior))
    touched = np.empty(2 * len(prior) + 1, np.int32)
    walk = _new_walk(hops)
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n = _spread(hops, walk, songs[rows], weights[rows], total, touched)
        for i in range(p_offsets[user], p_offsets[user + 1]):
            score[i] = max(total[p_items[i]] * prior[p_items[i]], 0.0)
        for i in range(n):
            total[touched[i]] = 0.0


@_jit
def _keep_best(hops, path, walk, pair_of, best):  # type: ignore[no-untyped-def]
    """Write each walk begun over the pair that it ends at, where it carries more than the walk kept there."""
    last = hops.path_length[path] - 1
    while _next_prefix(hops, path, walk):
        for edge in range(walk.edge[last], walk.end[last]):
            pair = pair_of[hops.target[edge]]
            if pair < 0:
                continue
            mass = walk.mass[last] * hops.weight[edge]
            if mass <= best.mass[pair] or _on_walk(walk, last, hops.target[edge]):
                continue
            best.mass[pair] = mass
            best.meta_path[pair] = path
            best.nodes[pair, :] = -1
            best.steps[pair, :] = -1
            best.nodes[pair, : last + 1] = walk.node[: last + 1]
            best.nodes[pair, last + 1] = hops.target[edge]
            for i in range(last):
                best.steps[pair, i] = hops.step[walk.edge[i] - 1]
            best.steps[pair, last] = hops.step[edge]


@_jit
def best_paths(hops, offsets, songs, weights, p_offsets, p_items, n_nodes, start, stop, best):  # type: ignore[no-untyped-def]
    """The walk of largest mass from a positive seed to each pair's item, for users `start` to `stop`, into the columns of `best`."""
    pair_of = np.full(n_nodes, -1, np.int64)
    walk = _new_walk(hops)
    for user in range(start, stop):
        pairs = range(p_offsets[user], p_offsets[user + 1])
        for pair in pairs:
            pair_of[p_items[pair]] = pair
        for i in range(offsets[user], offsets[user + 1]):
            for path in range(len(hops.path_length)):
                if weights[i] > 0.0:
                    _begin(hops, path, walk, songs[i], weights[i])
                    _keep_best(hops, path, walk, pair_of, best)
        for pair in pairs:
            kept = pair_of[p_items[pair]]
            best.nodes[pair], best.steps[pair] = best.nodes[kept], best.steps[kept]
            best.meta_path[pair], best.mass[pair] = best.meta_path[kept], best.mass[kept]
        for pair in pairs:
            pair_of[p_items[pair]] = -1
