import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from ranking.auc import log_loss
from ranking.ftrl_calibration import Calibration, calibration_error


def drawn(n: int, slope: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and logits whose true slope and offset are the given ones."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, n)
    return (rng.random(n) < expit(slope * logits + offset)).astype(np.float32), logits.astype(np.float32)


def test_the_true_pair_is_found_and_the_error_goes() -> None:
    labels, logits = drawn(40_000, 0.5, -1.0)
    found = Calibration.fit(labels, logits)
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.offset == pytest.approx(-1.0, abs=0.05)
    assert calibration_error(labels, logits) > 0.15
    assert calibration_error(labels, found.apply(logits)) < 0.02
    assert expit(found.apply(logits).astype(np.float64)).mean() == pytest.approx(labels.mean(), abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(-40, 40)), max_size=40))
def test_it_never_makes_the_loss_worse_and_keeps_the_order(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([row[0] for row in rows], dtype=np.float32)
    logits = np.array([row[1] for row in rows], dtype=np.float32)
    found = Calibration.fit(labels, logits)
    assert found.slope > 0
    assert np.isfinite([found.slope, found.offset]).all()
    if found.slope > 1e-3 and len(rows):
        assert log_loss(labels, found.apply(logits)) <= log_loss(labels, logits) + 1e-5


def test_nothing_known_changes_nothing() -> None:
    nothing = np.empty(0, np.float32)
    assert Calibration.fit(nothing, nothing) == Calibration()
    assert np.isnan(calibration_error(nothing, nothing))
    one_sided = Calibration.fit(np.ones(20, np.float32), np.zeros(20, np.float32))
    assert 0 < one_sided.offset < 5
