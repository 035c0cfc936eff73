import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.interest_vectors import InterestVectors, best, search
from recall.vector_index import VectorIndex


def some(seed: int, sizes: list[int]) -> tuple[VectorIndex, InterestVectors]:
    """Few distinct small integers, so that there are many ties."""
    rng = np.random.default_rng(seed)
    items, vectors = rng.integers(-1, 2, (30, 3)).astype(np.float32), rng.integers(-1, 2, (sum(sizes), 3)).astype(np.float32)
    return VectorIndex(items), InterestVectors.of_sizes(np.array(sizes, np.int64), vectors)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(1, 35))
def test_the_merged_list_is_the_exact_top_k_by_the_maximum(seed: int, sizes: list[int], k: int) -> None:
    index, interests = some(seed, sizes)
    row = np.repeat(np.arange(len(sizes)), 4)
    item = np.random.default_rng(seed).integers(0, 30, len(row))
    found = search(index, interests, k, (row, item))
    for user, size in enumerate(sizes):
        mine = found.row == user
        if not size:
            assert not mine.any()
            continue
        score = (interests.vectors[interests.offsets[user] : interests.offsets[user + 1]] @ index.vectors.T).max(axis=0)
        left = np.setdiff1d(np.arange(30), item[row == user])
        expected = left[np.lexsort((left, -score[left]))][:k]
        assert found.item[mine].tolist() == expected.tolist()
        np.testing.assert_array_equal(found.score[mine], score[expected])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_best_names_the_first_vector_with_the_largest_product(seed: int, sizes: list[int]) -> None:
    index, interests = some(seed, sizes)
    rng = np.random.default_rng(seed)
    row, item = rng.integers(0, len(sizes), 20), rng.integers(0, 30, 20)
    score, which = best(index, interests, row, item)
    for n in range(20):
        first, last = interests.offsets[row[n]], interests.offsets[row[n] + 1]
        products = interests.vectors[first:last] @ index.vectors[item[n]]
        assert which[n] == (first + np.argmax(products) if last > first else -1)
        assert score[n] == (products.max() if last > first else 0)


def test_nobody_asked() -> None:
    index, interests = some(0, [])
    assert len(search(index, interests, 5).row) == 0
    assert len(best(index, interests, np.zeros(0, np.int64), np.zeros(0, np.int64))[0]) == 0
