import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from small_house import dense_lists

from recall.top_k import csr, dense_argmax, dense_top_k, product_argmax, product_at, product_top_k, ranking_top_k

# Small whole numbers: sums are exact in any order, and ties are many.
CASES = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


def matrices(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    a, b, c = rng.integers(1, 7, 3)
    left = rng.integers(0, 3, (a, b)) * (rng.random((a, b)) < 0.6)
    right = rng.integers(0, 3, (b, c)) * (rng.random((b, c)) < 0.6)
    return left.astype(np.float32), right.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(CASES, st.integers(1, 8), st.booleans())
def test_product_top_k_is_the_dense_product_ordered(rng: np.random.Generator, k: int, excluding: bool) -> None:
    left, right = matrices(rng)
    rows = rng.permutation(len(left)).astype(np.int32)
    held = rng.random((len(left), right.shape[1])) < 0.3
    exclude = csr(csr_array(held.astype(np.float32))) if excluding else None
    ranked = product_top_k(csr(left), rows, csr(right), k, exclude)
    expected = dense_lists(left @ right, rows, k, held if excluding else None)
    assert list(zip(rows[ranked.row].tolist(), ranked.col.tolist(), strict=True)) == expected
    np.testing.assert_array_equal(ranked.score, (left @ right)[rows[ranked.row], ranked.col])


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_product_at_sums_and_takes_the_largest(rng: np.random.Generator) -> None:
    left, right = matrices(rng)
    row, col = np.nonzero(np.ones((len(left), right.shape[1])))
    terms = left[:, :, None] * right[None]
    np.testing.assert_array_equal(product_at(csr(left), csr(right), row, col), (left @ right)[row, col])
    np.testing.assert_array_equal(product_at(csr(left), csr(right), row, col, largest=True), terms.max(axis=1)[row, col])


@settings(max_examples=40, deadline=None)
@given(CASES)
def test_argmax_names_the_first_largest_term(rng: np.random.Generator) -> None:
    left, right = matrices(rng)
    row, col = np.nonzero(np.ones((len(left), right.shape[1])))
    terms = left[:, :, None] * right[None]
    expected = np.where(terms.max(axis=1) > 0, terms.argmax(axis=1), -1)[row, col]
    np.testing.assert_array_equal(product_argmax(csr(left), csr(right), row, col), expected)
    np.testing.assert_array_equal(dense_argmax(csr(left), right, row, col), expected)


def test_a_pair_scores_the_very_number_of_the_list() -> None:
    rng = np.random.default_rng(1)
    left, right = csr(rng.random((20, 30)).astype(np.float32)), csr(rng.random((30, 40)).astype(np.float32))
    ranked = product_top_k(left, np.arange(20), right, 40)
    np.testing.assert_array_equal(product_at(left, right, ranked.row, ranked.col), ranked.score)


@settings(max_examples=40, deadline=None)
@given(CASES, st.integers(1, 9))
def test_dense_top_k_leaves_out_negative_and_held(rng: np.random.Generator, k: int) -> None:
    block = rng.integers(-2, 4, (4, 7)).astype(np.float32)
    held = rng.random((4, 7)) < 0.3
    rows = rng.permutation(4).astype(np.int32)
    ranked = dense_top_k(block[rows], rows, k, csr(csr_array(held.astype(np.float32))))
    assert list(zip(rows[ranked.row].tolist(), ranked.col.tolist(), strict=True)) == dense_lists(block, rows, k, held)


def test_ranking_skips_what_a_row_holds() -> None:
    order, score = np.array([2, 0, 3], np.int32), np.array([5, 0, 9, 1], np.float32)
    held = csr(csr_array(np.array([[0, 0, 1, 0], [0, 0, 0, 0]], np.float32)))
    ranked = ranking_top_k(order, score, np.array([1, 0], np.int32), 2, held)
    assert ranked.row.tolist() == [0, 0, 1, 1]
    assert ranked.col.tolist() == [2, 0, 0, 3]
    assert ranked.score.tolist() == [9, 5, 5, 1]


@pytest.mark.parametrize("k", [1, 5])
def test_no_rows_and_empty_rows(k: int) -> None:
    empty = csr(csr_array((2, 3), dtype=np.float32))
    assert len(product_top_k(empty, np.arange(2), csr(np.eye(3)), k).row) == 0
    assert len(product_top_k(empty, np.empty(0, np.int32), csr(np.eye(3)), k).row) == 0
    assert len(ranking_top_k(np.arange(3, dtype=np.int32), np.ones(3, np.float32), np.empty(0, np.int32), k).row) == 0
