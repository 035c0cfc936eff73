from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.projection import ALWAYS, Projection

N = 6
FACT = st.tuples(st.integers(0, N - 1), st.sampled_from("ABC"), st.integers(0, N - 1), st.integers(0, 3), st.sampled_from([0.25, 0.5, 1.0]))


def build(facts: list[tuple[int, str, int, int, float]]) -> Projection:
    head, relation, tail, valid_from, confidence = ([fact[column] for fact in facts] for column in range(5))
    keys = [f"k:{node}" for node in range(N)]
    return Projection.build(keys, keys, 3, head, relation, tail, valid_from, confidence)


@pytest.fixture
def small() -> Projection:
    return build([(0, "SUNG_BY", 3, 5, 1.0), (1, "SUNG_BY", 3, ALWAYS, 0.5), (1, "SUNG_BY", 4, 9, 1.0), (0, "IN_ALBUM", 5, ALWAYS, 1.0)])


def test_edges_stand_in_both_directions_by_step_then_target(small: Projection) -> None:
    assert small.step_names == ("IN_ALBUM", "SUNG_BY", "<IN_ALBUM", "<SUNG_BY")
    of_artist = slice(small.indptr[3], small.indptr[4])
    assert small.step[of_artist].tolist() == [3, 3]
    assert small.target[of_artist].tolist() == [0, 1]
    assert small.valid_from[of_artist].tolist() == [5, ALWAYS]
    assert small.step[: small.indptr[1]].tolist() == [0, 1]


def test_a_fact_counts_once_as_it_was_stated_first() -> None:
    twice = build([(0, "A", 1, 7, 1.0), (0, "A", 1, 2, 0.25), (0, "A", 1, 2, 0.5)])
    assert twice.facts.valid_from.tolist() == [2]
    assert twice.facts.confidence.tolist() == [0.5]


def test_facets_are_the_songs_own_facts(small: Projection) -> None:
    offsets, targets = small.facet("SUNG_BY")
    assert offsets.tolist() == [0, 1, 3, 3]
    assert targets.tolist() == [3, 3, 4]
    assert small.facet("NOTHING")[0].tolist() == [0, 0, 0, 0]


def test_as_of_keeps_what_was_known(small: Projection) -> None:
    known = small.as_of(5)
    assert known.facet("SUNG_BY")[1].tolist() == [3, 3]
    assert known.step_names == small.step_names
    assert len(small.as_of(4).facts.head) == 2


def test_without_drops_relations_and_keeps_the_codes_of_steps(small: Projection) -> None:
    rest = small.without({"SUNG_BY"})
    assert rest.step.tolist() == [0, 2]
    assert rest.step_names == small.step_names


def test_an_empty_graph_has_nodes_and_no_edges() -> None:
    empty = build([])
    assert empty.n_nodes == N
    assert len(empty.step) == 0
    assert empty.indptr.tolist() == [0] * (N + 1)


def test_codes_into_unsorted_relation_names() -> None:
    built = Projection.build(["a", "b"], ["a", "b"], 1, [0, 0], np.array([0, 1]), [1, 1], relations=["Z", "A"])
    assert built.relations == ("A", "Z")
    assert built.facts.relation.tolist() == [0, 1]


@given(st.lists(FACT, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(facts: list[tuple[int, str, int, int, float]], random: object) -> None:
    shuffled = facts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = build(facts), build(shuffled)
    for name in ("indptr", "step", "target", "valid_from", "confidence"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@given(st.lists(FACT, max_size=20))
def test_facts_come_back_and_each_edge_has_its_reverse(facts: list[tuple[int, str, int, int, float]]) -> None:
    built = build(facts)
    found = built.facts
    names = [built.relations[code] for code in found.relation]
    assert set(zip(found.head.tolist(), names, found.tail.tolist(), strict=True)) == {fact[:3] for fact in facts}
    node = np.repeat(np.arange(N), np.diff(built.indptr))
    n = len(built.relations)
    pairs = set(zip(node.tolist(), built.step.tolist(), built.target.tolist(), strict=True))
    assert pairs == {(target, (step + n) % (2 * n), head) for head, step, target in pairs}


@given(st.lists(FACT, max_size=30), st.integers(0, 5))
def test_randomised_keeps_degrees_per_relation(facts: list[tuple[int, str, int, int, float]], seed: int) -> None:
    built = build(facts)
    null = built.randomised(seed)
    for column in ("head", "tail"):
        before, after = (
            np.bincount(getattr(part.facts, column) * 3 + part.facts.relation, minlength=3 * N).tolist() for part in (built, null)
        )
        assert before == after
    assert null.target.tobytes() == built.randomised(seed).target.tobytes()


@settings(max_examples=10)
@given(st.lists(FACT, max_size=20))
def test_save_and_load(tmp_path_factory: pytest.TempPathFactory, facts: list[tuple[int, str, int, int, float]]) -> None:
    folder: Path = tmp_path_factory.mktemp("projection")
    built = build(facts)
    built.save(folder)
    loaded = Projection.load(folder)
    assert loaded.relations == built.relations
    assert loaded.n_songs == built.n_songs
    for name in ("indptr", "step", "target", "valid_from", "confidence"):
        assert getattr(loaded, name).tobytes() == getattr(built, name).tobytes()
        assert getattr(loaded, name).dtype == getattr(built, name).dtype
    assert loaded.keys.tolist() == built.keys.tolist()
