from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import route_laws
import torch
from planted_sides import N_SONGS, SONGS_EACH, share_of, world
from small_house import house

from recall.gate_diagnosis import VARIANTS, diagnose_gate, relevant_pairs, sole_hits
from recall.route import TrainedRoute
from recall.sdm import SdmRoute, SdmSettings
from recall.snapshot import Snapshot
from recall.vector_index import Found

TINY = SdmSettings(
    dim=16,
    heads=2,
    short_length=4,
    long_length=40,
    n_negatives=32,
    batch_sessions=64,
    learning_rate=1e-2,
    repeat_weight=1.0,
    items="attributes",
    temperature=0.1,
    max_epochs=2,
    threads=1,
)
Fitted = tuple[SdmRoute, Snapshot, np.ndarray]


def fit(kind: str, epochs: int, settings: SdmSettings = TINY) -> Fitted:
    snapshot, artist = world(kind)
    route = SdmRoute(settings, epochs=epochs)
    route.fit(snapshot)
    return route, snapshot, artist


@pytest.fixture(scope="module")
def long_world() -> Fitted:
    return fit("long", 8)


@pytest.fixture(scope="module")
def short_world() -> Fitted:
    return fit("short", 8)


def relevant(artist: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    user = np.repeat(np.arange(len(artist)), SONGS_EACH)
    return user.astype(np.int32), (np.repeat(artist * SONGS_EACH, SONGS_EACH) + np.tile(np.arange(SONGS_EACH), len(artist))).astype(
        np.int32
    )


def test_where_only_the_long_side_tells_it_is_heard(long_world: Fitted) -> None:
    route, _, artist = long_world
    assert share_of(route.recall(np.arange(50, dtype=np.int32), 5).item, artist) > 0.55
    found = diagnose_gate(route, *relevant(artist), 5)
    assert found.recall["served"].mean() - found.recall["without_long"].mean() > 0.4
    assert found.recall["served"].mean() - found.recall["mean_long"].mean() > 0.4
    assert found.sole.share > 0.5


def test_where_only_the_session_tells_it_is_heard(short_world: Fitted) -> None:
    route, _, artist = short_world
    assert share_of(route.recall(np.arange(50, dtype=np.int32), 5).item, artist) > 0.9
    found = diagnose_gate(route, *relevant(artist), 5)
    assert found.recall["served"].mean() - found.recall["without_short"].mean() > 0.5
    assert found.recall["served"].mean() - found.recall["without_long"].mean() < 0.2
    assert found.sole.share < 0.1


def test_overfits_fifty_listeners() -> None:
    plays = [(user, 4 * user + n % 4) for n in range(11) for user in range(50)]
    route = SdmRoute(replace(TINY, n_negatives=128, batch_sessions=25), epochs=10)
    route.fit(house(plays, n_users=50, n_songs=200, artists=[song // 4 for song in range(200)]))
    found = route.recall(np.arange(50, dtype=np.int32), 4)
    assert (found.item // 4 == found.user).mean() > 0.95


def test_the_diagnosis_adds_up(long_world: Fitted) -> None:
    route, _, artist = long_world
    user, item = relevant(artist)
    # Users 50 and 51 have no history: the gate has nothing to choose for them.
    found = diagnose_gate(route, np.append(user, 50).astype(np.int32), np.append(item, 0).astype(np.int32), 5)
    assert found.users.tolist() == list(range(50))
    assert set(found.recall) == set(VARIANTS)
    gate, long, short = route.sides(found.users)
    sizes = [np.linalg.norm(side, axis=1) for side in ((1 - gate) * long, gate * short)]
    np.testing.assert_allclose(found.long_share, sizes[0] / (sizes[0] + sizes[1]), rtol=1e-5)
    np.testing.assert_allclose(found.gate, gate.mean(1), rtol=1e-5)
    served = route.recall(found.users, 5)
    hits = np.isin(served.user.astype(np.int64) << 32 | served.item, relevant_pairs(np.arange(50), user, item))
    np.testing.assert_allclose(found.recall["served"], np.bincount(served.user[hits], minlength=50) / 5)
    assert found.summary()["fall_without_long"] == pytest.approx(found.recall["served"].mean() - found.recall["without_long"].mean())


def test_a_hit_is_the_long_sides_alone_only_if_the_short_side_lacks_it() -> None:
    def lists(*songs: int) -> Found:
        return Found(np.zeros(len(songs), np.int32), np.array(songs, np.int32), np.zeros(len(songs), np.float32))

    wanted = relevant_pairs(np.array([7]), np.full(3, 7), np.array([1, 2, 3]))
    found = sole_hits(lists(1, 2, 4), lists(1, 4), lists(1, 2, 4), wanted, 1)
    assert (found.hits.tolist(), found.only_long.tolist()) == ([2], [1])
    assert found.share == 0.5
    assert np.isnan(sole_hits(lists(4), lists(1), lists(2), wanted, 1).share)


def test_is_a_route_that_trains(long_world: Fitted) -> None:
    assert isinstance(long_world[0], TrainedRoute)


def test_lists_are_ordered_and_independent_of_who_else_asks(long_world: Fitted) -> None:
    route_laws.lists_stand_alone(long_world[0], np.array([51, 3, 50, 0], np.int32), 12)


def test_new_only_leaves_out_what_was_played(long_world: Fitted) -> None:
    route, snapshot, _ = long_world
    route_laws.new_only_lists_all_that_was_not_played(route, snapshot, N_SONGS)


def test_explains_by_a_song_of_the_history_or_the_profile(long_world: Fitted) -> None:
    route, snapshot, _ = long_world
    heard = snapshot.plays.item[snapshot.plays.user == 0]
    fresh = np.setdiff1d(np.arange(10), heard)[0]
    paths = route.explain(np.array([0, 0, 50], np.int32), np.array([fresh, heard[-1], 3], np.int32))
    assert paths.length.tolist() == [2, 1, 2]
    assert paths.nodes[0, 0] in heard
    assert paths.nodes[1].tolist() == [heard[-1], -1]
    assert paths.from_profile is not None
    assert paths.from_profile.tolist() == [False, False, True]


def test_saved_and_loaded_give_the_same_rows(long_world: Fitted, tmp_path: Path) -> None:
    route, snapshot, _ = long_world
    route.save(tmp_path)
    loaded = SdmRoute.load(tmp_path, snapshot)
    users = np.arange(52, dtype=np.int32)
    route_laws.same_rows(route.recall(users, 10), loaded.recall(users, 10))
    assert loaded.epochs_found == 8


@pytest.mark.parametrize("ordinal", [True, False])
def test_same_seed_same_scores_and_other_seed_not(ordinal: bool) -> None:
    route_laws.the_seed_decides(lambda: SdmRoute(TINY, epochs=1), replace(world("long", n_users=6)[0], ordinal=ordinal))


def test_profiles_serve_whoever_has_no_history() -> None:
    snapshot, _ = world("short", n_users=20)
    own = np.bincount(snapshot.plays.user, minlength=22) > 0
    half = np.arange(22) % 2
    kept = (snapshot.events.item // SONGS_EACH) % 2 == half[snapshot.events.user]
    users = snapshot.catalogue.users.with_columns(group=pl.Series([str(h) for h in half]))
    snapshot = replace(snapshot, events=snapshot.events.take(kept), catalogue=replace(snapshot.catalogue, users=users))
    route = SdmRoute(TINY, epochs=8)
    route.fit(snapshot)
    assert not own[20:].any()
    found = route.recall(np.array([20, 21], np.int32), 8)
    assert ((found.item // SONGS_EACH) % 2 == half[found.user]).mean() > 0.8


def test_early_stopping_finds_epochs() -> None:
    route = SdmRoute(TINY)
    route.fit(world("long", n_users=8)[0])
    assert 1 <= route.epochs_found <= TINY.max_epochs
    assert len(route.metrics) >= route.epochs_found


@pytest.mark.parametrize("plays", [[], [(0, 2)], [(0, 2), (1, 1)]])
@pytest.mark.parametrize("temperature", [None, 0.1])
def test_hardly_any_events(plays: list[tuple[int, int]], temperature: float | None) -> None:
    route = SdmRoute(replace(TINY, temperature=temperature))
    route_laws.serves_a_house_of_hardly_any_events(route, plays, ordinal=False)
    assert diagnose_gate(route, np.array([0], np.int32), np.array([1], np.int32), 2).users.size == 0


def test_one_song() -> None:
    route_laws.serves_a_house_of_one_song(SdmRoute(TINY))


def test_the_units_of_the_short_side_are_both_there() -> None:
    route = SdmRoute(replace(TINY, unit="gru"), epochs=1)
    route.fit(world("short", n_users=6)[0])
    assert isinstance(route._model.short.recurrent, torch.nn.GRU)
