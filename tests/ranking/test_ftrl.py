"""FTRL-Proximal against a plain NumPy one in 64 bits, and its laws."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from etl.errors import UserError
from ranking.auc import auc, log_loss
from ranking.ftrl import Ftrl, FtrlSettings
from ranking.ftrl_progress import progressive
from ranking.hashing import HashedTerms

Doubles = npt.NDArray[np.float64]
TERMS = HashedTerms(("user", "song", "style"), (("user", "style"), ("user", "song", "style")), bits=18)


def house(n: int, seed: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Codes (some absent), values and labels; users like one style each."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(-1, size, n) for size in (20, 60, 4)], axis=1)
    values = rng.choice([1.0, 0.5, 2.0], codes.shape).astype(np.float32)
    likes = codes[:, 0] % 4 == codes[:, 2]
    return codes, values, (rng.random(n) < np.where(likes, 0.8, 0.2)).astype(np.float32)


def reference(
    terms: HashedTerms, how: FtrlSettings, codes: npt.NDArray[np.int64], y: Doubles, values: npt.NDArray[np.float32], weight: Doubles
) -> tuple[Doubles, dict[int, tuple[float, float]]]:
    """The paper's algorithm 1, one coordinate at a time, in 64 bits."""
    slots, factors = terms.slots(codes, values)
    state: dict[int, tuple[float, float]] = {}
    logits = np.zeros(len(codes))
    for t in range(len(codes)):
        w = {}
        for slot in slots[t]:
            z, n = state.get(slot, (0.0, 0.0))
            w[slot] = 0.0 if abs(z) <= how.l1 else -(z - np.sign(z) * how.l1) / ((how.beta + np.sqrt(n)) / how.alpha + how.l2)
        logits[t] = sum(w[slot] * x for slot, x in zip(slots[t], factors[t], strict=True))
        residual = (1 / (1 + np.exp(-logits[t])) - y[t]) * weight[t]
        for slot, x in zip(slots[t], factors[t], strict=True):
            z, n = state.get(slot, (0.0, 0.0))
            g = residual * float(x)
            sigma = (np.sqrt(n + g * g) - np.sqrt(n)) / how.alpha
            state[slot] = (z + g - sigma * w[slot], n + g * g)
    return logits, state


def same_slot_twice(terms: HashedTerms, codes: npt.NDArray[np.int64]) -> bool:
    return any(len(set(row)) < len(row) for row in terms.slots(codes)[0].tolist())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 0.5), st.floats(0.0, 2.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0), st.integers(1, 60))
def test_the_kernel_is_the_papers_algorithm(seed: int, alpha: float, beta: float, l1: float, l2: float, n: int) -> None:
    how = FtrlSettings(alpha, max(beta, 0.05), l1, l2)
    codes, values, y = house(n, seed)
    weight = np.random.default_rng(seed).uniform(0, 3, n)
    assume(not same_slot_twice(TERMS, codes))
    model = Ftrl(TERMS, how)
    logits = model.learn(codes, y, values, weight)
    expected, state = reference(TERMS, how, codes, y, values, weight)
    np.testing.assert_allclose(logits, expected, atol=2e-3, rtol=2e-3)
    touched = [slot for slot, (_, squares) in state.items() if squares > 0]
    np.testing.assert_allclose(model.table[touched], [state[slot] for slot in touched], atol=2e-3, rtol=2e-3)
    assert model.n_touched == len(touched)


def test_without_penalties_it_is_online_gradient_descent_with_adagrad_steps() -> None:
    """λ1 = λ2 = 0: w ← w − α / (β + √Σ g²) g, each coordinate with its own step."""
    how = FtrlSettings(alpha=0.2, beta=1.0, l1=0.0, l2=0.0)
    codes, values, y = house(2_000)
    logits = Ftrl(TERMS, how).learn(codes, y, values)
    slots, factors = TERMS.slots(codes, values)
    w, squares = np.zeros(2**TERMS.bits), np.zeros(2**TERMS.bits)
    expected = np.zeros(len(codes))
    for t in range(len(codes)):
        expected[t] = w[slots[t]] @ factors[t]
        gradient = (1 / (1 + np.exp(-expected[t])) - y[t]) * factors[t]
        squares[slots[t]] += gradient**2
        w[slots[t]] -= how.alpha / (how.beta + np.sqrt(squares[slots[t]])) * gradient
    np.testing.assert_allclose(logits, expected, atol=2e-3)
    assert np.abs(expected).max() > 1


