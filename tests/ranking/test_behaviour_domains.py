import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from domain_house import replayed, rich_service
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ranking_house import N_ARTISTS, N_SONGS, parts, service

from embeddings.song_encoder import SongEncoder
from etl.behaviours import Behaviour
from etl.errors import UserError
from ranking.auc import gauc
from ranking.domain_events import SIGN
from ranking.domain_settings import DomainSettings
from ranking.domains import Domains
from ranking.examples import candidate_examples, examples_at_now, exposure_examples
from ranking.outcomes import outcomes
from ranking.utility import TASKS, Utility
from recall.snapshot import Snapshot

SMALL = DomainSettings(width=8, hidden=(16, 8), sessions=3, acts=4, heads=2, batch_size=128, learning_rate=5e-3, max_epochs=3)
SONGS = np.arange(N_SONGS, dtype=np.int32)


def scores(ranker: Domains, house: Snapshot, user: int, songs: np.ndarray) -> np.ndarray:
    ranker.observe(house)
    return ranker.score(np.full(len(songs), user, np.int32), songs.astype(np.int32), scene=0)


def logits(ranker: Domains, house: Snapshot, user: int, songs: np.ndarray) -> np.ndarray:
    ranker.observe(house)
    examples = examples_at_now(house, np.full(len(songs), user, np.int32), songs.astype(np.int32), scene=0)
    return ranker._task_logits(ranker._inputs, ranker._songs, ranker._inputs.columns(examples))


def songs_of(artist: int) -> np.ndarray:
    return SONGS[:-1][SONGS[:-1] % N_ARTISTS == artist]


@pytest.fixture(scope="module")
def house() -> Snapshot:
    return rich_service(n_users=40, n_exposures=2_500)


@pytest.fixture(scope="module", params=["sessions", "attention"])
def fitted(request: pytest.FixtureRequest, house: Snapshot) -> Domains:
    ranker = Domains(SongEncoder(house.projection, None, dim=6), dataclasses.replace(SMALL, encoder=request.param), seed=3)
    ranker.fit(house, *parts(house))
    return ranker


def test_domains_learn_every_task(fitted: Domains, house: Snapshot) -> None:
    fitted.observe(house)
    _, valid = parts(house)
    foreseen, happened = fitted.score_tasks_of(valid), outcomes(house, valid)
    assert gauc(valid.user, valid.label, fitted.score_examples(valid)) > 0.65
    for task, name in enumerate(TASKS):
        known = ~np.isnan(happened[:, task])
        assert foreseen[known, task].mean() == pytest.approx(happened[known, task].mean(), abs=0.1), name
        if name != "skip":  # which of the songs that are not liked is skipped, this house draws
            assert gauc(valid.user[known], happened[known, task], foreseen[known, task]) > 0.6, name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    user=st.integers(0, 39),
    artist=st.integers(0, N_ARTISTS - 1),
    n=st.integers(1, 4),
    ago=st.integers(1, 20 * 86_400),
    act=st.sampled_from(["skip", "play, skip", "dislike", "block_song"]),
)
def test_a_refusal_of_an_artist_lowers_all_her_songs(
    fitted: Domains, house: Snapshot, user: int, artist: int, n: int, ago: int, act: str
) -> None:
    songs = songs_of(artist)
    acts = {"play, skip": (Behaviour.PLAY, Behaviour.SKIP)}.get(act) or (Behaviour[act.upper()],)
    before = scores(fitted, house, user, songs)
    after = scores(fitted, replayed(house, user, songs[:n], *acts, ago=ago), user, songs)
    assert (after < before).all()


def test_blocking_an_artist_lowers_all_her_songs(fitted: Domains, house: Snapshot) -> None:
    for artist in range(N_ARTISTS):
        songs = songs_of(artist)
        blocked = replayed(house, artist, np.array([N_SONGS + artist]), Behaviour.BLOCK_ARTIST)
        assert (scores(fitted, blocked, artist, songs) < scores(fitted, house, artist, songs)).all()


