import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from etl.errors import UserError
from ranking.utility import DIRECTION, TASKS, UTILITIES, Utility, scene_weights, utility, utility_logit

LOGITS = arrays(np.float64, (7, 4), elements=st.floats(-9, 9))


def probabilities(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logits))


def test_utility_is_the_weighed_sum() -> None:
    worth = utility(np.array([[0.5, 0.2, 0.1, 0.4], [0, 0, 0, 1]]), Utility(0.1, 1, 2, -0.5).weights)
    np.testing.assert_allclose(worth, [0.05 + 0.2 + 0.2 - 0.2, -0.5])


@given(LOGITS, st.sampled_from(sorted(UTILITIES)))
def test_its_logit_is_that_of_its_place_between_worst_and_best(logits: np.ndarray, scene: str) -> None:
    weights = UTILITIES[scene].weights
    worst, best = weights[weights < 0].sum(), weights[weights > 0].sum()
    place = (utility(probabilities(logits), weights) - worst) / (best - worst)
    np.testing.assert_allclose(utility_logit(logits, weights), np.log(place / (1 - place)), rtol=1e-4, atol=1e-5)


@given(LOGITS, st.integers(0, 3), st.floats(0.01, 3))
def test_more_of_what_is_good_is_worth_more(logits: np.ndarray, task: int, step: float) -> None:
    more = logits.copy()
    more[:, task] += step * DIRECTION[task]
    for each in UTILITIES.values():
        before, after = utility_logit(logits, each.weights), utility_logit(more, each.weights)
        assert (after > before).all() if each.weights[task] else (after == before).all()


@pytest.mark.parametrize("task", range(4))
def test_one_weight_gives_that_tasks_logit(task: int) -> None:
    logits = np.random.default_rng(0).normal(size=(5, 4)) * 4
    only = Utility(**{name: DIRECTION[task] * 3.0 if name == TASKS[task] else 0.0 for name in TASKS})
    np.testing.assert_allclose(utility_logit(logits, only.weights), DIRECTION[task] * logits[:, task], rtol=1e-6)


def test_far_from_both_ends_nothing_is_rounded_away() -> None:
    logits = np.full((2, 4), -30.0)
    logits[1, 1] -= 0.5
    for sign in (1, -1):
        first, second = sign * utility_logit(sign * logits, Utility(0, 1, 0, 0).weights)
        assert first > second


def test_each_scene_has_its_own_and_the_unknown_that_of_daily() -> None:
    weights = scene_weights(UTILITIES, ("fm", "search"), np.array([0, 1, -1, 7]))
    assert weights.tolist() == [UTILITIES[name].weights.tolist() for name in ("fm", "daily", "daily", "daily")]
    only_fm = {"fm": Utility(skip=-9)}
    assert scene_weights(only_fm, ("fm",), np.array([0, -1])).tolist() == [only_fm["fm"].weights.tolist(), Utility().weights.tolist()]


def test_a_skip_costs_more_on_the_radio() -> None:
    assert UTILITIES["fm"].skip < UTILITIES["daily"].skip < 0


@pytest.mark.parametrize(("name", "value"), [("skip", 1.0), ("heart", -1.0), ("click", float("nan"))])
def test_weights_of_the_wrong_sign_are_refused(name: str, value: float) -> None:
    with pytest.raises(UserError, match=name):
        dataclasses.replace(Utility(), **{name: value})


def test_a_utility_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="all weights are 0"):
        Utility(0, 0, 0, 0)
