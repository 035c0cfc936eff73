from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import route_laws
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_sides import N_SONGS, SONGS_EACH, share_of, world
from small_house import house

from embeddings.training import TrainingSettings
from recall.attribute_songs import AttributeSongs
from recall.attributes import Attributes
from recall.route import TrainedRoute
from recall.sdm_training import fit_sdm, space_loss
from recall.sittings import Sittings
from recall.snapshot import Snapshot
from recall.space_network import ShortSpace
from recall.space_reasons import contributions
from recall.space_union import Side, Space, union, union_score
from recall.two_spaces import TwoSpacesRoute, TwoSpacesSettings

TINY = TwoSpacesSettings(
    dim=16,
    heads=2,
    short_length=4,
    long_length=40,
    n_negatives=32,
    batch_sessions=64,
    learning_rate=1e-2,
    repeat_weight=1.0,
    short_songs="attributes",
    short_temperature=0.1,
    long_temperature=0.1,
    long_horizon=12,
    max_epochs=2,
    threads=1,
)
Fitted = tuple[TwoSpacesRoute, Snapshot, np.ndarray]
USERS = np.arange(50, dtype=np.int32)


def fit(kind: str, epochs: int) -> Fitted:
    snapshot, artist = world(kind)
    route = TwoSpacesRoute(TINY, epochs=epochs)
    route.fit(snapshot)
    return route, snapshot, artist


@pytest.fixture(scope="module")
def long_world() -> Fitted:
    return fit("long", 6)


@pytest.fixture(scope="module")
def short_world() -> Fitted:
    return fit("short", 6)


def alone(route: TwoSpacesRoute, which: int, k: int = 5) -> np.ndarray:
    side = route.sides(USERS)[which]
    return side.space.index.search(side.query, k).item


def test_where_only_the_long_side_tells_the_long_space_knows(long_world: Fitted) -> None:
    route, _, artist = long_world
    assert share_of(alone(route, 1), artist) > 0.7
    assert share_of(alone(route, 0), artist) < 0.35
    assert share_of(route.recall(USERS, 10).item, artist) > 0.35


def test_where_only_the_session_tells_the_short_space_knows(short_world: Fitted) -> None:
    route, _, artist = short_world
    assert share_of(alone(route, 0), artist) > 0.9
    assert share_of(alone(route, 1), artist) < 0.4
    assert share_of(route.recall(USERS, 10).item, artist) > 0.4


