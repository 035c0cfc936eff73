import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ranking_house import N_ARTISTS, N_SONGS, events_of, parts, service

from embeddings.song_encoder import SongEncoder
from etl.behaviours import Behaviour
from etl.errors import UserError
from ranking.auc import gauc
from ranking.dsin import Dsin
from ranking.dsin_network import DsinSettings
from ranking.examples import examples_at_now, exposure_examples
from recall.snapshot import Snapshot

SMALL = DsinSettings(width=8, hidden=(16, 8), sessions=3, acts=4, heads=2, batch_size=128, learning_rate=5e-3, max_epochs=3)
SONGS = np.arange(N_SONGS, dtype=np.int32)


@pytest.fixture(scope="module")
def fitted(house: Snapshot) -> Dsin:
    ranker = Dsin(SongEncoder(house.projection, None, dim=6), SMALL, seed=3)
    ranker.fit(house, *parts(house))
    return ranker


def with_events(house: Snapshot, *acts: tuple[int, int, int]) -> Snapshot:
    """The house after full plays of nobody but these: (user, song, second)."""
    user, item, ts = (np.array(column) for column in zip(*acts, strict=True)) if acts else (np.zeros(0),) * 3
    return dataclasses.replace(house, events=events_of(user, item, np.full(len(user), Behaviour.FULL_PLAY), 1_000_000_000 + ts))


def test_dsin_learns_whose_songs_a_listener_takes_up(fitted: Dsin, house: Snapshot) -> None:
    _, valid = parts(house)
    assert 1 <= fitted.epochs_found <= 3
    assert gauc(valid.user, valid.label, fitted.score_examples(valid)) > 0.7


def test_dsin_scores_at_now_alike_in_any_grouping_and_order(fitted: Dsin, house: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    users = np.repeat(np.arange(5, dtype=np.int32), N_SONGS)
    items = np.tile(SONGS, 5)
    fitted.observe(house)
    at_now = fitted.score_examples(examples_at_now(house, users, items, scene=0))
    shuffled = np.random.default_rng(0).permutation(len(users))
    np.testing.assert_allclose(fitted.score(users[shuffled], items[shuffled], scene=0), at_now[shuffled], atol=1e-5)
    monkeypatch.setattr("ranking.deep_ranker.SCORED_AT_ONCE", 7)
    fitted.observe(house)
    np.testing.assert_allclose(fitted.score(users, items, scene=0), at_now, atol=1e-5)
    one = users == 3
    fitted.observe(house)
    np.testing.assert_allclose(fitted.score(users[one], items[one], scene=0), at_now[one], atol=1e-5)
    assert fitted.score(users[:0], items[:0]).shape == (0,)


def test_a_session_is_encoded_once_and_its_vector_never_changes(fitted: Dsin, house: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    _, valid = parts(house)
    fitted.observe(house)
    first = fitted.score_examples(valid)
    n_kept = len(fitted._cache)
    encoded: list[int] = []
    encode = fitted._network.encoded
    monkeypatch.setattr(fitted._network, "encoded", lambda song, batch: (encoded.append(len(batch.sessions.place)), encode(song, batch))[1])
    np.testing.assert_allclose(fitted.score_examples(valid), first, atol=1e-5)
    assert sum(encoded) == 0
    assert n_kept == len(fitted._cache) > 0
    without_cache = fitted._logits(fitted._inputs, fitted._songs, fitted._inputs.columns(valid))
    np.testing.assert_allclose(without_cache, first, atol=1e-5)


def test_one_listeners_candidates_share_one_history(fitted: Dsin, house: Snapshot) -> None:
    columns = fitted._inputs.columns(examples_at_now(house, np.zeros(N_SONGS, np.int32), SONGS))
    batch, _ = fitted._inputs.batch(columns)
    assert batch.sessions.slots.shape == (2, SMALL.sessions)
    assert len(batch.sessions.place) <= SMALL.sessions
    assert len(batch.sessions.act) <= SMALL.sessions * SMALL.acts


def test_the_same_seed_gives_the_same_dsin(fitted: Dsin, house: Snapshot) -> None:
    again = Dsin(SongEncoder(house.projection, None, dim=6), SMALL, seed=3)
    again.fit(house, *parts(house), epochs=fitted.epochs_found)
    fitted.observe(house)
    assert np.array_equal(again.score(np.zeros(N_SONGS, np.int32), SONGS), fitted.score(np.zeros(N_SONGS, np.int32), SONGS))


def test_later_events_change_no_earlier_example_of_dsin(fitted: Dsin, house: Snapshot) -> None:
    cut = len(house.events) // 2
    examples = exposure_examples(house, 0, cut)
    fitted.observe(house)
    scores = fitted.score_examples(examples)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, cut)), now=int(house.events.ts[cut])))
    np.testing.assert_array_equal(fitted.score_examples(examples), scores)
    fitted.observe(house)


