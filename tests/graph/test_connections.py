"""The best connections of two entities against NetworkX's enumeration of all simple paths."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.connections import Connections, connections
from graph.projection import Projection

NAMES = ("IN_ALBUM", "SUNG_BY")
N_NODES = 8


def graph_of(facts: list[tuple[int, str, int]], n_nodes: int = N_NODES) -> Projection:
    keys = [f"n:{i}" for i in range(n_nodes)]
    head, relation, tail = ([fact[i] for fact in facts] for i in range(3))
    return Projection.build(keys, keys, 0, head, relation, tail)


def paths_of(found: Connections) -> list[list[int]]:
    return [nodes[:length].tolist() for nodes, length in zip(found.nodes, found.length, strict=True)]


def all_paths(projection: Projection, source: int, target: int, max_hops: int) -> list[list[int]]:
    """Every simple path, best first, ties by node ids."""
    graph = nx.Graph()
    graph.add_nodes_from(range(projection.n_nodes))
    node = np.repeat(np.arange(projection.n_nodes), np.diff(projection.indptr))
    graph.add_edges_from(zip(node.tolist(), projection.target.tolist(), strict=True))
    graph.remove_edges_from(nx.selfloop_edges(graph))
    degree = np.diff(projection.indptr)
    # A product of degrees is exact where a sum of logarithms is not.
    return sorted(
        nx.all_simple_paths(graph, source, target, cutoff=max_hops),
        key=lambda path: (len(path), math.prod(int(degree[between]) for between in path[1:-1]), path),
    )


facts = st.lists(st.tuples(st.integers(0, N_NODES - 1), st.sampled_from(NAMES), st.integers(0, N_NODES - 1)), max_size=24)


@settings(max_examples=150, deadline=None)
@given(facts, st.integers(1, 5), st.integers(1, 6))
def test_the_k_best_simple_paths(drawn: Any, max_hops: int, k: int) -> None:
    projection = graph_of(drawn)
    found = connections(projection, 0, 1, max_hops, k)
    assert paths_of(found) == all_paths(projection, 0, 1, max_hops)[:k]
    degree = np.diff(projection.indptr)
    for row, path in enumerate(paths_of(found)):
        assert found.crowding[row] == pytest.approx(sum(math.log(degree[node]) for node in path[1:-1]))
        steps = found.steps[row][: len(path) - 1]
        assert (found.steps[row][len(path) - 1 :] == -1).all()
        for (node, after), step in zip(itertools.pairwise(path), steps, strict=True):
            edges = slice(projection.indptr[node], projection.indptr[node + 1])
            assert step == min(projection.step[edges][projection.target[edges] == after])


def test_less_crowded_nodes_come_first_among_equally_short_paths() -> None:
    crowd = [(node, "IN_ALBUM", 2) for node in (0, 1, 4, 5, 6, 7)]
    found = connections(graph_of([*crowd, (0, "SUNG_BY", 3), (1, "SUNG_BY", 3)]), 0, 1)
    assert paths_of(found) == [[0, 3, 1], [0, 2, 1]]
    assert found.crowding.tolist() == pytest.approx([math.log(2), math.log(6)])
    assert [found.step_names[step] for step in found.steps[0][:2]] == ["SUNG_BY", "<SUNG_BY"]


def test_no_path_within_the_hops_is_no_row() -> None:
    chain = graph_of([(0, "IN_ALBUM", 2), (2, "IN_ALBUM", 3), (3, "IN_ALBUM", 1)])
    assert paths_of(connections(chain, 0, 1, max_hops=2)) == []
    assert paths_of(connections(chain, 0, 1, max_hops=3)) == [[0, 2, 3, 1]]
    assert paths_of(connections(graph_of([]), 0, 1)) == []


def test_a_node_is_joined_to_itself() -> None:
    assert paths_of(connections(graph_of([(0, "IN_ALBUM", 2)]), 0, 0)) == [[0]]


def test_a_large_graph_in_half_a_second() -> None:
    rng = np.random.default_rng(0)
    n_nodes, n_facts = 60_000, 150_000
    hubs = (rng.pareto(1.0, n_facts) * 50).astype(np.int64) % n_nodes
    keys = np.arange(n_nodes).astype(str)
    projection = Projection.build(keys, keys, 0, rng.integers(0, n_nodes, n_facts), ["SUNG_BY"] * n_facts, hubs)
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        found = connections(projection, 50_001, 50_002, max_hops=4, k=3)
        taken.append(time.perf_counter() - started)
        assert len(found.length) == 3
    assert min(taken) < 0.5
