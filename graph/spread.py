"""Numba kernels: sums over every simple walk along the meta-paths of a user's seeds, one user after the other, and the k best of them.

Walks are enumerated depth first over per-hop CSR slices; the inner loop of the last hop streams a contiguous slice and adds into one
dense row of sums. A walk that meets a node twice is no path and is left out, so a seed is no evidence for itself. The order of all
additions is fixed by the user's seeds alone: results do not depend on the batch or on threads.

What limits the loop is the row of sums, met at random: it has 32 bits a node, so that it stays in cache for some hundred thousand
nodes. The nodes met are listed while they are few; of a user who meets a large part of the graph the whole row is scanned instead.

All kernels stand in one file because Numba's cache of machine code notices changes of a kernel's own file only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

TINY = 1e-30
"""A walk that carries less is not followed: its sums would leave the range of 32 bits."""
SPARSE_SHARE = 8
"""Nodes met are listed up to one in so many; beyond, scanning the whole row costs less."""
DENSE = -1
"""In place of the number of nodes listed: the row is scanned whole."""
BLOCK = 64
"""Nodes scanned together: none is looked at singly where none can be among the best."""


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, keep the machine code, and hold no lock while running."""
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
def _add_slice(hops, walk, last, mass, total):  # type: ignore[no-untyped-def]
    """Add `mass` times weight to the sums of the last hop's nodes."""
    target, weight = hops.target[walk.edge[last] : walk.end[last]], hops.weight[walk.edge[last] : walk.end[last]]
    seed, before = walk.node[0], walk.node[last]
    for i in range(len(target)):
        node = np.uint32(target[i])  # unsigned: Numba then has no negative index to look for
        if node == seed or node == before or (last > 1 and _on_walk(walk, last, node)):  # noqa: SIM109 (faster than a tuple)
            continue
        total[node] += mass * weight[i]


@_jit
def _add_slice_listed(hops, walk, last, mass, total, touched, n):  # type: ignore[no-untyped-def]
    """The same, listing each node met for the first time; returns how many are listed."""
    target, weight = hops.target[walk.edge[last] : walk.end[last]], hops.weight[walk.edge[last] : walk.end[last]]
    seed, before = walk.node[0], walk.node[last]
    for i in range(len(target)):
        node = np.uint32(target[i])
        if node == seed or node == before or (last > 1 and _on_walk(walk, last, node)):  # noqa: SIM109
            continue
        # Without a branch: the node is written down always, and kept when it is new.
        touched[n] = node
        n += total[node] == 0.0
        total[node] += mass * weight[i]
    return n


@_jit
def _add_walks(hops, path, walk, total, touched, n):  # type: ignore[no-untyped-def]
    """Add the mass of every walk begun to the sum of its last node; returns the number of nodes listed in `touched`, or `DENSE`."""
    last = hops.path_length[path] - 1
    while _next_prefix(hops, path, walk):
        mass = np.float32(walk.mass[last])
        if abs(mass) < TINY:
            continue
        if n != DENSE and n + walk.end[last] - walk.edge[last] > len(touched):
            n = DENSE
        if n == DENSE:
            _add_slice(hops, walk, last, mass, total)
        else:
            n = _add_slice_listed(hops, walk, last, mass, total, touched, n)
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
def _clear(total, touched, n):  # type: ignore[no-untyped-def]
    if n == DENSE:
        total[:] = 0.0
    for i in range(n):
        total[touched[i]] = 0.0


@_jit
def _key(score, node):  # type: ignore[no-untyped-def]
    """Bits of the 32-bit score, then the complement of the id: one integer order is score first, lower id second."""
    bits = np.float32(score).view(np.uint32)
    return (np.uint64(bits) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.uint64(node))


