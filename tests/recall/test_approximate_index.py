from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.inverted_lists import ListSettings
from recall.vector_index import IndexSettings, VectorIndex

SMALL = IndexSettings(exact_below=200, lists=ListSettings(first=8, deviations=2.0))
"""Lists already for a few hundred items, of which an eighth is scanned at 3,000."""
EXACT = IndexSettings(exact_below=10**9)


def catalogue(seed: int, n: int, dim: int = 16) -> np.ndarray:
    """Items around the centres of styles, all of length 1."""
    rng = np.random.default_rng(seed)
    styles = rng.standard_normal((12, dim))
    items = styles[rng.integers(0, 12, n)] + 0.5 * rng.standard_normal((n, dim))
    return (items / np.linalg.norm(items, axis=1, keepdims=True)).astype(np.float32)


@cache
def house() -> tuple[np.ndarray, np.ndarray, VectorIndex, VectorIndex]:
    items, queries = catalogue(0, 3000), catalogue(1, 60)
    queries = (items[:60] + 0.3 * queries).astype(np.float32)
    return items, queries, VectorIndex(items, settings=SMALL), VectorIndex(items, settings=EXACT)


def lists(found: object, n: int) -> list[list[int]]:
    return [found.item[found.row == row].tolist() for row in range(n)]  # type: ignore[attr-defined]


def recall(found: object, truth: object, n: int) -> float:
    pairs = zip(lists(found, n), lists(truth, n), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))


def test_a_small_index_is_exact_and_a_large_one_scans_lists() -> None:
    _, _, approximate, exact = house()
    assert not approximate.exact
    assert exact.exact


def test_most_of_the_true_best_are_found_with_their_exact_scores() -> None:
    _, queries, approximate, exact = house()
    found, truth = approximate.search(queries, 300), exact.search(queries, 300)
    assert 0.9 < recall(found, truth, len(queries)) < 1
    np.testing.assert_array_equal(found.score, exact.score(queries, found.row, found.item))
    assert all(len(one) == 300 for one in lists(found, len(queries)))


def test_all_lists_probed_is_exact() -> None:
    items, queries, _, exact = house()
    everywhere = VectorIndex(items, settings=IndexSettings(exact_below=200, lists=ListSettings(first=10**6)))
    for one, other in zip(everywhere.search(queries, 50), exact.search(queries, 50), strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_query_gets_what_it_gets_among_many_in_any_order() -> None:
    _, queries, approximate, _ = house()
    whole = approximate.search(queries, 30)
    turned = approximate.search(queries[::-1], 30)
    for row in (0, 17, 59):
        alone = approximate.search(queries[row : row + 1], 30)
        for found, at in ((whole, row), (turned, len(queries) - 1 - row)):
            np.testing.assert_array_equal(alone.item, found.item[found.row == at])
            np.testing.assert_array_equal(alone.score, found.score[found.row == at])


def test_the_same_seed_gives_the_same_lists() -> None:
    items, queries, approximate, _ = house()
    again = VectorIndex(items, settings=SMALL)
    np.testing.assert_array_equal(again.search(queries, 40).item, approximate.search(queries, 40).item)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.001, 0.01, 0.1, 0.3, 0.9]), st.integers(1, 60), st.booleans())
def test_a_filter_is_obeyed_and_lists_are_full_while_allowed_items_are_left(seed: int, share: float, k: int, as_ids: bool) -> None:
    items, queries, approximate, _ = house()
    rng = np.random.default_rng(seed)
    mask = rng.random(len(items)) < share
    # Whole styles refused: what a query is nearest to may be just what is not allowed.
    mask &= items @ items[seed % len(items)] < 0.5
    exclude = rng.integers(0, 5, 400), rng.integers(0, len(items), 400)
    found = approximate.search(queries[:5], k, exclude, np.flatnonzero(mask) if as_ids else mask)
    for row, got in enumerate(lists(found, 5)):
        open_to = set(np.flatnonzero(mask).tolist()) - set(exclude[1][exclude[0] == row].tolist())
        assert len(got) == len(set(got)) == min(k, len(open_to))
        assert set(got) <= open_to


def test_a_narrow_filter_is_answered_exactly() -> None:
    items, queries, approximate, exact = house()
    allowed = np.random.default_rng(3).random(len(items)) < 0.05
    np.testing.assert_array_equal(approximate.search(queries, 25, allowed=allowed).item, exact.search(queries, 25, allowed=allowed).item)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 900), st.integers(1, 120)), max_size=6), st.integers(0, 1000))
def test_inserts_and_deletes_leave_what_a_dictionary_would_hold(steps: list[tuple[bool, int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = catalogue(seed, 400)
    index = VectorIndex(items, settings=SMALL)
    held = dict(enumerate(items))
    for add, first, n in steps:
        ids = np.arange(first, first + n, dtype=np.int32)
        if add:
            vectors = rng.standard_normal((n, 16)).astype(np.float32)
            index.insert(ids, vectors)
            held |= dict(zip(ids.tolist(), vectors, strict=True))
        else:
            index.delete(ids)
            held = {i: vector for i, vector in held.items() if i not in set(ids.tolist())}
    assert index.ids.tolist() == sorted(held)
    assert len(index) == len(held)
    if not held:
        return
    queries = rng.standard_normal((2, 16)).astype(np.float32)
    found = index.search(queries, len(held))
    for row, got in enumerate(lists(found, 2)):
        assert sorted(got) == sorted(held)
        expected = np.array([held[i] for i in got]).astype(np.float64) @ queries[row].astype(np.float64)
        np.testing.assert_allclose(found.score[found.row == row], expected, rtol=1e-5, atol=1e-6)


def test_an_inserted_item_is_found_at_once_and_a_deleted_one_never_again() -> None:
    items, queries, _, _ = house()
    index = VectorIndex(items, settings=SMALL)
    index.insert(np.array([70_000], np.int32), 5 * queries[:1])
    assert index.search(queries[:1], 1).item.tolist() == [70_000]
    index.insert(np.array([70_000], np.int32), -5 * queries[:1])
    assert 70_000 not in index.search(queries[:1], 100).item
    best = index.search(queries[:1], 1).item
    index.delete(best)
    assert best[0] not in index.search(queries[:1], 100).item
    index.delete(best)


def test_thousands_of_songs_with_one_vector_are_decided_by_id() -> None:
    items = np.tile(catalogue(2, 1), (5000, 1))
    for chosen in (EXACT, SMALL):
        found = VectorIndex(items, settings=chosen).search(items[:2], 7)
        assert found.item.tolist() == list(range(7)) * 2


def test_mistakes_are_named() -> None:
    index = VectorIndex(np.eye(3, dtype=np.float32))
    with pytest.raises(ValueError, match="negative"):
        index.insert(np.array([-1], np.int32), np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match=r"vectors \[1, 3\]"):
        index.insert(np.array([5], np.int32), np.ones((1, 2), np.float32))
    with pytest.raises(ValueError, match="item 7"):
        index.score(np.ones((1, 3), np.float32), np.array([0]), np.array([7]))
    with pytest.raises(ValueError, match="twice"):
        VectorIndex(np.eye(2, dtype=np.float32), np.array([1, 1], np.int32))