def test_what_no_network_has_learned_changes_no_sign(house: Snapshot) -> None:
    ranker = Domains(None, SMALL, seed=0)
    ranker.fit(house, *parts(house), epochs=1)
    songs = songs_of(3)
    refused = replayed(house, 5, songs[:2], Behaviour.SKIP)
    for seed in range(10):
        torch.manual_seed(seed)
        for parameter in ranker._network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        better, worse = (logits(ranker, one, 5, songs) for one in (house, refused))
        assert (worse[:, :3] < better[:, :3]).all()
        assert (worse[:, 3] > better[:, 3]).all()


def test_a_heart_for_an_artist_lifts_her_songs(fitted: Domains, house: Snapshot) -> None:
    lifted = []
    for user in range(4):
        for artist in range(N_ARTISTS):
            songs = songs_of(artist)
            after = scores(fitted, replayed(house, user, songs[:2], Behaviour.COLLECT), user, songs)
            lifted += (after > scores(fitted, house, user, songs)).tolist()
    assert np.mean(lifted) >= 0.95


def test_a_refusal_raises_the_chance_of_a_skip_and_lowers_that_of_the_others(fitted: Domains, house: Snapshot) -> None:
    songs = songs_of(2)
    fitted.observe(house)
    before = fitted.score_tasks(np.full(len(songs), 7, np.int32), songs)
    fitted.observe(replayed(house, 7, songs, Behaviour.SKIP))
    after = fitted.score_tasks(np.full(len(songs), 7, np.int32), songs)
    assert (after[:, :3] < before[:, :3]).all()
    assert (after[:, 3] > before[:, 3]).all()


def test_refusals_move_no_other_listener(fitted: Domains, house: Snapshot) -> None:
    before = scores(fitted, house, 8, SONGS)
    np.testing.assert_allclose(scores(fitted, replayed(house, 7, SONGS[:9], Behaviour.SKIP), 8, SONGS), before, atol=1e-6)


def test_domains_score_alike_in_any_grouping_and_order(fitted: Domains, house: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = np.repeat(np.arange(5, dtype=np.int32), N_SONGS), np.tile(SONGS, 5)
    fitted.observe(house)
    at_now = fitted.score_examples(examples_at_now(house, users, items, scene=0))
    assert np.array_equal(fitted.score(users, items, scene=0), at_now)
    shuffled = np.random.default_rng(0).permutation(len(users))
    np.testing.assert_allclose(fitted.score(users[shuffled], items[shuffled], scene=0), at_now[shuffled], atol=1e-5)
    monkeypatch.setattr("ranking.deep_ranker.SCORED_AT_ONCE", 1)
    np.testing.assert_allclose(fitted.score(users, items, scene=0), at_now, atol=1e-5)
    assert fitted.score(users[:0], items[:0]).shape == (0,)


def test_later_events_change_no_earlier_example_of_domains(fitted: Domains, house: Snapshot) -> None:
    cut = len(house.events) // 2
    examples = exposure_examples(house, 0, cut)
    fitted.observe(house)
    before = fitted.score_examples(examples)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, cut)), now=int(house.events.ts[cut])))
    np.testing.assert_allclose(fitted.score_examples(examples), before, atol=1e-6)


def test_listeners_without_any_history(fitted: Domains, house: Snapshot) -> None:
    nobody = dataclasses.replace(house, events=house.events.take(slice(0, 0)))
    assert np.isfinite(scores(fitted, nobody, 0, SONGS)).all()
    one_skip = replayed(nobody, 0, SONGS[:1], Behaviour.SKIP)
    assert np.isfinite(scores(fitted, one_skip, 0, SONGS)).all()


