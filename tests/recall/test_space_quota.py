"""The share of each space is learned from what it finds: all to the one that knows, half and half between equals."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted_sides import world

from etl.errors import UserError
from recall.held_out import HeldOut
from recall.route import SettlingRoute
from recall.space_quota import EVEN, TRIED, learned_quota
from recall.space_union import Side, Space
from recall.two_spaces import TwoSpacesRoute, TwoSpacesSettings

N_USERS, N_SONGS, K = 60, 200, 8
TINY = TwoSpacesSettings(
    dim=8,
    heads=2,
    short_length=4,
    long_length=40,
    n_negatives=16,
    batch_sessions=64,
    learning_rate=1e-2,
    repeat_weight=1.0,
    short_songs="attributes",
    long_horizon=12,
    max_epochs=2,
    threads=1,
)


def side(seed: int) -> Side:
    rng = np.random.default_rng(seed)
    space = Space(rng.normal(size=(N_SONGS, 6)).astype(np.float32))
    return Side.of(space, rng.normal(size=(N_USERS, 6)).astype(np.float32), np.full(N_USERS, EVEN))


def liked(*sides: Side, known: int = 0) -> HeldOut:
    """Users who go on to hear the best songs of the sides, as many of each; the first `known` of them they had met."""
    pairs = []
    for each in sides:
        found = each.space.index.search(each.query, K // len(sides))
        pairs.append(found.row.astype(np.int64) * N_SONGS + found.item)
    relevant = np.unique(np.concatenate(pairs))
    first = np.concatenate([part.reshape(N_USERS, -1)[:, :known].ravel() for part in pairs])
    return HeldOut(N_SONGS, np.arange(N_USERS), relevant, np.unique(first))


ALL = np.ones(N_USERS, bool)


def test_where_one_space_alone_has_something_to_say_it_gets_the_whole_list() -> None:
    one, two = side(1), side(2)
    for known in (0, 2):
        assert learned_quota((one, two), liked(two, known=known), ALL, K) == 1.0
        assert learned_quota((one, two), liked(one, known=known), ALL, K) == 0.0


def test_equals_share_alike() -> None:
    one, two = side(1), side(2)
    assert learned_quota((one, two), liked(one, two), ALL, K) == EVEN
    assert learned_quota((one, one), liked(one), ALL, K) == EVEN
    nothing = side(3)
    assert learned_quota((one, two), replace(liked(nothing), known=np.zeros(0, np.int64)), ALL, N_SONGS) == EVEN


def test_of_users_whom_one_space_does_not_know_nothing_is_learned() -> None:
    one, two = side(1), side(2)
    assert learned_quota((one, two), liked(two), np.zeros(N_USERS, bool), K) == EVEN


def test_the_quotas_of_the_sides_given_do_not_matter() -> None:
    one, two = side(1), side(2)
    turned = one._replace(quota=np.ones(N_USERS)), two._replace(quota=np.zeros(N_USERS))
    assert learned_quota(turned, liked(two), ALL, K) == learned_quota((one, two), liked(two), ALL, K)


def fitted(quota: float | None = None, epochs: int | None = None) -> TwoSpacesRoute:
    route = TwoSpacesRoute(replace(TINY, long_quota=quota), epochs=epochs)
    route.fit(world("long", n_users=30)[0])
    return route


def test_a_fit_learns_it_keeps_it_and_hands_it_to_the_refit(tmp_path: Path) -> None:
    snapshot, _ = world("long", n_users=30)
    route, again = fitted(), fitted()
    assert route.long_quota == again.long_quota
    assert route.long_quota in TRIED
    route.save(tmp_path)
    loaded = TwoSpacesRoute.load(tmp_path, snapshot)
    assert loaded.long_quota == route.long_quota
    users = np.arange(32, dtype=np.int32)
    np.testing.assert_array_equal(loaded.recall(users, 12).item, route.recall(users, 12).item)
    refitted = TwoSpacesRoute(route.settled, epochs=route.epochs_found)
    refitted.fit(snapshot)
    assert refitted.long_quota == route.long_quota
    assert route.settings.long_quota is None
    assert isinstance(route, SettlingRoute)


def test_the_config_overrules_it_and_without_a_slice_the_half_stands() -> None:
    assert fitted(0.25).long_quota == 0.25
    assert fitted(epochs=1).long_quota == EVEN
    same = fitted(0.5), fitted()
    # What is learned afterwards changes nothing of what was trained.
    np.testing.assert_array_equal(same[0]._spaces[1].index.vectors, same[1]._spaces[1].index.vectors)


def test_a_share_outside_0_and_1_is_a_mistake_that_is_named() -> None:
    with pytest.raises(UserError, match=r"long_quota = 1.5 in \[recall.two_spaces\] must lie between 0 and 1"):
        TwoSpacesSettings(long_quota=1.5)
