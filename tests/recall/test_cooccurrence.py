import numpy as np
from scipy.sparse import csr_array
from small_house import house

from recall.cooccurrence import leading_vectors, neighbour_counts, neighbour_vectors, positive_mutual_information
from recall.interest_sequences import Sequences


def sequences(acts: list[tuple[int, int]], n_songs: int) -> Sequences:
    return Sequences.of(house(acts, n_users=3, n_songs=n_songs))


def test_neighbours_count_by_distance_within_a_user() -> None:
    found = neighbour_counts(sequences([(0, 0), (0, 1), (0, 2), (1, 2), (1, 0)], 4), 4, span=2).toarray()
    np.testing.assert_allclose(found, [[0, 1, 1.5, 0], [1, 0, 1, 0], [1.5, 1, 0, 0], [0, 0, 0, 0]])


def test_mutual_information_keeps_what_meets_more_often_than_by_chance() -> None:
    counts = np.array([[0, 4, 0, 1], [4, 0, 1, 0], [0, 1, 0, 4], [1, 0, 4, 0]], np.float32)
    found = positive_mutual_information(csr_array(counts)).toarray()
    np.testing.assert_allclose(found, np.where(counts == 4, np.log(4 * 20 / 25), 0), rtol=1e-6)


def test_leading_vectors_give_the_best_approximation() -> None:
    rng = np.random.default_rng(0)
    half = rng.standard_normal((30, 4)).astype(np.float32)
    matrix = half @ half.T
    found = leading_vectors(csr_array(matrix), 4, seed=0)
    np.testing.assert_allclose(found @ found.T, matrix, atol=1e-3)
    padded = leading_vectors(csr_array(matrix), 40, seed=0)
    assert padded.shape == (30, 40)
    np.testing.assert_allclose(padded @ padded.T, matrix, atol=1e-3)


def test_songs_heard_together_begin_alike_and_unheard_ones_at_random() -> None:
    rng = np.random.default_rng(0)
    acts = [(user, int(10 * (user % 2) + rng.integers(0, 10))) for _ in range(150) for user in range(2)]
    found = neighbour_vectors(sequences(acts, 22), 22, 8, span=5, seed=1)
    cosine = found @ found.T
    assert cosine[:10, :10].mean() > 0.4
    assert cosine[10:20, 10:20].mean() > 0.4
    assert abs(cosine[:10, 10:20]).mean() < 0.2
    np.testing.assert_allclose(np.linalg.norm(found[:20], axis=1), 1, rtol=1e-5)
    assert (np.linalg.norm(found[20:], axis=1) > 0.1).all()
    np.testing.assert_array_equal(found, neighbour_vectors(sequences(acts, 22), 22, 8, span=5, seed=1))


def test_no_sequences_begin_at_random() -> None:
    found = neighbour_vectors(sequences([], 5), 5, 4, span=3, seed=0)
    assert found.shape == (5, 4)
    assert (np.linalg.norm(found, axis=1) > 0.1).all()
