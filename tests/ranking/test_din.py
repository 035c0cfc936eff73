import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from ranking_house import N_ARTISTS, N_SONGS, parts, service

from embeddings.song_encoder import SongEncoder
from etl.errors import UserError
from ranking.auc import gauc
from ranking.din import Din
from ranking.din_inputs import DinInputs
from ranking.din_network import DinSettings
from ranking.examples import examples_at_now, exposure_examples
from ranking.facets import FacetVocabulary
from ranking.features import FeatureSchema
from recall.snapshot import Snapshot

SMALL = DinSettings(width=8, attention=(16, 8), hidden=(16, 8), history=10, batch_size=128, learning_rate=5e-3, max_epochs=3)


@pytest.fixture(scope="module")
def fitted(house: Snapshot) -> Din:
    ranker = Din(SongEncoder(house.projection, None, dim=6), SMALL, seed=3)
    ranker.fit(house, *parts(house))
    return ranker


def test_it_learns_whose_songs_a_listener_takes_up(fitted: Din, house: Snapshot) -> None:
    _, valid = parts(house)
    assert 1 <= fitted.epochs_found <= 3
    assert gauc(valid.user, valid.label, fitted.score_examples(valid)) > 0.7


def test_serving_scores_are_example_scores_at_now_in_any_grouping(fitted: Din, house: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    users = np.repeat(np.arange(5, dtype=np.int32), N_SONGS)
    items = np.tile(np.arange(N_SONGS, dtype=np.int32), 5)
    at_now = fitted.score_examples(examples_at_now(house, users, items, scene=0))
    assert np.array_equal(fitted.score(users, items, scene=0), at_now)
    monkeypatch.setattr("ranking.deep_ranker.SCORED_AT_ONCE", 7)
    np.testing.assert_allclose(fitted.score(users, items, scene=0), at_now, atol=1e-4)
    one = users == 3
    np.testing.assert_allclose(fitted.score(users[one], items[one], scene=0), at_now[one], atol=1e-4)
    assert fitted.score(users[:0], items[:0]).shape == (0,)


def test_the_same_seed_gives_the_same_scores_and_leaves_the_encoder_alone(fitted: Din, house: Snapshot) -> None:
    encoder = SongEncoder(house.projection, None, dim=6)
    before = encoder.table().clone()
    again, other = Din(encoder, SMALL, seed=3), Din(encoder, SMALL, seed=4)
    for ranker in (again, other):
        ranker.fit(house, *parts(house), epochs=fitted.epochs_found)
    users, items = np.zeros(N_SONGS, np.int32), np.arange(N_SONGS, dtype=np.int32)
    assert np.array_equal(again.score(users, items), fitted.score(users, items))
    assert not np.array_equal(other.score(users, items), again.score(users, items))
    assert torch.equal(encoder.table(), before)


def test_later_events_change_no_earlier_example(fitted: Din, house: Snapshot) -> None:
    cut = len(house.events) // 2
    examples = exposure_examples(house, 0, cut)
    scores = fitted.score_examples(examples)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, cut)), now=int(house.events.ts[cut])))
    np.testing.assert_array_equal(fitted.score_examples(examples), scores)
    fitted.observe(house)


def test_listeners_without_history_or_profile_and_songs_without_facts(fitted: Din, house: Snapshot) -> None:
    nobody = dataclasses.replace(house, events=house.events.take(slice(0, 0)))
    fitted.observe(nobody)
    scores = fitted.score(np.zeros(N_SONGS, np.int32), np.arange(N_SONGS, dtype=np.int32))  # user 0 has neither gender nor year
    one_song = dataclasses.replace(house, events=house.events.take(house.events.source == house.positives.source[0]))
    fitted.observe(one_song)
    after_one = fitted.score(np.full(N_SONGS, house.positives.user[0]), np.arange(N_SONGS, dtype=np.int32))
    fitted.observe(house)
    assert np.isfinite(scores).all()
    assert np.isfinite(after_one).all()


