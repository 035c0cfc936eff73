"""The size of the merge's trees: judged on listeners who were not learned from, small where little can be learned."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from test_merge import LABELS, SMALL, SNAPSHOT, TABLE

from recall.merge import LearnedMerge
from recall.merge_size import DEPTH, FOLDS, HeldCandidates, TreeSize, best_size, folds_of, staged


def grown(matrix: np.ndarray, label: np.ndarray, trees: int, leaves: int) -> lgb.Booster:
    told = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 2, "verbosity": -1, "num_threads": 1}
    return lgb.train(told, lgb.Dataset(matrix, label), num_boost_round=trees)


def world(seed: int, signal: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, columns and labels: one column of five says something, as loudly as `signal`."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(40, dtype=np.int32), 30)
    matrix = rng.normal(size=(len(user), 5)).astype(np.float32)
    return user, matrix, signal * matrix[:, 0] + rng.normal(size=len(user)) > 1


def chosen(seed: int, signal: float) -> TreeSize:
    user, matrix, label = world(seed, signal)

    def folds():
        for rows, held in folds_of(user, seed):
            part = np.isin(user, held)
            yield rows, HeldCandidates(matrix[part].T.copy(), user[part], label[part], matrix[part, 1] > 0)

    sizes = [TreeSize(2, 60), TreeSize(31, 60)]
    return best_size(sizes, folds(), lambda size, rows: grown(matrix[rows], label[rows].astype(int), size.trees, size.leaves))


def test_one_threshold_needs_no_wide_trees() -> None:
    assert [chosen(seed, 3.0).leaves for seed in range(3)] == [2, 2, 2]


def test_the_same_seed_finds_the_same_size() -> None:
    assert chosen(4, 1.0) == chosen(4, 1.0)


def test_folds_keep_listeners_apart_and_judge_each_once() -> None:
    user = np.repeat(np.arange(10), 3)
    found = list(folds_of(user, 0))
    assert len(found) == FOLDS
    for rows, held in found:
        np.testing.assert_array_equal(np.isin(user, held), ~rows)
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in found])), np.arange(10))


def test_one_listener_gives_no_fold_and_the_largest_size() -> None:
    folds = list(folds_of(np.zeros(5, np.int32), 0))
    assert folds == []
    sizes = [TreeSize(3, 20), TreeSize(31, 20)]
    assert best_size(sizes, iter(()), lambda size, rows: pytest.fail("nothing is to be learned")) == sizes[-1]


@pytest.mark.parametrize("leaves", [8, 50])
def test_stages_are_the_first_trees(leaves: int) -> None:
    _, matrix, label = world(1, 1.0)
    booster = grown(matrix, label.astype(int), 35, leaves)
    for stage, score in zip(range(10, 41, 10), staged(booster, matrix.T.copy(), range(10, 41, 10)), strict=True):
        np.testing.assert_allclose(score, booster.predict(matrix, num_iteration=min(stage, 35), raw_score=True), atol=1e-12)


def test_gain_against_counting() -> None:
    user = np.array([0, 0, 0, 1, 1, 2], np.int32)
    label = np.array([False, True, True, False, True, False])
    new = np.array([True, True, False, False, False, True])
    held = HeldCandidates(np.zeros((1, 6), np.float32), user, label, new)
    # User 0 has its positives at places 1 and 3, user 1 at place 2; user 2 has none. Of new songs only user 0 has one, at place 1.
    first = (1 + 1 / 2) / (1 + 1 / np.log2(3))
    of_all = np.mean([first, 1 / np.log2(3)])
    assert held.gain(np.array([1.0, 2.0, 0.5, 3.0, 1.0, 0.0])) == pytest.approx((of_all + 1) / 2)
    assert DEPTH >= 3


def test_the_merge_takes_a_size_that_it_is_given_and_finds_one_where_it_is_not() -> None:
    given = LearnedMerge(SMALL, seed=3, size=TreeSize(4, 6))
    given.fit(TABLE, LABELS, SNAPSHOT)
    assert given._trees.num_trees() == 6
    found = LearnedMerge(SMALL, seed=3)
    found.fit(TABLE, LABELS, SNAPSHOT)
    assert found.size is not None
    assert found.size.leaves in (SMALL.small_leaves, SMALL.leaves)
    assert found._trees.num_trees() == found.size.trees <= SMALL.trees
