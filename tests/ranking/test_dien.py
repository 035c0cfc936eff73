import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ranking_house import N_ARTISTS, N_SONGS, events_of, parts, service

from embeddings.song_encoder import SongEncoder
from etl.behaviours import Behaviour
from ranking.auc import gauc
from ranking.deep_ranker import Batches
from ranking.dien import Dien
from ranking.dien_inputs import DienInputs, bundled, live_plays
from ranking.dien_network import DienNetwork, DienSettings, NextPlays
from ranking.examples import examples_at_now, exposure_examples
from ranking.facets import FacetVocabulary
from ranking.features import FeatureSchema
from ranking.refusals import NONE, refused_before
from recall.snapshot import Snapshot

SMALL = DienSettings(width=8, hidden=(16, 8), history=6, batch_size=128, learning_rate=5e-3, max_epochs=3)


@pytest.fixture(scope="module")
def fitted(house: Snapshot) -> Dien:
    ranker = Dien(SongEncoder(house.projection, None, dim=6), SMALL, seed=3)
    ranker.fit(house, *parts(house))
    return ranker


def inputs_of(house: Snapshot, length: int) -> DienInputs:
    vocabulary = FacetVocabulary.of(house.projection, np.arange(N_SONGS))
    _, features = FeatureSchema.fit(house, parts(house)[0])
    return DienInputs.of(features, vocabulary, house, np.zeros((N_SONGS, 0), np.float32), length)


def test_it_learns_whose_songs_a_listener_takes_up(fitted: Dien, house: Snapshot) -> None:
    _, valid = parts(house)
    assert gauc(valid.user, valid.label, fitted.score_examples(valid)) > 0.7
    scores = fitted.score(np.repeat(np.arange(20, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 20))
    liked = np.tile(np.arange(N_SONGS), 20) % N_ARTISTS == np.repeat(np.arange(20), N_SONGS) % N_ARTISTS
    assert scores[liked].mean() > scores[~liked].mean() + 1.0


def test_scores_do_not_depend_on_who_else_is_asked(fitted: Dien, house: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = np.repeat(np.arange(5, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 5)
    together = fitted.score(users, items, scene=0)
    assert np.array_equal(together, fitted.score_examples(examples_at_now(house, users, items, scene=0)))
    order = np.random.default_rng(0).permutation(len(users))
    np.testing.assert_allclose(fitted.score(users[order], items[order], scene=0), together[order], atol=2e-5)
    one = [fitted.score(users[row : row + 1], items[row : row + 1], scene=0)[0] for row in range(0, len(users), 29)]
    np.testing.assert_allclose(one, together[::29], atol=2e-5)
    monkeypatch.setattr("ranking.deep_ranker.SCORED_AT_ONCE", 7)
    np.testing.assert_allclose(fitted.score(users, items, scene=0), together, atol=2e-5)
    assert fitted.score(users[:0], items[:0]).shape == (0,)


def test_later_events_change_no_earlier_example(fitted: Dien, house: Snapshot) -> None:
    cut = len(house.events) // 2
    examples = exposure_examples(house, 0, cut)
    scores = fitted.score_examples(examples)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, cut)), now=int(house.events.ts[cut])))
    np.testing.assert_allclose(fitted.score_examples(examples), scores, atol=2e-5)
    fitted.observe(house)


def test_the_same_seed_gives_the_same_scores(fitted: Dien, house: Snapshot) -> None:
    again, other = (Dien(fitted.encoder, SMALL, seed=seed) for seed in (3, 4))
    for ranker in (again, other):
        ranker.fit(house, *parts(house), epochs=fitted.epochs_found)
    users, items = np.zeros(N_SONGS, np.int32), np.arange(N_SONGS, dtype=np.int32)
    assert np.array_equal(again.score(users, items), fitted.score(users, items))
    assert not np.array_equal(other.score(users, items), again.score(users, items))


def test_it_comes_back_from_its_folder(fitted: Dien, house: Snapshot, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    again = Dien.load(tmp_path, house, fitted.encoder)
    users, items = np.repeat(np.arange(4, dtype=np.int32), 10), np.tile(np.arange(10, dtype=np.int32), 4)
    assert np.array_equal(again.score(users, items), fitted.score(users, items))
    assert again.settings == fitted.settings


def test_listeners_with_no_play_and_with_one(fitted: Dien, house: Snapshot) -> None:
    songs = np.arange(N_SONGS, dtype=np.int32)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, 0))))
    assert np.isfinite(fitted.score(np.zeros(N_SONGS, np.int32), songs)).all()
    fitted.observe(dataclasses.replace(house, events=house.events.take(house.events.source == house.positives.source[0])))
    assert np.isfinite(fitted.score(np.full(N_SONGS, house.positives.user[0]), songs)).all()
    fitted.observe(house)


@pytest.mark.parametrize("changes", [{"evolution": "gru"}, {"auxiliary": 0.0}, {"together": 1}])
def test_its_variants_learn_too(house: Snapshot, changes: dict[str, object]) -> None:
    ranker = Dien(None, dataclasses.replace(SMALL, **changes))
    ranker.fit(house, *parts(house))
    _, valid = parts(house)
    assert gauc(valid.user, valid.label, ranker.score_examples(valid)) > 0.6