def test_it_comes_back_from_its_folder(fitted: Din, house: Snapshot, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    again = Din.load(tmp_path, house, fitted.encoder)
    users, items = np.repeat(np.arange(4, dtype=np.int32), 10), np.tile(np.arange(10, dtype=np.int32), 4)
    assert np.array_equal(again.score(users, items), fitted.score(users, items))
    assert (again.epochs_found, again.settings) == (fitted.epochs_found, fitted.settings)
    with pytest.raises(ValueError, match="width 6, the encoder given has 0"):
        Din.load(tmp_path, house)


def test_without_an_encoder_a_song_is_its_id_and_facets(house: Snapshot) -> None:
    ranker = Din(None, dataclasses.replace(SMALL, softmax=True, stop_on="gauc"), seed=0)
    ranker.fit(house, *parts(house))
    _, valid = parts(house)
    assert gauc(valid.user, valid.label, ranker.score_examples(valid)) > 0.7


def test_it_can_learn_a_small_set_by_heart() -> None:
    house = service(n_users=10, n_exposures=200, seed=2)
    examples = exposure_examples(house, 0, len(house.events))
    examples = dataclasses.replace(examples, label=(np.arange(len(examples)) * 7 % 3 == 0).astype(np.float32))
    settings = dataclasses.replace(SMALL, id_l2=0.0, dropout=0.0, width=16, hidden=(64, 32), learning_rate=1e-2)
    ranker = Din(None, settings)
    ranker.fit(house, examples, examples, epochs=80)
    scores = ranker.score_examples(examples)
    assert np.mean((scores > 0) == (examples.label > 0)) > 0.97


def test_a_history_of_the_targets_artist_lifts_it(fitted: Din, house: Snapshot) -> None:
    songs = np.arange(N_SONGS - 1, dtype=np.int32)
    users = np.arange(20, dtype=np.int32)
    pairs = np.repeat(users, len(songs)), np.tile(songs, len(users))
    scores = fitted.score(*pairs)
    liked = pairs[1] % N_ARTISTS == pairs[0] % N_ARTISTS
    assert scores[liked].mean() > scores[~liked].mean() + 1.0


def test_occurrences_count_targets_and_histories(house: Snapshot) -> None:
    examples, _ = parts(house)
    vocabulary = FacetVocabulary.of(house.projection, np.arange(N_SONGS))
    _, features = FeatureSchema.fit(house, examples)
    inputs = DinInputs.of(features, vocabulary, house, np.zeros((N_SONGS, 0), np.float32), length=5)
    columns = inputs.columns(examples)
    songs, mask = inputs.histories.last(examples.user, 5, before=examples.position)
    of_song = np.bincount(songs[mask], minlength=N_SONGS) + np.bincount(examples.item, minlength=N_SONGS)
    expected = np.maximum((inputs.facets.toarray() > 0).T @ of_song, 1)
    np.testing.assert_array_equal(inputs.occurrences(columns).numpy(), expected)


def test_histories_are_the_last_positive_songs_before_the_example(house: Snapshot) -> None:
    examples, _ = parts(house)
    vocabulary = FacetVocabulary.of(house.projection, np.arange(N_SONGS))
    _, features = FeatureSchema.fit(house, examples)
    inputs = DinInputs.of(features, vocabulary, house, np.zeros((N_SONGS, 0), np.float32), length=5)
    batch, distinct = inputs.batch(inputs.columns(examples))
    events = house.events
    positive = np.isin(events.behaviour, np.unique(house.positives.behaviour))
    for row in range(0, len(examples), 97):
        past = np.flatnonzero(positive[: examples.position[row]] & (events.user[: examples.position[row]] == examples.user[row]))[-5:]
        mine = (batch.owner == row).numpy()
        hours = (examples.ts[row] - events.ts[past]) / 3_600
        wanted = Counter(zip(events.item[past].tolist(), np.clip(np.log2(1 + hours), 0, 15).astype(int).tolist(), strict=True))
        songs, ages = distinct[batch.history.numpy()[mine]].tolist(), batch.age.numpy()[mine].tolist()
        assert dict(zip(zip(songs, ages, strict=True), batch.times.numpy()[mine].tolist(), strict=True)) == wanted
        assert distinct[batch.target[row]] == examples.item[row]


def test_what_it_cannot_learn_from_is_said_in_one_line(house: Snapshot) -> None:
    learn, valid = parts(house)
    with pytest.raises(UserError, match=r"0 positives.*both kinds"):
        Din(None, SMALL).fit(house, learn.take(learn.label == 0), valid)
    with pytest.raises(UserError, match="no validation examples"):
        Din(None, SMALL).fit(house, learn, valid.take(slice(0, 0)))


def test_an_encoder_of_another_catalogue_is_refused(house: Snapshot) -> None:
    encoder = SongEncoder(dataclasses.replace(house.projection, n_songs=N_SONGS - 1), None, dim=6)
    with pytest.raises(ValueError, match="39 songs, the snapshot has 40"):
        Din(encoder, SMALL).fit(house, *parts(house))
