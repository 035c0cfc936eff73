import numpy as np

from recall.interest_diagnostics import diagnose
from recall.interest_vectors import InterestVectors
from recall.vector_index import VectorIndex


def test_several_one_and_no_interests() -> None:
    index = VectorIndex(np.array([[1, 0], [0.9, 0.1], [0.1, 0.9], [0, 1]], np.float32))
    vectors = np.array([[2, 0], [0, 1], [1, 0], [1, 0.01], [0, 3]], np.float32)
    found = diagnose(index, InterestVectors.of_sizes(np.array([2, 0, 2, 1]), vectors), k=2)
    assert found.interests.tolist() == [2, 0, 2, 1]
    np.testing.assert_allclose(found.cosine, [0, np.nan, 1 / np.sqrt(1.0001), np.nan], rtol=1e-5)
    np.testing.assert_array_equal(found.overlap, [0, np.nan, 1, np.nan])
    assert found.same_lists.tolist() == [False, False, True, False]
    summary = found.summary()
    assert summary["interests"] == 1.25
    assert summary["same_lists"] == summary["overlap"] == 0.5


def test_means_run_over_all_pairs() -> None:
    index = VectorIndex(np.eye(4, dtype=np.float32))
    vectors = np.array([[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 2]], np.float32)
    found = diagnose(index, InterestVectors.of_sizes(np.array([3]), vectors), k=2)
    np.testing.assert_allclose(found.cosine, [0.8 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.overlap, [1 / 3])
    assert found.same_lists.tolist() == [False]


def test_nobody_and_nobody_with_two() -> None:
    index = VectorIndex(np.eye(3, dtype=np.float32))
    nobody = diagnose(index, InterestVectors.of_sizes(np.zeros(0, np.int64), np.zeros((0, 3), np.float32)))
    assert len(nobody.interests) == 0
    assert nobody.summary() == {"interests": 0.0}
    assert diagnose(index, InterestVectors.of_sizes(np.array([1, 0]), np.ones((1, 3), np.float32))).summary() == {"interests": 0.5}
