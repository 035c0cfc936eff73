import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.auc import auc, gauc, log_loss
from ranking.ftrl_calibration import calibration_error

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from user_bootstrap import BINS, Scored, user_weights


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1_000), n=st.integers(4, 60), levels=st.sampled_from([3, 1_000]))
def test_weights_of_one_give_the_plain_metrics_and_whole_weights_repeat_users(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    user = np.concatenate(([0, 1, 2], rng.integers(0, 3, n)))
    label = np.concatenate(([1, 0, 1], rng.integers(0, 2, n))).astype(np.float32)
    logit = rng.integers(0, levels, len(user)).astype(np.float32) / levels
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 3.0]])
    found = Scored(user, label, logit).all(weights)
    repeated = np.repeat(np.arange(len(user)), weights[1, user].astype(int))
    for row, rows in enumerate((np.arange(len(user)), repeated)):
        assert found["auc"][row] == pytest.approx(auc(label[rows], logit[rows]))
        assert found["log_loss"][row] == pytest.approx(log_loss(label[rows], logit[rows]))
    expected = gauc(user, label, logit)
    assert found["gauc"][0] == pytest.approx(expected, nan_ok=True)


def test_calibration_is_that_of_groups_of_equal_size() -> None:
    rng = np.random.default_rng(0)
    n = 20 * BINS
    user, label, logit = rng.integers(0, 7, n), rng.integers(0, 2, n).astype(np.float32), rng.normal(size=n).astype(np.float32)
    found = Scored(user, label, logit).all(np.ones((1, 7)))
    assert found["calibration"][0] == pytest.approx(calibration_error(label, logit, BINS), abs=1e-6)


def test_resamples_hold_as_many_users_and_begin_with_all() -> None:
    weights = user_weights(9, 50, seed=3)
    assert weights.shape == (51, 9)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 9).all()
    assert np.array_equal(weights, user_weights(9, 50, seed=3))
