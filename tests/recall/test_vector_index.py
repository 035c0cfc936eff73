import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.vector_index import VectorIndex


def brute(items: np.ndarray, query: np.ndarray, k: int, without: set[int] = frozenset()) -> list[int]:  # type: ignore[assignment]
    score = (items.astype(np.float64) * query.astype(np.float64)).sum(axis=1).astype(np.float32)
    order = [i for i in np.lexsort((np.arange(len(items)), -score)) if i not in without]
    return order[:k]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 50), st.integers(0, 10_000), st.booleans())
def test_equals_brute_force(n_items: int, n_queries: int, k: int, seed: int, many_ties: bool) -> None:
    rng = np.random.default_rng(seed)
    items = rng.standard_normal((n_items, 5)).astype(np.float32)
    queries = rng.standard_normal((n_queries, 5)).astype(np.float32)
    if many_ties:
        items, queries = np.sign(items), np.sign(queries)
    found = VectorIndex(items).search(queries, k)
    for row in range(n_queries):
        assert found.item[found.row == row].tolist() == brute(items, queries[row], k)
    assert (np.diff(found.row) >= 0).all()


def test_more_ties_than_places_are_decided_by_item() -> None:
    items = np.ones((500, 2), np.float32)
    items[3] = 2
    found = VectorIndex(items).search(np.ones((1, 2), np.float32), 4)
    assert found.item.tolist() == [3, 0, 1, 2]
    assert found.score.tolist() == [4.0, 2.0, 2.0, 2.0]


def test_excluded_items_are_left_out_and_others_take_their_places() -> None:
    rng = np.random.default_rng(1)
    items, queries = rng.standard_normal((30, 4)).astype(np.float32), rng.standard_normal((5, 4)).astype(np.float32)
    row, item = np.array([4, 0, 4, 2]), np.array([7, 1, 9, 2])
    found = VectorIndex(items).search(queries, 6, exclude=(row, item))
    for query in range(5):
        assert found.item[found.row == query].tolist() == brute(items, queries[query], 6, set(item[row == query].tolist()))


def test_everything_excluded_leaves_nothing() -> None:
    items = np.eye(3, dtype=np.float32)
    found = VectorIndex(items).search(items[:2], 5, exclude=(np.array([0, 0, 0]), np.arange(3)))
    assert found.row.tolist() == [1, 1, 1]


def test_score_is_the_number_of_search_and_independent_of_the_batch() -> None:
    rng = np.random.default_rng(2)
    items, queries = rng.standard_normal((300, 32)).astype(np.float32), rng.standard_normal((40, 32)).astype(np.float32)
    index = VectorIndex(items)
    found = index.search(queries, 50)
    np.testing.assert_array_equal(index.score(queries, found.row, found.item), found.score)
    alone = index.search(queries[17:18], 50)
    np.testing.assert_array_equal(alone.item, found.item[found.row == 17])
    np.testing.assert_array_equal(alone.score, found.score[found.row == 17])


@pytest.mark.parametrize(("n_items", "n_queries", "k"), [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_nothing_to_find(n_items: int, n_queries: int, k: int) -> None:
    index = VectorIndex(np.ones((n_items, 2), np.float32))
    found = index.search(np.ones((n_queries, 2), np.float32), k)
    assert len(found.row) == len(found.item) == len(found.score) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 12), st.integers(0, 10_000), st.floats(0, 1))
def test_a_list_without_known_items_is_the_same_whatever_was_asked_before(
    n_items: int, n_queries: int, k: int, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    items, queries = np.sign(rng.standard_normal((n_items, 3))).astype(np.float32), rng.standard_normal((n_queries, 3)).astype(np.float32)
    known = np.nonzero(rng.random((n_queries, n_items)) < share)
    index = VectorIndex(items)
    for before in (k, 1, k + 3):
        index.search(queries, before)
        found = index.search(queries, k, exclude=known)
        for row in range(n_queries):
            assert found.item[found.row == row].tolist() == brute(items, queries[row], k, set(known[1][known[0] == row].tolist()))
    index.delete(found.item[:1])
    assert not np.isin(found.item[:1], index.search(queries, k, exclude=known).item).any()
