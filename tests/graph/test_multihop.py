"""Multi-hop recall against a plain enumeration of all simple paths."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.hops import SpreadSettings
from graph.metapaths import ANY, DEFAULT_META_PATHS, MetaPath, against, chain, shared, to_kind
from graph.multihop import MultiHop, Ragged, Seeds
from graph.ontology import RELATIONS
from graph.projection import Projection

N_SONGS, N_NODES = 6, 11
PATHS = (
    shared("album", "IN_ALBUM", 1.0),
    shared("drama", "IN_ALBUM SOUNDTRACK_OF", 0.5),
    chain("singers", "IN_ALBUM|SUNG_BY <SUNG_BY SUNG_BY <SUNG_BY", 0.7),
    chain("linked", ANY, 0.3),
    shared("linked to one thing", ANY, 2.0),
)
NAMES = ("IN_ALBUM", "SUNG_BY", "SOUNDTRACK_OF", "INFLUENCED")


def graph_of(facts: list[tuple[int, str, int]], n_nodes: int = N_NODES, n_songs: int = N_SONGS, **columns: Any) -> Projection:
    keys = [f"n:{i}" for i in range(n_nodes)]
    head, relation, tail = ([fact[i] for fact in facts] for i in range(3))
    return Projection.build(keys, keys, n_songs, head, relation, tail, **columns)


def ragged(rows: list[list[tuple[int, float]]]) -> Seeds:
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    flat = [pair for row in rows for pair in row]
    return Seeds(offsets, np.array([s for s, _ in flat], dtype=np.int32), np.array([w for _, w in flat], dtype=np.float64))


def pairs_of(n_users: int, items: list[int]) -> Ragged:
    return Ragged(np.arange(n_users + 1) * len(items), np.array(items * n_users, dtype=np.int32))


SONGS_ONLY = np.where(np.arange(N_NODES) < N_SONGS, 1.0, 0.0)
ALL_SONGS = list(range(N_SONGS))


def edges_of_hop(projection: Projection, hop: str) -> dict[int, list[tuple[int, float, int]]]:
    edges = defaultdict(list)
    names = projection.step_names
    for node in range(projection.n_nodes):
        for edge in range(projection.indptr[node], projection.indptr[node + 1]):
            name = names[projection.step[edge]]
            if name in hop.split("|") or (hop == ANY and name.lstrip("<") not in RELATIONS):
                edges[node].append((int(projection.target[edge]), float(projection.confidence[edge]), int(projection.step[edge])))
    return edges


def walks_from(projection: Projection, spread: SpreadSettings, path: MetaPath, seed: int) -> list[tuple[float, tuple[int, ...]]]:
    """Mass and nodes of every simple walk along one meta-path, recursively."""
    found = [(path.weight, (seed,))]
    for hop in path.hops:
        edges = edges_of_hop(projection, hop)
        found = [
            (mass * spread.hop_decay * confidence / len(edges[nodes[-1]]) ** spread.hub_damping, (*nodes, node))
            for mass, nodes in found
            for node, confidence, _ in edges[nodes[-1]]
            if node not in nodes
        ]
    return found


def brute_force(
    projection: Projection, spread: SpreadSettings, seeds: list[tuple[int, float]]
) -> tuple[dict[int, float], dict[int, float]]:
    """Sum of masses and largest mass of a positive seed, by end node."""
    total: dict[int, float] = defaultdict(float)
    best: dict[int, float] = defaultdict(float)
    for song, weight in seeds:
        for path in PATHS:
            for mass, nodes in walks_from(projection, spread, path, song):
                total[nodes[-1]] += weight * mass
                best[nodes[-1]] = max(best[nodes[-1]], weight * mass)
    return total, best


facts = st.lists(
    st.tuples(st.integers(0, N_NODES - 1), st.sampled_from(NAMES), st.integers(0, N_NODES - 1), st.sampled_from([1.0, 0.5, 0.25])),
    max_size=40,
)
histories = st.lists(
    st.dictionaries(st.integers(0, N_SONGS - 1), st.sampled_from([-0.5, 0.25, 1.0, 3.0]), max_size=4).map(lambda d: list(d.items())),
    min_size=1,
    max_size=4,
)
spreads = st.builds(SpreadSettings, hop_decay=st.sampled_from([0.5, 1.0]), hub_damping=st.sampled_from([0.0, 0.5, 1.0]))


def built(drawn: list[tuple[int, str, int, float]], n_nodes: int = N_NODES) -> Projection:
    return graph_of([fact[:3] for fact in drawn], n_nodes, confidence=[fact[3] for fact in drawn])


@settings(max_examples=60, deadline=None)
@given(facts, histories, spreads)
def test_scores_are_the_sums_of_all_simple_walks(drawn: Any, users: Any, spread: SpreadSettings) -> None:
    projection = built(drawn)
    found = MultiHop.build(projection, PATHS, spread).scores_of_pairs(ragged(users), pairs_of(len(users), ALL_SONGS), SONGS_ONLY)
    want = [max(brute_force(projection, spread, seeds)[0][song], 0.0) for seeds in users for song in ALL_SONGS]
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(facts, histories, spreads, st.integers(1, 7), st.booleans())
def test_top_k_is_the_head_of_all_positive_scores(drawn: Any, users: Any, spread: SpreadSettings, k: int, exclude: bool) -> None:
    hops, seeds = MultiHop.build(built(drawn), PATHS, spread), ragged(users)
    skip = Ragged(seeds.offsets, seeds.songs) if exclude else None
    found = hops.top_k(seeds, k, SONGS_ONLY, exclude=skip)
    score = hops.scores_of_pairs(seeds, pairs_of(len(users), ALL_SONGS), SONGS_ONLY).reshape(len(users), -1)
    want = []
    for user, row in enumerate(score):
        left_out = {song for song, _ in users[user]} if exclude else set()
        ranked = sorted((-value, song) for song, value in enumerate(row) if value > 0 and song not in left_out)
        want += [(user, song, -value) for value, song in ranked[:k]]
    assert list(zip(found.user, found.item, found.score, strict=True)) == want


likings = st.lists(
    st.dictionaries(st.integers(0, N_SONGS - 1), st.sampled_from([0.25, 1.0, 3.0]), max_size=4).map(lambda d: list(d.items())),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(facts, likings, spreads)
def test_parts_weighed_add_up_to_the_scores_and_masses_to_the_sum_over_all_nodes(drawn: Any, users: Any, spread: SpreadSettings) -> None:
    hops, seeds = MultiHop.build(built(drawn), PATHS, spread), ragged(users)
    weight = np.array([path.weight for path in hops.meta_paths])
    pairs, excluded = pairs_of(len(users), ALL_SONGS), pairs_of(len(users), [0, 3])
    parts = hops.parts(seeds, pairs, SONGS_ONLY)
    np.testing.assert_allclose(parts.score @ weight, hops.scores_of_pairs(seeds, pairs, SONGS_ONLY), rtol=1e-5, atol=1e-6)
    by_user = parts.score.reshape(len(users), N_SONGS, len(weight))
    np.testing.assert_allclose(parts.mass, by_user.sum(1), rtol=1e-5, atol=1e-6)
    left = hops.parts(seeds, pairs, SONGS_ONLY, exclude=excluded)
    by_user = by_user.copy()
    by_user[:, [0, 3]] = 0
    np.testing.assert_array_equal(left.score.reshape(by_user.shape), by_user)
    np.testing.assert_allclose(left.mass, by_user.sum(1), rtol=1e-5, atol=1e-6)


def test_a_chain_is_called_by_its_hops() -> None:
    path = chain("", "A|<A B <C", 1.0)
    assert (path.key, path.relations) == ("A|<A.B.<C", ("A", "B", "C"))


@settings(max_examples=60, deadline=None)
@given(facts, histories, spreads)
def test_best_path_stands_edge_by_edge_in_the_projection_and_carries_most(drawn: Any, users: Any, spread: SpreadSettings) -> None:
    projection = built(drawn)
    hops = MultiHop.build(projection, PATHS, spread)
    best = hops.best_paths(ragged(users), pairs_of(len(users), ALL_SONGS))
    for row, (seeds, song) in enumerate((seeds, song) for seeds in users for song in ALL_SONGS):
        largest = brute_force(projection, spread, seeds)[1][song]
        assert best.mass[row] == pytest.approx(largest, rel=1e-5)
        nodes, steps = best.nodes[row, : best.length[row]], best.steps[row][best.steps[row] >= 0]
        if not largest > 0:
            assert best.length[row] == 0
            assert best.meta_path[row] == -1
            continue
        assert nodes[0] in [seed for seed, weight in seeds if weight > 0]
        assert nodes[-1] == song
        assert len(set(nodes)) == len(nodes) == len(steps) + 1
        meta_path = hops.meta_paths[best.meta_path[row]]
        mass = dict(seeds)[nodes[0]] * meta_path.weight
        for node, after, step, hop in zip(nodes[:-1], nodes[1:], steps, meta_path.hops, strict=True):
            edges = edges_of_hop(projection, hop)[node]
            confidence = {(target, code): c for target, c, code in edges}
            mass *= spread.hop_decay * confidence[after, step] / len(edges) ** spread.hub_damping
        assert mass == pytest.approx(best.mass[row], rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(facts, histories, st.integers(1, 7))
def test_few_nodes_listed_or_the_whole_row_scanned_is_the_same(drawn: Any, users: Any, k: int) -> None:
    # Of 11 nodes a user soon meets an eighth, of 1,100 none does.
    few, many = (
        MultiHop.build(built(drawn, n), PATHS, SpreadSettings()).top_k(ragged(users), k, np.append(SONGS_ONLY, np.ones(n - N_NODES)))
        for n in (N_NODES, 100 * N_NODES)
    )
    for one, other in zip(few, many, strict=True):
        assert one.tolist() == other.tolist()


@settings(max_examples=30, deadline=None)
@given(facts, histories, st.randoms(use_true_random=False), st.integers(1, 3))
def test_order_of_users_and_number_of_threads_have_no_say(drawn: Any, users: Any, random: Any, threads: int) -> None:
    hops = MultiHop.build(built(drawn), PATHS, SpreadSettings())
    order = list(range(len(users)))
    random.shuffle(order)
    shuffled = [random.sample(users[user], len(users[user])) for user in order]
    plain = hops.top_k(ragged(users), 4, SONGS_ONLY)
    moved = hops.top_k(ragged(shuffled), 4, SONGS_ONLY, threads=threads)
    for place, user in enumerate(order):
        assert moved.item[moved.user == place].tolist() == plain.item[plain.user == user].tolist()
        assert moved.score[moved.user == place].tolist() == plain.score[plain.user == user].tolist()


def one_album(n: int) -> Projection:
    return graph_of([(song, "IN_ALBUM", n) for song in range(n)], n_nodes=n + 1, n_songs=n)


def score_in_album(n: int, spread: SpreadSettings) -> float:
    hops = MultiHop.build(one_album(n), PATHS, spread)
    return float(hops.scores_of_pairs(ragged([[(0, 1.0)]]), pairs_of(1, [1]), np.ones(n + 1))[0])


def test_hub_damping_takes_more_from_a_larger_album() -> None:
    by_size = [score_in_album(n, SpreadSettings(hub_damping=0.5)) for n in (2, 5, 50)]
    by_damping = [score_in_album(50, SpreadSettings(hub_damping=beta)) for beta in (0.0, 0.5, 1.0)]
    assert by_size == sorted(by_size, reverse=True)
    assert by_damping == sorted(by_damping, reverse=True)
    assert len({*by_size, *by_damping}) == 5  # 50 songs at 0.5 stand in both
    assert score_in_album(50, SpreadSettings(hub_damping=0.0)) == score_in_album(2, SpreadSettings(hub_damping=0.0))


def test_without_hop_decay_left_nothing_is_recalled() -> None:
    hops = MultiHop.build(one_album(3), PATHS, SpreadSettings(hop_decay=0.0))
    assert len(hops.top_k(ragged([[(0, 1.0)]]), 5, np.ones(4)).item) == 0
    assert hops.best_paths(ragged([[(0, 1.0)]]), pairs_of(1, [1])).length.tolist() == [0]


def test_facts_count_from_their_date_on() -> None:
    projection = graph_of([(0, "IN_ALBUM", 6), (1, "IN_ALBUM", 6), (2, "IN_ALBUM", 6)], valid_from=[0, 100, 200])
    for now, want in ((99, []), (100, [1]), (200, [1, 2]), (None, [1, 2])):
        hops = MultiHop.build(projection, PATHS, SpreadSettings(), now=now)
        assert hops.top_k(ragged([[(0, 1.0)]]), 5, SONGS_ONLY).item.tolist() == want
        assert (
            now is None or MultiHop.build(projection.as_of(now), PATHS, SpreadSettings()).hops.weight.tolist() == hops.hops.weight.tolist()
        )


def test_no_seeds_no_candidates() -> None:
    hops = MultiHop.build(one_album(3), PATHS, SpreadSettings())
    assert len(hops.top_k(ragged([]), 5, np.ones(4)).item) == 0
    found = hops.top_k(ragged([[], [(0, 1.0)], [(1, 0.0)]]), 5, np.ones(4))
    assert found.user.tolist() == [1, 1]
    assert len(hops.top_k(ragged([[(0, 1.0)]]), 0, np.ones(4)).item) == 0


def test_graph_without_facts_or_relations_of_the_paths() -> None:
    for projection in (graph_of([]), graph_of([(0, "MV_OF", 1)])):
        hops = MultiHop.build(projection, PATHS, SpreadSettings())
        assert len(hops.top_k(ragged([[(0, 1.0)]]), 5, SONGS_ONLY).item) == 0
        assert hops.best_paths(ragged([[(0, 1.0)]]), pairs_of(1, ALL_SONGS)).length.tolist() == [0] * N_SONGS


def test_a_seed_is_no_evidence_for_itself_but_others_are() -> None:
    hops = MultiHop.build(one_album(3), PATHS, SpreadSettings(hub_damping=0.0, hop_decay=1.0))
    assert hops.scores_of_pairs(ragged([[(0, 1.0)], [(0, 1.0), (1, 4.0)]]), pairs_of(2, [0, 1, 2]), np.ones(4)).tolist() == [
        0.0, 1.0, 1.0,
        4.0, 1.0, 5.0,
    ]  # fmt: skip


def test_prior_multiplies_and_its_zero_keeps_out() -> None:
    hops = MultiHop.build(one_album(3), PATHS, SpreadSettings(hub_damping=0.0, hop_decay=1.0))
    found = hops.top_k(ragged([[(0, 1.0)]]), 5, np.array([1.0, 0.0, 3.0, 1.0]))
    assert (found.item.tolist(), found.score.tolist()) == ([2], [3.0])


def test_fanout_keeps_the_most_important_neighbours_and_damps_by_the_whole_degree() -> None:
    importance = np.array([0.0, 1.0, 5.0, 1.0, 9.0, 0.0])
    whole = MultiHop.build(one_album(5), PATHS, SpreadSettings(hub_damping=1.0))
    cut = MultiHop.build(one_album(5), PATHS, SpreadSettings(hub_damping=1.0, fanout=3), importance=importance)
    found = cut.top_k(ragged([[(0, 1.0)]]), 9, np.ones(6))
    assert found.item.tolist() == [1, 2, 4]  # of 1 and 3, equally important, the lower id
    assert set(found.score.tolist()) == set(whole.top_k(ragged([[(0, 1.0)]]), 9, np.ones(6)).score.tolist())


def test_max_hops_leaves_longer_meta_paths_out() -> None:
    projection = graph_of([(0, "IN_ALBUM", 6), (6, "SOUNDTRACK_OF", 8), (7, "SOUNDTRACK_OF", 8), (1, "IN_ALBUM", 7)])
    for max_hops, want in ((3, []), (4, [1])):
        hops = MultiHop.build(projection, PATHS, SpreadSettings(max_hops=max_hops))
        assert hops.top_k(ragged([[(0, 1.0)]]), 5, SONGS_ONLY).item.tolist() == want


# Songs 0-5; artists 6, 7; seasons 8, 9; show 10.
TWO_SEASONS = [
    (0, "SUNG_BY", 6),
    (6, "COMPETED_IN", 8),
    (8, "SEASON_OF", 10),
    (9, "SEASON_OF", 10),
    (7, "COMPETED_IN", 9),
    (1, "SUNG_BY", 7),
]


def test_default_meta_paths_join_artists_of_different_seasons_of_one_show() -> None:
    hops = MultiHop.build(graph_of(TWO_SEASONS), DEFAULT_META_PATHS, SpreadSettings())
    best = hops.best_paths(ragged([[(0, 1.0)]]), pairs_of(1, [1]))
    assert best.nodes[0].tolist() == [0, 6, 8, 10, 9, 7, 1]
    assert hops.meta_paths[best.meta_path[0]].name == "artists of one show"
    names = graph_of(TWO_SEASONS).step_names
    assert [names[step] for step in best.steps[0]] == ["SUNG_BY", "COMPETED_IN", "SEASON_OF", "<SEASON_OF", "<COMPETED_IN", "<SUNG_BY"]


def test_default_meta_paths_join_singers_of_one_drama() -> None:
    facts = [(0, "IN_ALBUM", 6), (6, "SOUNDTRACK_OF", 8), (7, "SOUNDTRACK_OF", 8), (1, "IN_ALBUM", 7), (1, "SUNG_BY", 9), (2, "SUNG_BY", 9)]
    hops = MultiHop.build(graph_of(facts), DEFAULT_META_PATHS, SpreadSettings())
    best = hops.best_paths(ragged([[(0, 1.0)]]), pairs_of(1, [1, 2]))
    assert best.nodes[0, :5].tolist() == [0, 6, 8, 7, 1]
    assert best.nodes[1].tolist() == [0, 6, 8, 7, 1, 9, 2]


def test_equal_paths_are_told_by_the_lower_seed_then_the_earlier_meta_path() -> None:
    both = [shared("first", "IN_ALBUM", 1.0), shared("second", "SUNG_BY", 1.0)]
    facts = [(song, relation, node) for song in (2, 1, 0) for relation, node in (("SUNG_BY", 7), ("IN_ALBUM", 6))]
    best = MultiHop.build(graph_of(facts), both, SpreadSettings()).best_paths(ragged([[(2, 1.0), (1, 1.0)]]), pairs_of(1, [0]))
    assert best.nodes[0].tolist() == [1, 6, 0]
    assert best.meta_path.tolist() == [0]


def test_the_same_pair_twice_gets_the_same_path() -> None:
    best = MultiHop.build(one_album(3), PATHS, SpreadSettings()).best_paths(ragged([[(0, 1.0)]]), pairs_of(1, [2, 1, 2]))
    assert best.nodes[:, :3].tolist() == [[0, 3, 2], [0, 3, 1], [0, 3, 2]]


def test_meta_path_notation() -> None:
    assert against("<A|B") == "A|<B"
    assert against(ANY) == ANY
    assert shared("x", "A <B", 2.0) == MetaPath("x", ("A", "<B", "B", "<A"), 2.0)
    to_mv = to_kind([shared("x", "A", 2.0), shared("y", "A B", 1.0)], ["<MV_OF"], max_hops=4)
    assert [path.hops for path in to_mv] == [("<MV_OF",), ("A", "<A", "<MV_OF")]
