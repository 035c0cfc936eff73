import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from ranking_house import N_ARTISTS, N_SONGS, N_STYLES, parts

from etl.errors import UserError
from ranking.auc import gauc, log_loss
from ranking.crossed_columns import ABSENT, FACET_COLUMNS, STEPS, CrossedColumns, crossed_terms
from ranking.examples import examples_at_now
from ranking.features import FeatureSchema
from ranking.ftrl_ranker import FtrlRanker, FtrlRankerSettings
from ranking.key_hashes import key_hashes
from ranking.ranker import Ranker
from recall.snapshot import Snapshot

SMALL = FtrlRankerSettings(bits=16, alpha=(0.1,), l1=(0.1,), max_passes=3)


@pytest.fixture(scope="module")
def fitted(house: Snapshot) -> FtrlRanker:
    ranker = FtrlRanker(SMALL)
    ranker.fit(house, *parts(house))
    return ranker


def test_hashes_of_keys_are_those_of_the_published_function() -> None:
    def plain(text: str) -> int:
        value = 0xCBF29CE484222325
        for letter in text.encode():
            value = (value ^ letter) * 0x100000001B3 % 2**64
        return value >> 1

    keys = ["user:1", "user:2", "", "artist:王菲", "user:1"]
    assert key_hashes(pl.Series(keys)).tolist() == [plain(key) for key in keys]
    assert key_hashes(pl.Series(keys).slice(3)).tolist() == [plain(key) for key in keys[3:]]
    assert key_hashes(pl.Series([], dtype=pl.String)).tolist() == []


def test_columns_are_what_the_terms_say(house: Snapshot) -> None:
    examples, _ = parts(house)
    schema, features = FeatureSchema.fit(house, examples)
    terms = crossed_terms(schema, 16)
    codes, values = CrossedColumns(features, house).of(examples)
    assert codes.shape == values.shape == (len(examples), len(terms.columns))
    of = {name: [i for i, column in enumerate(terms.columns) if column == name] for name in terms.columns}
    assert len(of["style"]) == FACET_COLUMNS["style"]
    with_facts = examples.item < N_SONGS - 1
    artists = key_hashes(pl.Series([f"artist:{item % N_ARTISTS}" for item in examples.item.tolist()]))
    styles = key_hashes(pl.Series([f"style:{item % N_STYLES}" for item in examples.item.tolist()]))
    assert np.array_equal(codes[with_facts, of["artist"][0]], artists[with_facts])
    assert np.array_equal(codes[with_facts, of["style"][0]], styles[with_facts])
    assert (codes[~with_facts][:, of["artist"]] == ABSENT).all()
    assert (codes[:, of["album"]] == ABSENT).all()
    numeric = features.numeric(examples)
    assert np.array_equal(values[:, of["popularity"][0]], numeric[:, schema.numeric_names.index("popularity")])
    steps = codes[:, of["popularity step"][0]]
    assert 0 <= steps.min() < steps.max() < STEPS
    assert ("user", "song") in terms.crosses
    assert ("profile gender", "style") in terms.crosses
    assert crossed_terms(schema, 16, crosses=False).crosses == ()


def test_it_learns_and_crosses_are_worth_something(fitted: FtrlRanker, house: Snapshot) -> None:
    learn, valid = parts(house)
    ranker: Ranker = fitted
    scores = ranker.score_examples(valid)
    share = learn.label.mean()
    assert gauc(valid.user, valid.label, scores) > 0.7
    assert log_loss(valid.label, scores) < log_loss(valid.label, np.full(len(valid), np.log(share / (1 - share))))
    assert 0 < fitted.n_parameters < fitted.model.n_touched
    explained = fitted.explain(valid.user[:5], valid.item[:5], scene=0)
    assert "user × artist" in explained.names
    sums = fitted.calibration.apply(explained.logit.sum(axis=1))
    np.testing.assert_allclose(sums, fitted.score(valid.user[:5], valid.item[:5], scene=0), rtol=1e-4, atol=1e-5)


def test_one_pair_scores_alike_in_training_serving_and_from_its_folder(fitted: FtrlRanker, house: Snapshot, tmp_path: Path) -> None:
    at = len(house.events) // 2
    now = int(house.events.ts[at])
    users, items = np.repeat(np.arange(3, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 3)
    asked = examples_at_now(house, users, items, scene=0)
    then = dataclasses.replace(asked, position=np.full(len(users), at), ts=np.full(len(users), now))
    as_examples = fitted.score_examples(then)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, at)), now=now))
    assert np.array_equal(fitted.score(users, items, scene=0), as_examples)
    one = users == 1
    assert np.array_equal(fitted.score(users[one], items[one], scene=0), as_examples[one])
    fitted.observe(house)
    fitted.save(tmp_path)
    assert np.array_equal(FtrlRanker.load(tmp_path, house).score_examples(then), as_examples)
    assert fitted.score(users[:0], items[:0]).shape == (0,)


def test_it_goes_on_learning(house: Snapshot) -> None:
    learn, valid = parts(house)
    ranker = FtrlRanker(SMALL)
    ranker.fit(house, learn, valid, passes=1)
    before = ranker.score_examples(valid)
    ahead = ranker.learn(valid)
    after = ranker.score_examples(valid)
    assert not np.array_equal(ahead, after)
    assert log_loss(valid.label, after) < log_loss(valid.label, before)


def test_validation_picks_among_rates_and_strengths(house: Snapshot) -> None:
    learn, valid = parts(house)
    ranker = FtrlRanker(dataclasses.replace(SMALL, alpha=(1e-6, 0.1), l1=(1e6, 0.1)))
    ranker.fit(house, learn, valid)
    assert (ranker.model.settings.alpha, ranker.model.settings.l1) == (0.1, 0.1)
    assert 1 <= ranker.passes_found <= SMALL.max_passes


def test_the_same_seed_learns_the_same(house: Snapshot) -> None:
    learn, valid = parts(house)
    one, two, other = (FtrlRanker(SMALL, seed=seed) for seed in (1, 1, 2))
    for ranker in (one, two, other):
        ranker.fit(house, learn, valid, passes=1)
    assert np.array_equal(one.score_examples(valid), two.score_examples(valid))
    assert not np.array_equal(one.score_examples(valid), other.score_examples(valid))  # other places are left out


def test_what_it_cannot_learn_from_is_said_in_one_line(house: Snapshot) -> None:
    learn, valid = parts(house)
    with pytest.raises(UserError, match="both kinds"):
        FtrlRanker(SMALL).fit(house, learn.take(learn.label > 0), valid)
    with pytest.raises(UserError, match="max_passes = 0"):
        FtrlRankerSettings(max_passes=0)
