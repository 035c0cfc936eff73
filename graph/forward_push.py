"""Personalised PageRank by forward push (Andersen, Chung & Lang, "Local graph partitioning using PageRank vectors", FOCS 2006).

A walk starts at a seed, ends at each node with probability α and otherwise goes over one of its edges, by their weights. `p` is a lower
bound of the probability that it ends at a node, `r` what has not been spread yet. While a node has r(u) > ε·d(u), with d(u) the sum of
its edges' weights, α r(u) goes to p(u) and the rest to r of its neighbours. So work is at most 1/(α ε) per unit of seed, whatever the
size of the graph; p and r together always sum to the seeds; and on an undirected graph 0 ≤ ppr(v) − p(v) ≤ ε·d(v) at the end.
A hub is pushed only once enough has gathered there to pay for its edges. A walk at a node without edges ends there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt


def _jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile, keep the machine code, and hold no lock while running."""
    return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]


class WalkGraph(NamedTuple):
    """An undirected weighted graph as CSR, each edge in both directions."""

    indptr: npt.NDArray[np.int64]
    """`[n_nodes + 1]`"""
    target: npt.NDArray[np.int32]
    """`[n_edges]`"""
    weight: npt.NDArray[np.float32]
    """`[n_edges]` above 0, the same in both directions"""
    step: npt.NDArray[np.int16]
    """`[n_edges]` step of the projection; -1 where the edge is no fact"""
    strength: npt.NDArray[np.float64]
    """`[n_nodes]` d(u): sum of the node's weights"""


class Push(NamedTuple):
    """α and ε, both in (0, 1)."""

    stop: float
    tolerance: float


class _State(NamedTuple):
    """One user's push in progress; `[n_nodes]` each, and nothing but zeros between users."""

    p: npt.NDArray[np.float64]
    r: npt.NDArray[np.float64]
    waits: npt.NDArray[np.bool_]
    """The node stands in the queue."""
    queue: npt.NDArray[np.int32]
    touched: npt.NDArray[np.int32]
    """Nodes that mass has reached, in the order of their being reached."""


@_jit
def _new_state(n_nodes):  # type: ignore[no-untyped-def]
    zeros = np.zeros(n_nodes)
    return _State(zeros, zeros.copy(), np.zeros(n_nodes, np.bool_), np.zeros(n_nodes, np.int32), np.empty(n_nodes, np.int32))


@_jit
def _add(graph, push, state, node, mass, n_touched, tail):  # type: ignore[no-untyped-def]
    """Add to r of a node, and queue it once it pays; returns how many nodes are touched, and the queue's end."""
    if state.r[node] == 0.0 and state.p[node] == 0.0:
        state.touched[n_touched] = node
        n_touched += 1
    state.r[node] += mass
    if not state.waits[node] and state.r[node] > push.tolerance * graph.strength[node]:
        state.waits[node] = True
        state.queue[tail] = node
        tail = tail + 1 if tail + 1 < len(state.queue) else 0
    return n_touched, tail


@_jit
def _spread(graph, push, state, songs, weights):  # type: ignore[no-untyped-def]
    """Push from the seeds until no node pays; returns the number of nodes touched. First in, first out: the order is the seeds' alone."""
    n_touched, head, tail = 0, 0, 0
    for i in range(len(songs)):
        n_touched, tail = _add(graph, push, state, songs[i], weights[i], n_touched, tail)
    while state.waits[state.queue[head]]:  # the queue is a ring; where nothing waits it is over
        node = state.queue[head]
        head = head + 1 if head + 1 < len(state.queue) else 0
        state.waits[node] = False
        mass = state.r[node]
        if mass <= push.tolerance * graph.strength[node]:
            continue
        state.r[node] = 0.0
        if graph.strength[node] == 0.0:
            state.p[node] += mass
            continue
        state.p[node] += push.stop * mass
        scale = (1.0 - push.stop) * mass / graph.strength[node]
        for edge in range(graph.indptr[node], graph.indptr[node + 1]):
            n_touched, tail = _add(graph, push, state, graph.target[edge], scale * graph.weight[edge], n_touched, tail)
    return n_touched


@_jit
def _clear(state, n_touched):  # type: ignore[no-untyped-def]
    for i in range(n_touched):
        state.p[state.touched[i]] = 0.0
        state.r[state.touched[i]] = 0.0


@_jit
def _forget_starts(push, state, songs, weights):  # type: ignore[no-untyped-def]
    """Take the walks that ended before their first edge out of p: that a song is a seed is no evidence for it."""
    for i in range(len(songs)):
        state.p[songs[i]] = max(state.p[songs[i]] - push.stop * weights[i], 0.0)


@_jit
def top_k(graph, push, offsets, songs, weights, x_offsets, x_items, prior, start, stop, keys, size):  # type: ignore[no-untyped-def]
    """Best keys of users `start` to `stop` of p times `prior`, best first, into `keys` `[n_users, k]`, their number into `size`.

    A key has the bits of the 32-bit score, then the complement of the id: one order of integers is score first, lower id second.
    """
    state = _new_state(len(graph.strength))
    found = np.empty(len(graph.strength), np.uint64)
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n_touched = _spread(graph, push, state, songs[rows], weights[rows])
        _forget_starts(push, state, songs[rows], weights[rows])
        for i in range(x_offsets[user], x_offsets[user + 1]):
            state.p[x_items[i]] = 0.0
        n = 0
        for i in range(n_touched):
            node = state.touched[i]
            score = np.float32(state.p[node] * prior[node])
            if score > 0.0:
                found[n] = (np.uint64(score.view(np.uint32)) << np.uint64(32)) | (np.uint64(0xFFFFFFFF) - np.uint64(node))
                n += 1
        kept = min(n, keys.shape[1])
        size[user] = kept
        keys[user, :kept] = np.sort(found[:n])[::-1][:kept]
        _clear(state, n_touched)


