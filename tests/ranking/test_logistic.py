from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ranking_house import N_SONGS, parts, service
from scipy.optimize import approx_fprime
from scipy.special import expit

from etl.errors import UserError
from ranking.auc import gauc, log_loss
from ranking.examples import examples_at_now
from ranking.facets import song_facets
from ranking.logistic import Logistic, LogisticSettings
from ranking.places import with_places
from ranking.ranker import Examples, Ranker
from recall.snapshot import Snapshot


@pytest.fixture(scope="module")
def house() -> Snapshot:
    return service(n_users=20, n_exposures=600)


@pytest.fixture(scope="module")
def fitted(house: Snapshot) -> Logistic:
    ranker = Logistic(LogisticSettings(l2=(5.0,), max_iterations=2_000))
    ranker.fit(house, *parts(house))
    return ranker


def dense(ranker: Logistic, house: Snapshot, examples: Examples) -> np.ndarray:
    """The design matrix written out: 1, numbers, one-hot codes, the song's facets."""
    numeric, codes = ranker._features.numeric(examples), ranker._features.codes(examples)
    hot = [np.eye(size)[codes[:, place]] for place, size in enumerate(ranker._schema.code_sizes)]
    facets = song_facets(house.projection, ranker._vocabulary).toarray()[examples.item]
    return np.concatenate([np.ones((len(examples), 1)), numeric, *hot, facets], axis=1)


def test_scores_are_the_matrix_product(fitted: Logistic, house: Snapshot) -> None:
    _, valid = parts(house)
    np.testing.assert_allclose(fitted.score_examples(valid), dense(fitted, house, valid) @ fitted._weights, rtol=1e-4, atol=1e-5)


def test_the_fit_is_the_optimum_of_the_penalised_likelihood(fitted: Logistic, house: Snapshot) -> None:
    learn = with_places(house, parts(house)[0])  # as it is learned from
    matrix, label = dense(fitted, house, learn), learn.label.astype(np.float64)
    penalised = np.ones(matrix.shape[1])
    penalised[0] = 0
    weights = np.zeros(matrix.shape[1])
    for _ in range(30):  # Newton's method
        probability = expit(matrix @ weights)
        gradient = matrix.T @ (probability - label) + 5.0 * penalised * weights
        hessian = (matrix.T * (probability * (1 - probability))) @ matrix + np.diag(5.0 * penalised)
        weights -= np.linalg.solve(hessian, gradient)
    np.testing.assert_allclose(fitted.score_examples(learn), matrix @ weights, atol=0.02)


def test_its_gradient_is_that_of_its_logits(fitted: Logistic, house: Snapshot) -> None:
    learn, _ = parts(house)
    design = fitted._design(learn)
    residual = np.random.default_rng(0).normal(size=len(learn))
    point = np.random.default_rng(1).normal(size=design.width)
    numeric = approx_fprime(point, lambda weights: residual @ design.logits(weights), 1e-6)
    np.testing.assert_allclose(design.gradient(residual), numeric, rtol=1e-3, atol=1e-3)


def test_it_beats_chance_and_validation_picks_the_penalty(house: Snapshot) -> None:
    learn, valid = parts(house)
    ranker = Logistic(LogisticSettings(l2=(1e6, 10.0)))
    ranker.fit(house, learn, valid)
    assert ranker.l2_found == 10.0
    scores = ranker.score_examples(valid)
    assert gauc(valid.user, valid.label, scores) > 0.6
    share = learn.label.mean()
    assert log_loss(valid.label, scores) < log_loss(valid.label, np.full(len(valid), np.log(share / (1 - share))))


def test_serving_saving_and_protocol(fitted: Logistic, house: Snapshot, tmp_path: Path) -> None:
    ranker: Ranker = fitted
    users, items = np.repeat(np.arange(3, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 3)
    scores = ranker.score(users, items, scene=0)
    assert np.array_equal(scores, ranker.score_examples(examples_at_now(house, users, items, scene=0)))
    assert np.isfinite(scores).all()
    fitted.save(tmp_path)
    assert np.array_equal(Logistic.load(tmp_path, house).score(users, items, scene=0), scores)


def test_one_kind_of_label_is_a_mistake_of_the_source(house: Snapshot) -> None:
    learn, valid = parts(house)
    with pytest.raises(UserError, match="both kinds"):
        Logistic().fit(house, learn.take(learn.label > 0), valid)


def test_a_pair_scores_the_same_in_training_and_in_serving_to_the_bit(fitted: Logistic, house: Snapshot) -> None:
    at = len(house.events) // 2
    now = int(house.events.ts[at])
    users, items = np.repeat(np.arange(3, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 3)
    asked = examples_at_now(house, users, items, scene=0)
    then = replace(asked, position=np.full(len(users), at), ts=np.full(len(users), now))
    as_examples = fitted.score_examples(then)
    fitted.observe(replace(house, events=house.events.take(slice(0, at)), now=now))
    served = fitted.score(users, items, scene=0)
    fitted.observe(house)
    assert np.array_equal(served, as_examples)
