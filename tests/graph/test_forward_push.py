"""Forward push against power iteration, and its laws."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.forward_push import Push, WalkGraph, best_walks, estimates, scores, top_k

N = 12


def walk_graph_of(edges: list[tuple[int, int, float]], n: int = N) -> WalkGraph:
    """Each edge in both directions; the step is 0 along it, 1 against it."""
    both = sorted({(a, b, w, 0) for a, b, w in edges if a != b} | {(b, a, w, 1) for a, b, w in edges if a != b})
    ends = np.array([(a, b) for a, b, _, _ in both], dtype=np.int64).reshape(-1, 2)
    weight = np.array([w for *_, w, _ in both], dtype=np.float32)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(ends[:, 0], minlength=n)))).astype(np.int64)
    strength = np.bincount(ends[:, 0], weights=weight, minlength=n)
    return WalkGraph(indptr, ends[:, 1].astype(np.int32), weight, np.array([s for *_, s in both], dtype=np.int16), strength)


def power_iteration(graph: WalkGraph, start: npt.NDArray[np.float64], stop: float) -> npt.NDArray[np.float64]:
    """Personalised PageRank by its definition: chance to end at each node; a walk ends at a node without edges."""
    n = len(start)
    matrix = np.zeros((n, n))
    for node in range(n):
        for edge in range(graph.indptr[node], graph.indptr[node + 1]):
            matrix[node, graph.target[edge]] += graph.weight[edge] / graph.strength[node]
    ends, here = np.zeros(n), start.copy()
    for _ in range(400):
        dead = graph.strength == 0
        ends += np.where(dead, here, stop * here)
        here = (1 - stop) * (here @ matrix)
    return ends


def pushed(graph: WalkGraph, push: Push, seeds: dict[int, float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    offsets, songs, weights = seed_columns(seeds)
    p, r = np.zeros((1, len(graph.strength))), np.zeros((1, len(graph.strength)))
    estimates(graph, push, offsets, songs, weights, 0, 1, p, r)
    return p[0], r[0]


def seed_columns(seeds: dict[int, float]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    return np.array([0, len(seeds)]), np.array(list(seeds), dtype=np.int32), np.array(list(seeds.values()))


edges = st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, N - 1), st.sampled_from([1.0, 0.5, 0.25])), max_size=30)
starts = st.dictionaries(st.integers(0, N - 1), st.floats(0.1, 1.0), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(edges, starts, st.sampled_from([0.1, 0.3, 0.7]), st.sampled_from([1e-1, 1e-2, 1e-4]))
def test_within_the_bound_of_power_iteration_and_nothing_lost(
    facts: list[tuple[int, int, float]], seeds: dict[int, float], stop: float, tolerance: float
) -> None:
    graph = walk_graph_of(facts)
    p, r = pushed(graph, Push(stop, tolerance), seeds)
    start = np.zeros(N)
    start[list(seeds)] = list(seeds.values())
    missing = power_iteration(graph, start, stop) - p
    assert p.sum() + r.sum() == pytest.approx(start.sum())
    assert (r <= tolerance * graph.strength).all()
    assert (missing >= -1e-12).all()
    assert (missing <= tolerance * graph.strength + 1e-12).all()


def test_agrees_with_networkx() -> None:
    made = nx.gnm_random_graph(N, 25, seed=3)
    graph = walk_graph_of([(a, b, 1.0) for a, b in made.edges])
    p, _ = pushed(graph, Push(0.15, 1e-9), {0: 0.5, 4: 0.5})
    want = nx.pagerank(made, alpha=0.85, personalization={0: 0.5, 4: 0.5}, tol=1e-12)
    np.testing.assert_allclose(p, [want[node] for node in range(N)], atol=1e-6)


def test_a_hub_is_pushed_only_once_enough_has_gathered() -> None:
    n = 1_002
    star = walk_graph_of([(0, 1, 1.0)] + [(1, leaf, 1.0) for leaf in range(2, n)], n)
    p, r = pushed(star, Push(0.5, 1e-3), {0: 1.0})
    assert p[1] == 0
    assert r[1] == pytest.approx(0.5)
    assert (p[2:] == 0).all()
    assert (pushed(star, Push(0.5, 1e-5), {0: 1.0})[0][2:] > 0).all()


def test_a_seed_without_edges_keeps_everything() -> None:
    p, r = pushed(walk_graph_of([(1, 2, 1.0)]), Push(0.2, 1e-3), {0: 1.0})
    assert p[0] == 1
    assert r.sum() == 0


@settings(max_examples=40, deadline=None)
@given(edges, starts, st.integers(1, N + 3))
def test_lists_are_the_best_scores_and_leave_out_what_is_excluded(
    facts: list[tuple[int, int, float]], seeds: dict[int, float], k: int
) -> None:
    graph, push, prior = walk_graph_of(facts), Push(0.2, 1e-3), np.arange(N, 0, -1.0)
    columns = seed_columns(seeds)
    score = np.zeros(N, np.float32)
    scores(graph, push, *columns, np.array([0, N]), np.arange(N, dtype=np.int32), prior, 0, 1, score)
    excluded = np.array([1, 3], dtype=np.int32)
    keys, size = np.zeros((1, k), np.uint64), np.zeros(1, np.int64)
    top_k(graph, push, *columns, np.array([0, 2]), excluded, prior, 0, 1, keys, size)
    found = (np.uint64(0xFFFFFFFF) - (keys[0, : size[0]] & np.uint64(0xFFFFFFFF))).astype(int).tolist()
    allowed = [node for node in range(N) if score[node] > 0 and node not in excluded]
    assert found == sorted(allowed, key=lambda node: (-score[node], node))[:k]
    p, _ = pushed(graph, push, seeds)
    start = np.zeros(N)
    start[list(seeds)] = list(seeds.values())
    np.testing.assert_allclose(score, np.maximum(p - push.stop * start, 0) * prior, rtol=1e-5, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(edges, starts)
def test_the_likeliest_walk_is_the_one_networkx_finds(facts: list[tuple[int, int, float]], seeds: dict[int, float]) -> None:
    graph, push, hops = walk_graph_of(facts), Push(0.2, 1e-6), 5
    nodes, steps = np.full((N, hops + 1), -1, np.int32), np.full((N, hops), -1, np.int16)
    items = np.arange(N, dtype=np.int32)
    best_walks(graph, push, *seed_columns(seeds), np.array([0, N]), items, 0, 1, nodes, steps)
    for item in range(N):
        if item in seeds:
            assert nodes[item, :2].tolist() == [item, -1]
            continue
        best = max((mass * walk_mass(graph, push, walk) for walk, mass in walks(graph, seeds, item, hops)), default=0.0)
        walk = nodes[item][nodes[item] >= 0].tolist()
        assert bool(walk) == (best > 0)
        if walk:
            assert (walk[-1], len(set(walk))) == (item, len(walk))
            assert seeds[walk[0]] * walk_mass(graph, push, walk) == pytest.approx(best)


def walks(graph: WalkGraph, seeds: dict[int, float], item: int, hops: int) -> list[tuple[list[int], float]]:
    sources = np.repeat(np.arange(N), np.diff(graph.indptr))
    made = nx.Graph(zip(sources.tolist(), graph.target.tolist(), strict=True))
    if item not in made:
        return []
    return [(walk, mass) for seed, mass in seeds.items() if seed in made for walk in nx.all_simple_paths(made, seed, item, cutoff=hops)]


def walk_mass(graph: WalkGraph, push: Push, walk: list[int]) -> float:
    mass = 1.0
    for a, b in pairwise(walk):
        of_edge = [graph.weight[edge] for edge in range(graph.indptr[a], graph.indptr[a + 1]) if graph.target[edge] == b]
        mass *= (1 - push.stop) * max(of_edge) / graph.strength[a]
    return mass