def test_overfits_fifty_listeners_in_either_space() -> None:
    plays = [(user, 4 * user + n % 4) for n in range(11) for user in range(50)]
    route = TwoSpacesRoute(replace(TINY, n_negatives=128, batch_sessions=25), epochs=6)
    route.fit(house(plays, n_users=50, n_songs=200, artists=[song // 4 for song in range(200)]))
    for which in (0, 1):
        assert (alone(route, which, 4) // 4 == np.repeat(USERS, 4)).mean() > 0.95


def test_without_its_loss_the_long_space_changes_nothing_of_the_short_one() -> None:
    snapshot, _ = world("short", n_users=8)
    route = TwoSpacesRoute(replace(TINY, long_weight=0.0), epochs=2)
    route.fit(snapshot)
    attributes, sittings = Attributes.of(snapshot.projection), Sittings.of(snapshot, TINY)
    torch.manual_seed(snapshot.seed)
    alone = ShortSpace(AttributeSongs(attributes, attributes.names, 16, snapshot.seed, id_dropout=TINY.id_dropout), (), TINY)
    fit_sdm(
        alone,
        sittings,
        attributes,
        np.zeros((snapshot.catalogue.n_users, 0), np.int64),
        examples=TINY,
        long=None,
        training=TrainingSettings(2, 2, TINY.learning_rate, threads=1),
        epochs=2,
        seed=snapshot.seed,
        loss=lambda batch, log_q: space_loss(alone(batch.context), batch.next, alone.items, TINY.short_temperature, log_q),
        search=lambda seen, users: lambda exclude: pytest.fail("nothing is validated"),
    )
    for name, value in alone.state_dict().items():
        assert torch.equal(value, route._model.short.state_dict()[name]), name


def test_is_a_route_that_trains(long_world: Fitted) -> None:
    assert isinstance(long_world[0], TrainedRoute)


def test_lists_are_ordered_and_independent_of_who_else_asks(long_world: Fitted) -> None:
    route_laws.lists_stand_alone(long_world[0], np.array([51, 3, 50, 0], np.int32), 12)


def test_new_only_leaves_out_what_was_played(long_world: Fitted) -> None:
    route, snapshot, _ = long_world
    route_laws.new_only_lists_all_that_was_not_played(route, snapshot, N_SONGS)


def test_the_long_space_explains_by_a_shared_attribute(long_world: Fitted) -> None:
    route, snapshot, artist = long_world
    heard = [set(snapshot.plays.item[snapshot.plays.user == user].tolist()) for user in range(50)]
    unheard = [(u, s) for u in range(50) for s in range(artist[u] * SONGS_EACH, (artist[u] + 1) * SONGS_EACH) if s not in heard[u]]
    users, items = (np.array(column, np.int32) for column in zip(*unheard, strict=True))
    paths = route.explain(users, items)
    by_artist = paths.length == 3
    assert by_artist.mean() > 0.5
    offsets, singers = snapshot.projection.facet("SUNG_BY")
    for row in np.flatnonzero(by_artist):
        assert [paths.step_names[step] for step in paths.steps[row]] == ["SUNG_BY", "<SUNG_BY"]
        song, singer, item = paths.nodes[row].tolist()
        assert item == items[row]
        assert song in heard[users[row]]
        assert singer == singers[offsets[song]] == singers[offsets[item]]


def test_the_short_space_explains_by_the_session_and_a_stranger_by_the_profile(short_world: Fitted) -> None:
    route, snapshot, artist = short_world
    user = 4
    session = snapshot.plays.item[snapshot.plays.user == user][-4:]
    other = np.setdiff1d(np.arange(artist[user] * SONGS_EACH, (artist[user] + 1) * SONGS_EACH), session)[0]
    paths = route.explain(np.array([user, user, 50], np.int32), np.array([other, session[-1], 3], np.int32))
    assert paths.length.tolist() == [2, 1, 2]
    assert paths.nodes[0, 0] in session
    assert paths.nodes[1, 0] == session[-1]
    assert [paths.step_names[paths.steps[row, 0]] for row in (0, 2)] == ["SIMILAR_TO", "PROFILE"]
    assert paths.from_profile is not None
    assert paths.from_profile.tolist() == [False, False, True]


def test_contributions_of_attributes_sum_to_the_cosine(long_world: Fitted) -> None:
    route, _, _ = long_world
    users, items = route._vectors.of(USERS)[1], np.arange(50)
    parts = contributions(route._model.long.songs, users, items)
    cosine = (users * route._spaces[1].index.vectors[items]).sum(1)
    np.testing.assert_allclose(sum(parts.values()), cosine, atol=1e-5)


@pytest.mark.parametrize("songs", ["encoder", "attributes"])
def test_saved_and_loaded_give_the_same_rows(songs: str, tmp_path: Path) -> None:
    snapshot, _ = world("long", n_users=8)
    route = TwoSpacesRoute(replace(TINY, short_songs=songs), epochs=2)  # type: ignore[arg-type]
    route.fit(snapshot)
    route.save(tmp_path)
    loaded = TwoSpacesRoute.load(tmp_path, snapshot)
    users = np.arange(10, dtype=np.int32)
    route_laws.same_rows(route.recall(users, 10), loaded.recall(users, 10))
    assert loaded.epochs_found == 2


def test_observe_follows_new_history(long_world: Fitted, tmp_path: Path) -> None:
    route, snapshot, _ = long_world
    route.save(tmp_path)
    events = replace(snapshot.events, user=np.where(snapshot.events.user == 1, 50, snapshot.events.user).astype(np.int32))
    moved = TwoSpacesRoute.load(tmp_path, replace(snapshot, events=events))
    here, there = route.recall(np.array([1], np.int32), 10), moved.recall(np.array([50], np.int32), 10)
    np.testing.assert_array_equal(here.item, there.item)
    assert moved.recall(np.array([1], np.int32), 10).item.tolist() == route.recall(np.array([50], np.int32), 10).item.tolist()


def test_same_seed_same_scores_and_other_seed_not() -> None:
    route_laws.the_seed_decides(lambda: TwoSpacesRoute(TINY, epochs=1), world("long", n_users=6)[0])


def test_early_stopping_finds_epochs() -> None:
    route = TwoSpacesRoute(TINY)
    route.fit(world("long", n_users=8)[0])
    assert 1 <= route.epochs_found <= TINY.max_epochs


@pytest.mark.parametrize("plays", [[], [(0, 2)], [(0, 2), (1, 1)]])
@pytest.mark.parametrize("quota", [0.0, 0.5, 1.0])
def test_hardly_any_events(plays: list[tuple[int, int]], quota: float) -> None:
    route_laws.serves_a_house_of_hardly_any_events(TwoSpacesRoute(replace(TINY, long_quota=quota)), plays, ordinal=False)


def test_one_song() -> None:
    route_laws.serves_a_house_of_one_song(TwoSpacesRoute(TINY))


def drawn_sides(seed: int, n_users: int, n_songs: int, quota: list[float]) -> tuple[Side, Side]:
    rng = np.random.default_rng(seed)
    spaces = [Space(rng.normal(size=(n_songs, 4)).astype(np.float32)) for _ in range(2)]
    share = np.array(quota)[:n_users]
    users = [rng.normal(size=(n_users, 4)).astype(np.float32) for _ in range(2)]
    return Side.of(spaces[0], users[0], 1 - share), Side.of(spaces[1], users[1], share)


QUOTAS = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=3, max_size=3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 12), QUOTAS)
def test_every_space_gets_its_quota(seed: int, n_songs: int, k: int, quota: list[float]) -> None:
    sides = drawn_sides(seed, 3, n_songs, quota)
    found = union(sides, k)
    assert np.bincount(found.row, minlength=3).tolist() == [min(k, n_songs)] * 3
    np.testing.assert_array_equal(found.score, union_score(sides, found.row, found.item))
    shorter = union(sides, max(k - 1, 1))
    assert set(zip(shorter.row.tolist(), shorter.item.tolist(), strict=True)) <= set(
        zip(found.row.tolist(), found.item.tolist(), strict=True)
    )
    for side, shares in zip(sides, (1 - np.array(quota), np.array(quota)), strict=True):
        own = side.space.index.search(side.query, k)
        for row in range(3):
            assured = own.item[own.row == row][: int(np.floor(shares[row] * k))]
            assert set(assured.tolist()) <= set(found.item[found.row == row].tolist())


def test_scores_are_standard_deviations_above_the_users_mean() -> None:
    sides = drawn_sides(0, 2, 500, [0.5, 0.5])
    row, item = np.repeat(np.arange(2), 500), np.tile(np.arange(500), 2)
    for side in sides:
        score = side.score(row, item).reshape(2, 500)
        np.testing.assert_allclose(score.mean(1), 0, atol=1e-5)
        np.testing.assert_allclose(score.std(1), 1, atol=1e-5)