@_jit
def scores(graph, push, offsets, songs, weights, p_offsets, p_items, prior, start, stop, score):  # type: ignore[no-untyped-def]
    """Walks' ends (p) times `prior` of the pairs of users `start` to `stop` into `score` `[n_pairs]`, the same numbers as in `top_k`."""
    state = _new_state(len(graph.strength))
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n_touched = _spread(graph, push, state, songs[rows], weights[rows])
        _forget_starts(push, state, songs[rows], weights[rows])
        for i in range(p_offsets[user], p_offsets[user + 1]):
            score[i] = state.p[p_items[i]] * prior[p_items[i]]
        _clear(state, n_touched)


@_jit
def scores_of_all(graph, push, offsets, songs, weights, prior, start, stop, score):  # type: ignore[no-untyped-def]
    """The same of every node, into `score` `[n_users, n_nodes]`, which holds zeros."""
    state = _new_state(len(graph.strength))
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n_touched = _spread(graph, push, state, songs[rows], weights[rows])
        _forget_starts(push, state, songs[rows], weights[rows])
        for i in range(n_touched):
            node = state.touched[i]
            score[user, node] = state.p[node] * prior[node]
        _clear(state, n_touched)


@_jit
def estimates(graph, push, offsets, songs, weights, start, stop, p, r):  # type: ignore[no-untyped-def]
    """Both p and r of users `start` to `stop` as they are when the push ends, `[n_users, n_nodes]` each."""
    state = _new_state(len(graph.strength))
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n_touched = _spread(graph, push, state, songs[rows], weights[rows])
        p[user], r[user] = state.p, state.r
        _clear(state, n_touched)


class _Layers(NamedTuple):
    """Best walks by their number of hops: mass, last edge and node before it of the best walk to each node. `[hops + 1, n_nodes]`."""

    mass: npt.NDArray[np.float64]
    edge: npt.NDArray[np.int64]
    before: npt.NDArray[np.int32]
    met: npt.NDArray[np.int32]
    """Nodes of each layer, listed"""
    n_met: npt.NDArray[np.int64]
    """`[hops + 1]`"""


@_jit
def _offer(layers, hop, node, mass, edge, before):  # type: ignore[no-untyped-def]
    if mass <= layers.mass[hop, node]:
        return
    if layers.mass[hop, node] == 0.0:
        layers.met[hop, layers.n_met[hop]] = node
        layers.n_met[hop] += 1
    layers.mass[hop, node], layers.edge[hop, node], layers.before[hop, node] = mass, edge, before


@_jit
def _best_walks(graph, push, state, layers, songs, weights):  # type: ignore[no-untyped-def]
    """Fill the layers with the likeliest walks over facts through the nodes that were pushed."""
    for i in range(len(songs)):
        _offer(layers, 0, songs[i], weights[i], -1, -1)
    for hop in range(len(layers.mass) - 1):
        for i in range(layers.n_met[hop]):
            node = layers.met[hop, i]
            if state.p[node] == 0.0 or graph.strength[node] == 0.0:
                continue
            scale = (1.0 - push.stop) * layers.mass[hop, node] / graph.strength[node]
            for edge in range(graph.indptr[node], graph.indptr[node + 1]):
                if graph.step[edge] >= 0:
                    _offer(layers, hop + 1, graph.target[edge], scale * graph.weight[edge], edge, node)


@_jit
def _write_walk(graph, layers, item, nodes, steps):  # type: ignore[no-untyped-def]
    """The likeliest walk to an item, of the shortest where equal; a seed is its own evidence."""
    if layers.mass[0, item] > 0.0:
        nodes[0] = item
        return
    best = 0
    for hop in range(1, len(layers.mass)):
        if layers.mass[hop, item] > layers.mass[best, item]:
            best = hop
    if best == 0:
        return
    node = item
    for hop in range(best, 0, -1):
        nodes[hop], steps[hop - 1] = node, graph.step[layers.edge[hop, node]]
        node = layers.before[hop, node]
    nodes[0] = node


@_jit
def best_walks(graph, push, offsets, songs, weights, p_offsets, p_items, start, stop, nodes, steps):  # type: ignore[no-untyped-def]
    """The likeliest walk over facts from a seed to each pair's item, for users `start` to `stop`, into `nodes` `[n_pairs, hops + 1]` and
    `steps` `[n_pairs, hops]`, -1 beyond it. The likeliest walk meets no node twice: without the loop it would be likelier.
    """
    n_nodes, n_layers = len(graph.strength), nodes.shape[1]
    state = _new_state(n_nodes)
    shape = (n_layers, n_nodes)
    layers = _Layers(
        np.zeros(shape), np.empty(shape, np.int64), np.empty(shape, np.int32), np.empty(shape, np.int32), np.zeros(n_layers, np.int64)
    )
    for user in range(start, stop):
        rows = slice(offsets[user], offsets[user + 1])
        n_touched = _spread(graph, push, state, songs[rows], weights[rows])
        _best_walks(graph, push, state, layers, songs[rows], weights[rows])
        for i in range(p_offsets[user], p_offsets[user + 1]):
            _write_walk(graph, layers, p_items[i], nodes[i], steps[i])
        for hop in range(n_layers):
            for i in range(layers.n_met[hop]):
                layers.mass[hop, layers.met[hop, i]] = 0.0
            layers.n_met[hop] = 0
        _clear(state, n_touched)
