"""Metrics against their definitions written out, and the bootstrap against theory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg_recall.evaluation.bootstrap import interval, paired_difference
from kg_recall.evaluation.metrics import (
    Judged,
    auc,
    auc_per_user,
    calibration_error,
    coverage,
    gauc,
    log_loss,
    log_loss_per_user,
)


def judged(lists: dict[int, list[int]], relevant: dict[int, list[int]]) -> Judged:
    rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1)]
    pairs = [(user, item) for user, items in relevant.items() for item in items]
    columns = np.array(rows, dtype=np.int32).reshape(-1, 3).T
    wanted = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    return Judged.of(*columns, *wanted)


def test_ndcg_divides_by_the_ideal_of_all_that_is_relevant() -> None:
    one_hit = judged({0: [7, 100, 101, 102, 103]}, {0: [7, 8, 9, 10, 11]})
    assert one_hit.ndcg(5).value == pytest.approx([0.339], abs=5e-4)


def test_recall_is_hits_over_the_smaller_of_k_and_relevant() -> None:
    lists = judged({0: [1, 2, 3, 4], 1: [9, 8]}, {0: [1, 4, 5], 1: [3], 2: [1]})
    assert lists.user.tolist() == [0, 1, 2]
    assert lists.recall(2).value == pytest.approx([0.5, 0, 0])
    assert lists.recall(4).value == pytest.approx([2 / 3, 0, 0])
    assert lists.recall(4).mean == pytest.approx(2 / 9)
    assert lists.reciprocal_rank(4).value == pytest.approx([1, 0, 0])


def test_pairs_given_twice_count_once() -> None:
    lists = judged({0: [1, 1, 2]}, {0: [1, 1]})
    assert lists.n_relevant.tolist() == [1]
    assert lists.recall(3).value.tolist() == [1.0]
    assert lists.ndcg(3).value.tolist() == [1.0]


def test_without_lists_or_relevant_items_nothing_breaks() -> None:
    assert judged({}, {3: [1]}).recall(10).value.tolist() == [0.0]
    assert np.isnan(judged({0: [1]}, {}).recall(10).mean)


@settings(max_examples=60, deadline=None)
@given(
    lists=st.dictionaries(st.integers(0, 4), st.lists(st.integers(0, 12), unique=True, max_size=8), max_size=5),
    relevant=st.dictionaries(st.integers(0, 4), st.lists(st.integers(0, 12), unique=True, min_size=1, max_size=6), min_size=1, max_size=5),
    k=st.integers(1, 10),
)
def test_list_metrics_against_their_definitions(lists: dict[int, list[int]], relevant: dict[int, list[int]], k: int) -> None:
    found = judged(lists, relevant)
    recall, ndcg = [], []
    for user in sorted(relevant):
        wanted, top = set(relevant[user]), lists.get(user, [])[:k]
        ideal = sum(1 / np.log2(place + 2) for place in range(min(k, len(wanted))))
        recall.append(len(wanted & set(top)) / min(k, len(wanted)))
        ndcg.append(sum(1 / np.log2(place + 2) for place, item in enumerate(top) if item in wanted) / ideal)
    assert found.recall(k).value == pytest.approx(recall)
    assert found.ndcg(k).value == pytest.approx(ndcg)


def test_coverage_counts_distinct_items_of_the_top() -> None:
    assert coverage(np.array([1, 2, 1, 3]), np.array([1, 2, 1, 3]), k=2, n_items=8) == 0.25


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(-3, 3)), min_size=1, max_size=40))
def test_auc_counts_pairs_and_half_of_ties(rows: list[tuple[int, bool, int]]) -> None:
    users, labels, scores = (np.array(column) for column in zip(*rows, strict=True))
    labels, scores = labels.astype(np.float32), scores.astype(np.float32)

    def direct(mask: np.ndarray) -> float:
        pairs = scores[mask & (labels > 0)][:, None] - scores[mask & (labels == 0)][None, :]
        return float(np.mean((pairs > 0) + 0.5 * (pairs == 0))) if pairs.size else np.nan

    assert auc(labels, scores) == pytest.approx(direct(np.ones(len(users), bool)), nan_ok=True)
    per_user = {user: direct(users == user) for user in np.unique(users)}
    known = {user: value for user, value in per_user.items() if not np.isnan(value)}
    found = auc_per_user(users, labels, scores)
    assert found.user.tolist() == list(known)
    assert found.value == pytest.approx(list(known.values()))
    expected = np.average(list(known.values()), weights=[np.sum(users == user) for user in known]) if known else np.nan
    assert gauc(users, labels, scores) == pytest.approx(expected, nan_ok=True)
    assert found.mean == pytest.approx(expected, nan_ok=True)


def test_log_loss_of_users_averages_to_the_log_loss() -> None:
    rng = np.random.default_rng(0)
    user, label, logit = rng.integers(0, 5, 100), rng.integers(0, 2, 100).astype(np.float32), rng.normal(size=100).astype(np.float32)
    probability = 1 / (1 + np.exp(-logit.astype(np.float64)))
    direct = -np.mean(label * np.log(probability) + (1 - label) * np.log(1 - probability))
    assert log_loss(label, logit) == pytest.approx(direct)
    assert log_loss_per_user(user, label, logit).mean == pytest.approx(direct)
    assert log_loss(np.array([1.0, 0.0]), np.array([1000.0, -1000.0])) == 0.0


def test_calibration_error_by_hand() -> None:
    logit = np.log(np.array([0.25, 0.25, 0.75, 0.75]) / np.array([0.75, 0.75, 0.25, 0.25]))
    assert calibration_error(np.array([0.0, 1.0, 1.0, 1.0]), logit) == pytest.approx(0.25)
    assert calibration_error(np.array([1.0, 1.0]), np.array([50.0, 50.0])) == pytest.approx(0.0)
    assert np.isnan(calibration_error(np.array([]), np.array([])))


def test_interval_has_the_width_of_the_standard_error() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=2_000)
    found = interval(values, seed=0, n_resamples=2_000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.value == pytest.approx(values.mean())
    assert (found.value - found.low, found.high - found.value) == pytest.approx((half, half), rel=0.1)
    assert found == interval(values, seed=0, n_resamples=2_000)
    assert found != interval(values, seed=1, n_resamples=2_000)


def test_interval_of_weighted_users() -> None:
    values, weight = np.array([0.0, 1.0] * 200), np.array([3.0, 1.0] * 200)
    found = interval(values, seed=0, weight=weight)
    assert found.value == pytest.approx(0.25)
    assert found.low < 0.25 < found.high


def test_draws_in_pieces_stay_within_the_same_law(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(50.0)
    whole = interval(values, seed=0)
    monkeypatch.setattr("kg_recall.evaluation.bootstrap.DRAWS_AT_ONCE", 120)
    pieces = interval(values, seed=0)
    assert pieces == pytest.approx(whole)


def test_a_paired_difference_is_narrower_than_the_two_apart() -> None:
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=400)
    one, other = hardness + 0.1 + 0.05 * rng.normal(size=400), hardness
    difference = paired_difference(one, other, seed=0)
    assert difference.low > 0
    apart = interval(one, seed=0)
    assert difference.high - difference.low < 0.2 * (apart.high - apart.low)
    with pytest.raises(ValueError, match="same users"):
        paired_difference(one, other[:-1], seed=0)


def test_undefined_values_are_refused_and_no_users_give_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        interval(np.array([1.0, np.nan]), seed=0)
    assert all(np.isnan(bound) for bound in interval(np.array([]), seed=0))
