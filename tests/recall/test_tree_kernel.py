"""The kernel of boosted trees scores as LightGBM does, to the bit."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.tree_kernel import ROWS, TreeKernel

Floats = npt.NDArray[np.float32]


def grown(matrix: Floats, label: npt.NDArray[np.integer], **parameters: object) -> lgb.Booster:
    told = {"objective": "binary", "num_leaves": 31, "min_data_in_leaf": 3, "verbosity": -1, "num_threads": 1, **parameters}
    return lgb.train(told, lgb.Dataset(matrix, label), num_boost_round=20)


def numbers(rng: np.random.Generator, n: int, unknown: float) -> Floats:
    matrix = rng.normal(size=(n, 5)).astype(np.float32)
    matrix[rng.random(matrix.shape) < unknown] = np.nan
    matrix[:, 4] = np.round(np.nan_to_num(matrix[:, 4]))
    return matrix


def same(booster: lgb.Booster, matrix: Floats) -> None:
    kernel = TreeKernel.of(booster)
    assert kernel is not None
    np.testing.assert_array_equal(kernel.score(matrix.T), booster.predict(matrix, raw_score=True))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    unknown=st.sampled_from([0.0, 0.2, 0.9]),
    leaves=st.integers(2, 32),
    n=st.sampled_from([1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 7]),
)
def test_scores_are_those_of_lightgbm(seed: int, unknown: float, leaves: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    learned = numbers(rng, 400, unknown)
    label = (np.nan_to_num(learned[:, 0]) * np.nan_to_num(learned[:, 1], nan=-1.0) + rng.normal(size=400) > 0.3).astype(int)
    booster = grown(learned, label, num_leaves=leaves)
    same(booster, learned)
    # Values on the thresholds' own grid, infinite ones, and unknown ones where learning saw none.
    asked = numbers(rng, n, 0.3)
    asked[rng.random(asked.shape) < 0.1] = np.inf
    asked[0] = np.nan
    same(booster, asked)


def test_a_value_on_a_threshold_goes_left() -> None:
    learned = np.repeat(np.array([[0.0], [1.0]], np.float32), 50, axis=0)
    booster = grown(learned, np.repeat([0, 1], 50))
    threshold = np.float32(float(booster.model_to_string().split("threshold=")[1].split()[0]))
    around = np.array([[np.nextafter(threshold, np.float32(-1))], [threshold], [np.nextafter(threshold, np.float32(2))]], np.float32)
    same(booster, around)


def test_trees_that_found_no_split() -> None:
    same(grown(np.zeros((50, 5), np.float32), np.repeat([0, 1], 25)), np.zeros((3, 5), np.float32))


def test_no_rows() -> None:
    kernel = TreeKernel.of(grown(np.repeat(np.array([[0.0], [1.0]], np.float32), 50, axis=0), np.repeat([0, 1], 50)))
    assert kernel is not None
    assert kernel.score(np.zeros((1, 0), np.float32)).shape == (0,)


def test_wider_trees_are_left_to_lightgbm() -> None:
    rng = np.random.default_rng(0)
    learned = numbers(rng, 2_000, 0.0)
    assert TreeKernel.of(grown(learned, rng.integers(0, 2, 2_000), num_leaves=40)) is None


def test_splits_by_category_are_refused() -> None:
    learned = np.repeat(np.arange(4, dtype=np.float32)[:, None], 50, axis=0)
    booster = lgb.train(
        {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 3, "num_threads": 1, "min_data_per_group": 1},
        lgb.Dataset(learned, np.repeat([0, 1, 0, 1], 50), categorical_feature=[0]),
        num_boost_round=2,
    )
    with pytest.raises(ValueError, match="category"):
        TreeKernel.of(booster)