def test_no_session_one_session_of_one_song_and_more_than_it_looks_back_on(fitted: Dsin, house: Snapshot) -> None:
    users = np.zeros(N_SONGS, np.int32)
    long = tuple((0, i % 5, i * 60) for i in range(30)) + tuple((0, i % 7, 100_000 + i * 5_000) for i in range(9))
    scores = []
    for acts in ((), ((0, 3, 0),), long):
        fitted.observe(with_events(house, *acts))
        scores.append(fitted.score(users, SONGS))
    fitted.observe(house)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores[0], scores[1])


def test_what_is_older_than_the_last_sessions_has_no_part_in_them(fitted: Dsin, house: Snapshot) -> None:
    recent = [(0, song, 1_000_000 + session * 10_000 + song * 60) for session in range(3) for song in range(4)]
    inputs = []
    for old in ((), ((0, 9, 0), (0, 8, 60))):
        fitted.observe(with_events(house, *old, *recent))
        batch, songs = fitted._inputs.batch(fitted._inputs.columns(examples_at_now(house, np.zeros(1, np.int32), SONGS[:1])))
        acts = songs[batch.sessions.act.numpy()]
        inputs.append((acts.tolist(), batch.sessions.unit.tolist(), batch.sessions.place.tolist(), batch.sessions.slots.tolist()))
    fitted.observe(house)
    assert inputs[0] == inputs[1]
    assert inputs[0][0] == [0, 1, 2, 3] * 3


def test_training_meets_no_nan_where_most_have_no_history() -> None:
    house = service(n_users=200, n_exposures=300, seed=5)
    ranker = Dsin(None, dataclasses.replace(SMALL, max_epochs=2, id_l2=0.0), seed=0)
    examples = exposure_examples(house, 0, len(house.events))
    ranker.fit(house, examples, examples, epochs=2)
    assert (ranker._inputs.columns(examples).end < 0).mean() > 0.3
    assert all(torch.isfinite(parameter).all() for parameter in ranker._network.parameters())
    assert np.isfinite(ranker.score_examples(examples)).all()


def test_dsin_comes_back_from_its_folder(fitted: Dsin, house: Snapshot, tmp_path: Path) -> None:
    fitted.observe(house)
    fitted.save(tmp_path)
    again = Dsin.load(tmp_path, house, fitted.encoder)
    users, items = np.repeat(np.arange(4, dtype=np.int32), 10), np.tile(np.arange(10, dtype=np.int32), 4)
    assert np.array_equal(again.score(users, items), fitted.score(users, items))
    assert (again.epochs_found, again.settings) == (fitted.epochs_found, fitted.settings)


def test_recent_sessions_of_an_artist_lift_her_songs(fitted: Dsin, house: Snapshot) -> None:
    fitted.observe(house)
    users = np.arange(20, dtype=np.int32)
    pairs = np.repeat(users, N_SONGS - 1), np.tile(SONGS[:-1], len(users))
    scores = fitted.score(*pairs)
    liked = pairs[1] % N_ARTISTS == pairs[0] % N_ARTISTS
    assert scores[liked].mean() > scores[~liked].mean() + 1.0


def test_rules_are_chosen_by_name() -> None:
    with pytest.raises(UserError, match="session_rules = 'weather'"):
        DsinSettings(session_rules="weather")
    with pytest.raises(UserError, match="heads = 5 divides"):
        DsinSettings(heads=5)
    with pytest.raises(UserError, match="sessions = 0"):
        DsinSettings(sessions=0)