def test_sparsity_grows_with_l1() -> None:
    codes, values, y = house(3_000)
    counts = []
    for l1 in (0.0, 0.3, 1.0, 3.0, 1e9):
        model = Ftrl(TERMS, FtrlSettings(l1=l1))
        model.learn(codes, y, values)
        counts.append(model.n_weights)
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 5
    assert counts[-1] == 0


def test_crosses_learn_what_the_fields_alone_cannot() -> None:
    codes, _, y = house(20_000)
    alone, crossed = (Ftrl(HashedTerms(TERMS.columns, crosses, 18)).learn(codes, y) for crosses in ((), TERMS.crosses))
    late = slice(10_000, None)
    assert auc(y[late], alone[late]) < 0.6
    assert auc(y[late], crossed[late]) > 0.7
    windows = progressive(y, crossed, 5_000)
    assert windows.n.tolist() == [5_000] * 4
    assert windows.log_loss[0] > windows.log_loss[-1]
    assert windows.log_loss.mean() == pytest.approx(log_loss(y, crossed))
    assert windows.predicted[-1] == pytest.approx(windows.rate[-1], abs=0.03)


def test_learning_in_pieces_is_learning_at_once_also_across_a_save(tmp_path: Path) -> None:
    codes, values, y = house(1_000)
    whole, piecewise = Ftrl(TERMS), Ftrl(TERMS)
    at_once = whole.learn(codes, y, values)
    first = piecewise.learn(codes[:333], y[:333], values[:333])
    piecewise.save(tmp_path)
    again = Ftrl.load(tmp_path)
    assert again.terms == TERMS
    assert again.settings == FtrlSettings()
    second = again.learn(codes[333:], y[333:], values[333:])
    assert (np.concatenate((first, second)) == at_once).all()
    assert (again.table == whole.table).all()


def test_an_example_alone_scores_as_among_others_and_as_it_is_explained() -> None:
    codes, values, y = house(500)
    model = Ftrl(TERMS)
    model.learn(codes, y, values)
    scores = model.logits(codes, values)
    assert all(model.logits(codes[row : row + 1], values[row : row + 1])[0] == scores[row] for row in range(40))
    parts = model.explain(codes, values)
    assert parts.names == TERMS.names
    np.testing.assert_allclose(parts.logit.sum(axis=1), scores, atol=1e-5)
    assert (parts.logit[:, 1][codes[:, 0] < 0] == 0).all()
    np.testing.assert_allclose(model.learn(codes[:1], y[:1], values[:1]), scores[:1], atol=1e-6)


def test_uncertainty_falls_with_evidence() -> None:
    codes, _, y = house(1)
    model = Ftrl(TERMS)
    seen = []
    for _ in range(5):
        seen.append(float(model.uncertainty(codes)[0]))
        model.learn(codes, y)
    assert seen == sorted(seen, reverse=True)
    present = (TERMS.slots(codes)[1] != 0).sum()
    assert seen[0] == pytest.approx(0.1 * present)


def test_a_weight_of_nothing_teaches_nothing_and_no_examples_are_no_mistake() -> None:
    codes, values, y = house(50)
    model = Ftrl(TERMS)
    assert (model.learn(codes, y, values, np.zeros(50)) == 0).all()
    assert model.n_touched == 0
    assert model.learn(codes[:0], y[:0]).shape == (0,)
    assert model.logits(codes[:0]).shape == (0,)


def test_kept_negatives_weighed_by_one_over_their_share_restore_the_rate() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random(40_000) < 0.1).astype(np.float32)
    kept = (y == 1) | (rng.random(len(y)) < 0.2)
    codes = np.zeros((kept.sum(), 1), np.int64)
    model = Ftrl(HashedTerms(("any",), bits=8))
    model.learn(codes, y[kept], weights=np.where(y[kept] == 1, 1.0, 5.0))
    assert 1 / (1 + np.exp(-model.logits(codes[:1])[0])) == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"beta": -1.0}, {"l1": float("nan")}, {"l2": float("inf")}])
def test_settings_out_of_bounds_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        FtrlSettings(**wrong)


def test_columns_that_do_not_fit_are_named() -> None:
    codes, _, y = house(3)
    model = Ftrl(TERMS)
    with pytest.raises(UserError, match="labels"):
        model.learn(codes, y[:2])
    with pytest.raises(UserError, match="labels"):
        model.learn(codes, y + 1)
    with pytest.raises(UserError, match="weights"):
        model.learn(codes, y, weights=np.array([1.0, -1.0, 1.0]))