def test_windows_are_the_last_full_plays_and_runs_begin_on_the_grid(house: Snapshot) -> None:
    inputs, (examples, _) = inputs_of(house, 6), parts(house)
    columns = inputs.columns(examples)
    batch, songs = inputs.batch(columns)
    heard = songs[batch.history.numpy()]
    begin = inputs.histories.offsets[examples.user]
    for row in range(0, len(examples), 53):
        past = np.flatnonzero((house.events.user == examples.user[row]) & (house.events.behaviour == Behaviour.FULL_PLAY))
        past = past[past < examples.position[row]]
        window = batch.windows.first[row] + np.arange(batch.windows.offsets[row + 1] - batch.windows.offsets[row])
        assert heard[window].tolist() == house.events.item[past[-6:]].tolist()
        into_run = columns.start[row] - columns.run[row]
        assert (columns.run[row] - begin[row]) % 6 == 0
        assert 0 <= into_run < 6
        assert (into_run == 0) or len(past) > 6
    assert len(batch.runs.first) == len(np.unique(columns.run)) < len(examples) / 3


def test_the_network_gives_each_example_what_it_gives_it_alone(fitted: Dien, house: Snapshot) -> None:
    """Runs shared in a batch reach as far as the latest example; the others must not see beyond their windows."""
    _, valid = parts(house)
    columns = fitted._inputs.columns(valid)
    together, songs = fitted._inputs.batch(columns)
    with torch.inference_mode():
        logits = fitted._network.logits(fitted._songs[torch.from_numpy(songs)], together)
        for row in range(0, len(valid), 41):
            alone, mine = fitted._inputs.batch(columns.take(slice(row, row + 1)))
            torch.testing.assert_close(
                fitted._network.logits(fitted._songs[torch.from_numpy(mine)], alone)[0], logits[row], atol=2e-5, rtol=1e-5
            )


def test_an_epoch_has_every_example_once_and_keeps_runs_together(house: Snapshot) -> None:
    inputs, (examples, _) = inputs_of(house, 6), parts(house)
    columns = inputs.columns(examples)

    def order(together: int, seed: int) -> np.ndarray:
        return bundled(columns.run, together, np.random.default_rng(seed))

    for together in (1, 4, 1_000):
        assert np.array_equal(np.sort(order(together, 0)), np.arange(len(examples)))
        assert np.array_equal(order(together, 0), order(together, 0))
        assert not np.array_equal(order(together, 0), order(together, 1))
    changes = [int((np.diff(columns.run[order(together, 0)]) != 0).sum()) for together in (1, 4, 1_000)]
    assert changes[0] > 2 * changes[1] > 2 * changes[2]
    assert changes[2] == len(np.unique(columns.run)) - 1
    rng = np.random.default_rng(0)
    batches = Batches(columns, order(4, 0), 100, lambda part: inputs.training_batch(part, rng))
    assert sum(len(batch.label) for batch in batches) == len(examples)


def test_the_auxiliary_loss_asks_real_refusals_and_is_a_mean_over_what_it_asks(house: Snapshot) -> None:
    inputs, (examples, _) = inputs_of(house, 6), parts(house)
    batch = inputs.training_batch(inputs.columns(examples.take(slice(0, 400))), np.random.default_rng(0))
    runs, asked = batch.runs, batch.next_plays
    assert 0 < len(asked.state) <= runs.n_steps - (np.diff(runs.offsets) > 0).sum()
    assert torch.equal(batch.history[asked.state + 1], asked.heard)
    assert not (asked.heard == asked.refused).any()
    network = DienNetwork(0, 100, (), 0, SMALL)
    song, interests = torch.randn(60, 8), torch.randn(runs.n_steps, 8)
    loss = network.auxiliary_loss(song, interests, asked)
    twice = NextPlays(*(torch.cat((column, column)) for column in asked))
    torch.testing.assert_close(network.auxiliary_loss(song, interests, twice), loss)
    dot = [(interests[asked.state] * song[rows]).sum(1) for rows in (asked.heard, asked.refused)]
    torch.testing.assert_close(loss, -(torch.log(torch.sigmoid(dot[0])) + torch.log(1 - torch.sigmoid(dot[1]))).mean())
    assert network.auxiliary_loss(song, interests, NextPlays(*[torch.empty(0, dtype=torch.int64)] * 3)) == 0


def test_refusals_are_skips_then_unanswered_exposures_of_the_step() -> None:
    e, p, f, s = Behaviour.EXPOSURE, Behaviour.PLAY, Behaviour.FULL_PLAY, Behaviour.SKIP
    acts = [(e, 1), (e, 2), (p, 1), (f, 1), (e, 3), (s, 4), (e, 5), (e, 6), (p, 6), (f, 6), (e, 7), (p, 7), (f, 7), (e, 8)]
    acts += [(s, 9), (f, 9)]
    events = events_of([0] * len(acts), [song for _, song in acts], [act for act, _ in acts], range(len(acts)))
    snapshot = dataclasses.replace(service(n_users=2, n_exposures=10), events=events)
    histories = live_plays(snapshot)
    assert histories.item.tolist() == [1, 6, 7, 9]
    # Before 1: exposed 1 (answered) and 2. Before 6: skipped 4 beats the exposures. Before 7: nothing. Before 9: 9 itself does not count.
    assert refused_before(histories, events, N_SONGS).tolist() == [2, 4, NONE, NONE]


def test_without_full_plays_the_positive_acts_are_the_sequence(house: Snapshot) -> None:
    act = np.where(house.events.behaviour == Behaviour.FULL_PLAY, np.int8(Behaviour.COLLECT), house.events.behaviour)
    collected = dataclasses.replace(house, events=dataclasses.replace(house.events, behaviour=act))
    assert np.array_equal(live_plays(collected).item, live_plays(house).item)
    assert set(live_plays(house).behaviour.tolist()) == {int(Behaviour.FULL_PLAY)}
