from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import route_laws
import torch
from small_house import house
from tastes import N_SONGS, share_of_own_artist, tastes, with_histories_swapped

from recall.interest import InterestRoute, InterestSettings
from recall.interest_sequences import Sequences
from recall.interest_tower import InterestTower, TowerShape
from recall.interest_training import Batches, batch_loss
from recall.sampled_softmax import NegativeSampler
from recall.snapshot import Snapshot

TINY = InterestSettings(
    dim=16,
    length=8,
    layers=1,
    heads=2,
    dropout=0.0,
    n_negatives=32,
    batch_windows=8,
    horizon=1,
    learning_rate=1e-2,
    max_epochs=3,
    threads=1,
)


@pytest.fixture(scope="module")
def fitted() -> tuple[InterestRoute, Snapshot]:
    snapshot = tastes(cold_songs=True)
    route = InterestRoute(TINY, epochs=30)
    route.fit(snapshot)
    return route, snapshot


def test_learns_the_tastes_of_a_handful_of_users(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route, _ = fitted
    assert share_of_own_artist(route, np.arange(22)) > 0.95


def test_users_without_history_are_served_by_their_profile(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route, _ = fitted
    found = route.recall(np.array([22, 23], np.int32), 10)
    assert np.bincount(found.user, minlength=24)[22:].tolist() == [10, 10]
    assert share_of_own_artist(route, np.array([22, 23])) > 0.9


def test_songs_that_nobody_has_heard_are_reached_through_their_facts(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route, _ = fitted
    users, cold = np.repeat(np.arange(22), 8).astype(np.int32), np.tile([16, 17, 18, 19, 36, 37, 38, 39], 22).astype(np.int32)
    score = route.score(users, cold).reshape(22, 8)
    own = np.where((np.arange(22) % 2 == 0)[:, None], score[:, :4].mean(1, keepdims=True), score[:, 4:].mean(1, keepdims=True))
    other = np.where((np.arange(22) % 2 == 0)[:, None], score[:, 4:].mean(1, keepdims=True), score[:, :4].mean(1, keepdims=True))
    assert (own > other).mean() > 0.9


def test_recall_is_ordered_distinct_and_independent_of_who_else_asks(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route_laws.lists_stand_alone(fitted[0], np.array([5, 2, 23, 9], np.int32), 15)


def test_new_only_leaves_out_what_was_played(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route_laws.new_only_lists_all_that_was_not_played(*fitted, N_SONGS)


def test_score_is_the_number_of_recall(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route, _ = fitted
    found = route.recall(np.array([7, 3, 22], np.int32), 12)
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
    assert (np.abs(found.score) <= 1.0001 / TINY.temperature).all()


def test_explains_by_the_nearest_song_of_the_history_or_the_profile(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route, snapshot = fitted
    heard = snapshot.plays.item[snapshot.plays.user == 0][-1]
    users, items = np.array([0, 0, 22], np.int32), np.array([17, heard, 5], np.int32)
    paths = route.explain(users, items)
    assert paths.length.tolist() == [2, 1, 2]
    assert [paths.step_names[step] if step >= 0 else None for step in paths.steps[:, 0]] == ["SIMILAR_TO", None, "PROFILE"]
    assert paths.from_profile is not None
    assert paths.from_profile.tolist() == [False, False, True]
    assert paths.nodes[1].tolist() == [heard, -1]
    assert paths.nodes[2].tolist() == [-1, 5]
    window = Sequences.of(snapshot).item[: Sequences.of(snapshot).offsets[1]][-TINY.length :]
    cosine = route._index.vectors[window] @ route._index.vectors[17]
    assert paths.nodes[0].tolist() == [window[np.argmax(cosine)], 17]


def test_observe_follows_new_history_and_keeps_what_was_learned(fitted: tuple[InterestRoute, Snapshot], tmp_path: Path) -> None:
    route, snapshot = fitted
    route.save(tmp_path)
    moved = InterestRoute.load(tmp_path, with_histories_swapped(snapshot, 1, 22))
    # User 22, whose profile says artist 0, has now the history of user 1, who hears artist 1.
    users, songs = np.full(20, 22, np.int32), np.arange(20, 40, dtype=np.int32)
    assert (moved.score(users, songs) > route.score(users, songs)).all()
    assert torch.equal(moved.encoder.table(), route.encoder.table())


def test_saved_and_loaded_give_the_same_rows(fitted: tuple[InterestRoute, Snapshot], tmp_path: Path) -> None:
    route, snapshot = fitted
    route.save(tmp_path)
    loaded = InterestRoute.load(tmp_path, snapshot)
    users = np.arange(24, dtype=np.int32)
    route_laws.same_rows(route.recall(users, 20), loaded.recall(users, 20))
    assert loaded.epochs_found == 30
    assert torch.equal(loaded.encoder.table(), route.encoder.table())


def test_same_seed_same_scores_and_other_seed_not() -> None:
    route_laws.the_seed_decides(lambda: InterestRoute(TINY, epochs=2), tastes(10, 6))


def test_early_stopping_finds_epochs() -> None:
    route = InterestRoute(TINY)
    route.fit(tastes())
    assert 1 <= route.epochs_found <= TINY.max_epochs
    assert len(route.metrics) >= route.epochs_found


@pytest.mark.parametrize("plays", [[], [(0, 2)], [(0, 2), (1, 1)]])
def test_hardly_any_events(plays: list[tuple[int, int]]) -> None:
    route_laws.serves_a_house_of_hardly_any_events(InterestRoute(TINY), plays)


def test_one_song() -> None:
    route_laws.serves_a_house_of_one_song(InterestRoute(TINY))


def test_the_cap_bounds_what_the_busiest_listener_weighs() -> None:
    plays = [(0, n % 30) for n in range(600)] + [(user, n) for user in range(1, 20) for n in range(6)]
    sequences = Sequences.of(house(plays, n_users=20, n_songs=30))

    def share(cap: int) -> float:
        settings = replace(TINY, max_examples_per_user=cap)
        sampler = NegativeSampler(np.ones(30, np.int64))
        batches = Batches(sequences, np.zeros((20, 0), np.int64), sampler, settings, TINY.length, 0, 0)
        owner = np.repeat(batches.windows.user, batches.windows.end - batches.windows.start)
        return float((owner == 0).mean())

    assert share(10_000) > 0.8
    assert share(18) <= 18 / (18 + 19 * 6)


def test_targets_come_strictly_after_their_history() -> None:
    plays = [
        (user, int(song))
        for user, songs in enumerate(np.random.default_rng(0).permuted(np.tile(np.arange(30), (4, 1)), axis=1))
        for song in songs
    ]
    sequences = Sequences.of(house(plays, n_users=4, n_songs=30))
    settings = replace(TINY, horizon=6)
    place_of = [
        {int(song): n for n, song in enumerate(sequences.item[a:b])} for a, b in zip(sequences.offsets, sequences.offsets[1:], strict=False)
    ]
    batches = Batches(sequences, np.zeros((4, 0), np.int64), NegativeSampler(np.ones(30, np.int64)), settings, 8, 0, 0)
    owners, seen = iter(batches.windows.user.tolist()), 0
    for batch in batches:
        tokens, targets = batch.songs[batch.tokens].numpy(), batch.songs[batch.target].numpy()
        for row in range(len(targets)):
            place = place_of[next(owners)]
            for t in np.flatnonzero(batch.weight[row].numpy()):
                before = [place[int(song)] for song in tokens[row, :t]]
                assert all(place[int(targets[row, t])] > earlier for earlier in before)
                seen += 1
    assert seen == 4 * 30


def tower() -> InterestTower:
    torch.manual_seed(0)
    return InterestTower(TowerShape(dim=8, length=6, layers=2, heads=2), (3,)).eval()


def test_padding_and_the_future_have_no_influence() -> None:
    model, songs = tower(), torch.randn(2, 6, 8)
    behaviour, profile = torch.full((2, 6), 3), torch.tensor([[1], [2]])
    changed, other = songs.clone(), behaviour.clone()
    changed[:, 3:] = 100.0
    other[:, 3:] = 0
    with torch.no_grad():
        one, two = model(songs, behaviour, profile), model(changed, other, profile)
    assert torch.equal(one[:, :4], two[:, :4])
    assert not torch.equal(one[:, 4:], two[:, 4:])


def test_a_permuted_batch_gives_permuted_vectors() -> None:
    model, songs, order = tower(), torch.randn(5, 6, 8), torch.tensor([3, 0, 4, 1, 2])
    behaviour, profile = torch.randint(0, 12, (5, 6)), torch.tensor([[0], [1], [2], [0], [1]])
    with torch.no_grad():
        straight, permuted = model(songs, behaviour, profile), model(songs[order], behaviour[order], profile[order])
    torch.testing.assert_close(permuted, straight[order])


def test_vectors_have_length_one_and_an_empty_sequence_is_the_profile() -> None:
    model = tower()
    with torch.no_grad():
        one, two = (model(torch.randn(1, 0, 8), torch.zeros(1, 0, dtype=torch.long), torch.tensor([[code]])) for code in (1, 2))
    assert one.shape == (1, 1, 8)
    torch.testing.assert_close(one.norm(dim=-1), torch.ones(1, 1))
    assert not torch.allclose(one, two)


def test_age_zero_is_serving() -> None:
    model, songs = tower(), torch.randn(1, 3, 8)
    behaviour, profile = torch.zeros(1, 3, dtype=torch.long), torch.tensor([[1]])
    with torch.no_grad():
        serving, young, old = (model(songs, behaviour, profile, age) for age in (None, torch.zeros(1, 4), torch.full((1, 4), 3.0)))
    assert torch.equal(serving, young)
    assert not torch.allclose(serving, old)


def test_a_batch_without_valid_examples_gives_no_nan(fitted: tuple[InterestRoute, Snapshot]) -> None:
    route, snapshot = fitted
    sequences = Sequences.of(snapshot)
    clicks = replace(sequences, positive=np.zeros(len(sequences), bool))
    sampler = NegativeSampler(np.ones(N_SONGS, np.int64))
    profile = np.zeros((24, 1), np.int64)
    batch = next(iter(Batches(clicks, profile, sampler, TINY, TINY.length, 0, 0)))
    loss = batch_loss(route._model, batch, sampler.log_q, route.settings)
    assert loss.item() == 0