@_jit
def _offer(heap, size, key):  # type: ignore[no-untyped-def]
    """Put a key into the heap of the largest keys (smallest on top); returns its size."""
    if size < len(heap):
        i = size
        while i > 0 and heap[(i - 1) // 2] > key:
            heap[i] = heap[(i - 1) // 2]
            i = (i - 1) // 2
        heap[i] = key
        return size + 1
    i = 0
    while 2 * i + 1 < size:
        child = 2 * i + 1
        if child + 1 < size:
            child += heap[child + 1] < heap[child]
        if heap[child] >= key:
            break
        heap[i] = heap[child]
        i = child
    heap[i] = key
    return size


@_jit
def _worst(heap, size):  # type: ignore[no-untyped-def]
    """Score that a node must at least have to enter the heap."""
    return np.uint32(heap[0] >> np.uint64(32)).view(np.float32) if size == len(heap) else np.float32(0.0)


@_jit
def _collect_listed(total, touched, n, prior, heap):  # type: ignore[no-untyped-def]
    """Fill `heap` with the best keys of the nodes listed and set their sums back to zero; returns its size."""
    size, worst = 0, np.float32(0.0)
    for i in range(n):
        node = touched[i]
        score = total[node] * prior[node]
        total[node] = 0.0
        if score > 0.0 and score >= worst:
            key = _key(score, node)
            if size < len(heap) or key > heap[0]:
                size = _offer(heap, size, key)
                worst = _worst(heap, size)
    return size


@_jit
def _collect_all(total, prior, prior_top, heap):  # type: ignore[no-untyped-def]
    """The same for all nodes. `prior_top` is the largest prior of each block: no block is looked through that holds none of the best."""
    size, worst = 0, np.float32(0.0)
    for block in range(len(prior_top)):
        rows = slice(block * BLOCK, min((block + 1) * BLOCK, len(total)))
        part = total[rows]
        above = 0
        for i in range(len(part)):
            above += part[i] * prior_top[block] > worst
        if above > 0:
            for i in range(len(part)):
                score = part[i] * prior[rows.start + i]
                if score > worst:  # ids rise, so an equal score comes too late
                    size = _offer(heap, size, _key(score, rows.start + i))
                    worst = _worst(heap, size)
        part[:] = 0.0
    return size


@_jit
def _block_tops(prior):  # type: ignore[no-untyped-def]
    tops = np.zeros((len(prior) + BLOCK - 1) // BLOCK, np.float32)
    for i in range(len(prior)):
        tops[i // BLOCK] = max(tops[i // BLOCK], prior[i])
    return tops


@_jit
def top_k(hops, offsets, songs, weights, x_offsets, x_items, prior, start, stop, keys, size):  # type: ignore[no-untyped-def]
    """Best keys of users `start` to `stop`, best first, into `keys` `[n_users, k]` and their number into `size` `[n_users]`."""
    total = np.zeros(len(prior), np.float32)
    touched = np.empty(len(prior) // SPARSE_SHARE + 1, np.int32)
    walk, prior_top = _new_walk(hops), _block_tops(prior)
    heap = np.empty(keys.shape[1], np.uint64)
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n = _spread(hops, walk, songs[rows], weights[rows], total, touched)
        for i in range(x_offsets[user], x_offsets[user + 1]):
            total[x_items[i]] = 0.0
        found = _collect_all(total, prior, prior_top, heap) if n == DENSE else _collect_listed(total, touched, n, prior, heap)
        size[user] = found
        keys[user, :found] = np.sort(heap[:found])[::-1]


@_jit
def scores(hops, offsets, songs, weights, p_offsets, p_items, prior, start, stop, score):  # type: ignore[no-untyped-def]
    """Scores of the pairs of users `start` to `stop` into `score` `[n_pairs]`; 0 where the sum is not positive."""
    total = np.zeros(len(prior), np.float32)
    touched = np.empty(len(prior) // SPARSE_SHARE + 1, np.int32)
    walk = _new_walk(hops)
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n = _spread(hops, walk, songs[rows], weights[rows], total, touched)
        for i in range(p_offsets[user], p_offsets[user + 1]):
            score[i] = max(total[p_items[i]] * prior[p_items[i]], np.float32(0.0))
        _clear(total, touched, n)


@_jit
def scores_of_all(hops, offsets, songs, weights, prior, start, stop, score):  # type: ignore[no-untyped-def]
    """Scores of every node for users `start` to `stop` into `score` `[n_users, n_nodes]`, which holds zeros."""
    touched, walk = np.empty(0, np.int32), _new_walk(hops)
    for user in range(start, stop):
        row = score[user]
        for i in range(offsets[user], offsets[user + 1]):
            for path in range(len(hops.path_length)):
                _begin(hops, path, walk, songs[i], weights[i])
                _add_walks(hops, path, walk, row, touched, DENSE)
        for node in range(len(prior)):
            row[node] = max(row[node] * prior[node], np.float32(0.0))


@_jit
def _weighed_sum(total, prior, touched, n):  # type: ignore[no-untyped-def]
    """Sum of positive sums times prior over the nodes met, and every sum back to zero; 64 bits, since many small ones are added."""
    mass = 0.0
    if n == DENSE:
        for node in range(len(total)):
            mass += max(total[node] * prior[node], np.float32(0.0))
    for i in range(n):
        mass += max(total[touched[i]] * prior[touched[i]], np.float32(0.0))
    _clear(total, touched, n)
    return mass


@_jit
def parts(hops, offsets, songs, weights, x_offsets, x_items, p_offsets, p_items, prior, start, stop, score, mass):  # type: ignore[no-untyped-def]
    """What each meta-path alone says, for users `start` to `stop`: of each pair into `score` `[n_pairs, n_paths]`, and summed over all
    nodes but the user's `x_items` into `mass` `[n_users, n_paths]`. Excluded items have the score 0 as well.
    """
    total = np.zeros(len(prior), np.float32)
    touched = np.empty(len(prior) // SPARSE_SHARE + 1, np.int32)
    walk = _new_walk(hops)
    for user in range(start, stop):
        for path in range(len(hops.path_length)):
            n = 0
            for i in range(offsets[user], offsets[user + 1]):
                _begin(hops, path, walk, songs[i], weights[i])
                n = _add_walks(hops, path, walk, total, touched, n)
            for i in range(x_offsets[user], x_offsets[user + 1]):
                total[x_items[i]] = 0.0
            for i in range(p_offsets[user], p_offsets[user + 1]):
                score[i, path] = max(total[p_items[i]] * prior[p_items[i]], np.float32(0.0))
            mass[user, path] = _weighed_sum(total, prior, touched, n)


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
            if mass <= best.mass[pair] or abs(walk.mass[last]) < TINY or _on_walk(walk, last, hops.target[edge]):
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
