"""The best connections of two entities: the k simple paths with the fewest hops, then through the least crowded nodes.

Cost of a path: number of hops first, then the sum of ln(number of edges) over the nodes between its ends. A path by way of a node
that joins everything says little. Search: exact costs to the target within r hops, by r rounds over all edges backwards; then A* from the
source with these costs as its bound, which they are for simple paths, so that paths come off the queue best first.
Costs are integers (the logarithm in units of 2^-20), so equal costs are equal and come in order of node ids.
"""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graph.projection import Projection

HOP = 1 << 44
"""Cost of a hop: more than all logarithms of a path together."""
UNIT = 1 << 20
"""Cost of a node between, times the logarithm of its degree."""
UNREACHABLE = 1 << 62


class Connections(NamedTuple):
    """Paths, best first; the columns are those of recall's `Paths`."""

    nodes: npt.NDArray[np.int32]
    """`[n, max_hops + 1]`, -1 beyond `length`"""
    steps: npt.NDArray[np.int16]
    """`[n, max_hops]` index into `step_names`, -1 beyond `length - 1`"""
    length: npt.NDArray[np.int8]
    """`[n]` number of nodes"""
    step_names: tuple[str, ...]
    crowding: npt.NDArray[np.float64]
    """`[n]` sum of ln(degree) of the nodes between"""


class _Part(NamedTuple):
    """A path begun, ordered by the least cost of completing it, then by its nodes."""

    bound: int
    nodes: tuple[int, ...]
    cost: int
    siblings: list[tuple[int, int, int]]
    """`bound, node, cost` of the further nodes that may stand in its last place, best first reversed"""


def connections(projection: Projection, source: int, target: int, max_hops: int = 4, k: int = 3) -> Connections:
    """The `k` best simple paths of at most `max_hops` hops between two nodes; edges are walked either way.

    Where several relations join two neighbours, the path names the first step. A node is joined to itself by one path without hops.
    """
    degree = np.diff(projection.indptr)
    price = np.rint(np.log(np.maximum(degree, 1)) * UNIT).astype(np.int64) + HOP
    price[target] = HOP
    to_target = _costs_to(projection, price, source, target, max_hops)
    found = _best_first(projection, price, to_target, source, target, k)
    return _columns(projection, found, max_hops)


def _costs_to(projection: Projection, price: npt.NDArray[np.int64], source: int, target: int, max_hops: int) -> list[npt.NDArray[np.int64]]:
    """For r = 0 … max_hops: least cost from each node to the target in at most r hops, not by way of the source."""
    cost = np.full(projection.n_nodes, UNREACHABLE, dtype=np.int64)
    cost[target] = 0
    rounds = [cost]
    rows = np.flatnonzero(np.diff(projection.indptr))
    for _ in range(max_hops):
        onward = price + rounds[-1]
        onward[source] = UNREACHABLE
        cost = rounds[-1].copy()
        if len(rows):
            nearest = np.minimum.reduceat(onward[projection.target], projection.indptr[rows])
            cost[rows] = np.minimum(cost[rows], np.minimum(nearest, UNREACHABLE))
        rounds.append(cost)
    return rounds


def _best_first(
    projection: Projection,
    price: npt.NDArray[np.int64],
    to_target: list[npt.NDArray[np.int64]],
    source: int,
    target: int,
    k: int,
) -> list[tuple[int, ...]]:
    """Node sequences of the `k` best paths, best first."""
    found: list[tuple[int, ...]] = []
    queue = [_Part(int(to_target[-1][source]), (source,), 0, [])]
    while queue and len(found) < k and queue[0].bound < UNREACHABLE:
        part = heapq.heappop(queue)
        if part.siblings:
            heapq.heappush(queue, _next_of(part.nodes[:-1], part.siblings))
        if part.nodes[-1] == target:
            found.append(part.nodes)
            continue
        left = to_target[len(to_target) - 1 - len(part.nodes)]
        children = _children(projection, price, left, part)
        if children:
            heapq.heappush(queue, _next_of(part.nodes, children))
    return found


def _next_of(prefix: tuple[int, ...], siblings: list[tuple[int, int, int]]) -> _Part:
    bound, node, cost = siblings[-1]
    return _Part(bound, (*prefix, node), cost, siblings[:-1])


def _children(projection: Projection, price: npt.NDArray[np.int64], left: npt.NDArray[np.int64], part: _Part) -> list[tuple[int, int, int]]:
    """`bound, node, cost` of the nodes that may follow, worst first."""
    node = part.nodes[-1]
    around = np.unique(projection.target[projection.indptr[node] : projection.indptr[node + 1]])
    around = around[left[around] < UNREACHABLE]
    around = around[~np.isin(around, part.nodes)]
    cost = part.cost + price[around]
    bound = cost + left[around]
    order = np.lexsort((around, bound))[::-1]
    return list(zip(bound[order].tolist(), around[order].tolist(), cost[order].tolist(), strict=True))


def _columns(projection: Projection, found: list[tuple[int, ...]], max_hops: int) -> Connections:
    """Paths as padded columns, with the first step between neighbours."""
    n = len(found)
    nodes = np.full((n, max_hops + 1), -1, dtype=np.int32)
    steps = np.full((n, max_hops), -1, dtype=np.int16)
    length = np.array([len(path) for path in found], dtype=np.int8)
    for row, path in enumerate(found):
        nodes[row, : len(path)] = path
        steps[row, : len(path) - 1] = [_first_step(projection, a, b) for a, b in pairwise(path)]
    degree = np.append(np.maximum(np.diff(projection.indptr), 1), 1)
    place = np.arange(max_hops + 1)
    between = (place > 0) & (place < length[:, None] - 1)
    crowding = np.log(degree[nodes], where=between, out=np.zeros(nodes.shape)).sum(axis=1)
    return Connections(nodes, steps, length, projection.step_names, crowding)


def _first_step(projection: Projection, node: int, neighbour: int) -> int:
    edges = slice(projection.indptr[node], projection.indptr[node + 1])
    return int(projection.step[edges][projection.target[edges] == neighbour][0])