def test_domains_come_back_from_their_folder(fitted: Domains, house: Snapshot, tmp_path: Path) -> None:
    fitted.observe(house)
    fitted.save(tmp_path)
    again = Domains.load(tmp_path, house, fitted.encoder)
    users, items = np.repeat(np.arange(4, dtype=np.int32), 10), np.tile(np.arange(10, dtype=np.int32), 4)
    assert np.array_equal(again.score(users, items), fitted.score(users, items))
    assert again.settings == fitted.settings


def test_the_scene_at_hand_decides_what_is_worth_most(fitted: Domains, house: Snapshot) -> None:
    fitted.observe(house)
    users, items = np.zeros(N_SONGS, np.int32), SONGS
    fitted.utilities = {"daily": Utility(click=1, full_play=0, heart=0, skip=0)}
    by_clicks, tasks = fitted.score(users, items, scene=0), fitted.score_tasks(users, items, scene=0)
    fitted.utilities = {"daily": Utility(click=0, full_play=0, heart=0, skip=-1)}
    by_skips = fitted.score(users, items, scene=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-by_clicks)), tasks[:, 0], rtol=1e-4)
    np.testing.assert_allclose(1 / (1 + np.exp(by_skips)), tasks[:, 3], rtol=1e-4)
    del fitted.utilities
    fitted.utilities = Domains().utilities


@pytest.mark.parametrize(
    "change",
    [{"constrained": False}, {"uncertainty": True}, {"domains": ()}, {"domains": ("skip",), "by_term": ("heart",)}, {"stop_on": "gauc"}],
)
def test_variants_learn_too(house: Snapshot, change: dict[str, object]) -> None:
    ranker = Domains(None, dataclasses.replace(SMALL, max_epochs=2, **change), seed=0)
    ranker.fit(house, *parts(house))
    _, valid = parts(house)
    assert gauc(valid.user, valid.label, ranker.score_examples(valid)) > 0.6


def test_tasks_without_outcomes_have_no_part_in_the_utility() -> None:
    house = service(n_users=20, n_exposures=500)  # nobody clicks, hearts or skips
    ranker = Domains(None, dataclasses.replace(SMALL, max_epochs=1), seed=0)
    ranker.fit(house, *parts(house))
    assert ranker._network.learned.tolist() == [False, True, False, False]
    users, items = np.zeros(N_SONGS, np.int32), SONGS
    plays = ranker.score_tasks(users, items)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-ranker.score(users, items))), plays, rtol=1e-4)
    ranker.utilities = {"daily": Utility(full_play=0)}
    with pytest.raises(UserError, match="weighs none of full_play"):
        ranker.score(users, items)


def test_candidates_teach_full_plays_where_nothing_was_shown(house: Snapshot) -> None:
    ordinal = dataclasses.replace(house, ordinal=True)
    users, items = np.repeat(np.arange(20, dtype=np.int32), N_SONGS), np.tile(SONGS, 20)
    labels = (users % N_ARTISTS == items % N_ARTISTS).astype(np.float32)
    examples = candidate_examples(ordinal, users, items, labels, seed=0)
    ranker = Domains(None, dataclasses.replace(SMALL, learning_rate=2e-2), seed=0)
    ranker.fit(ordinal, examples, examples)
    assert gauc(users, labels, ranker.score(users, items)) > 0.8
    assert (
        scores(ranker, replayed(ordinal, 3, songs_of(4)[:2], Behaviour.SKIP), 3, songs_of(4)) < scores(ranker, ordinal, 3, songs_of(4))
    ).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"domains": ("skip", "skip")}, "each at most once"),
        ({"domains": ("mood",)}, ", ".join(SIGN)),
        ({"encoder": "magic"}, "sessions"),
        ({"by_term": ("skip",)}, "no domain that speaks for songs"),
        ({"task_weights": (1.0, 1.0)}, "4 numbers"),
        ({"near_days": 0.0}, "above 0"),
    ],
)
def test_settings_of_domains_are_checked(change: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        dataclasses.replace(SMALL, **change)
