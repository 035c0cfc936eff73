from pathlib import Path

import numpy as np
import pytest
from small_house import house

from etl.behaviours import Behaviour
from recall.popular import PopularRoute, PopularSettings

PLAYS = [(0, 3), (0, 3), (1, 3), (1, 1), (2, 1), (2, 0)]


def test_plain_counts_where_time_is_ordinal_ties_by_song() -> None:
    route = PopularRoute()
    route.fit(house([*PLAYS, (2, 4)], n_users=4, n_songs=6))
    found = route.recall(np.array([3], np.int32), 10)
    assert found.item.tolist() == [3, 1, 0, 4]
    assert found.score.tolist() == [3, 2, 1, 1]


def test_a_play_counts_half_after_a_half_life() -> None:
    route = PopularRoute(PopularSettings(half_life_days=10))
    route.fit(house([(0, 0), (1, 1), (2, 1)], n_users=3, n_songs=2, days_ago=[0, 10, 20], ordinal=False))
    assert route.popularity.tolist() == pytest.approx([1, 0.75])


def test_new_only_leaves_out_what_was_played_even_if_skipped() -> None:
    behaviour = [Behaviour.FULL_PLAY] * 6 + [Behaviour.SKIP]
    route = PopularRoute()
    route.fit(house([*PLAYS, (3, 3)], n_users=4, n_songs=6, behaviour=behaviour))
    found = route.recall(np.array([3, 0], np.int32), 2, new_only=True)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == [(3, 1), (3, 0), (0, 1), (0, 0)]


def test_a_skip_is_no_popularity_and_count_is_a_weight() -> None:
    route = PopularRoute()
    route.fit(house([(0, 0), (0, 1)], n_users=1, n_songs=2, behaviour=[Behaviour.SKIP, Behaviour.FULL_PLAY], count=[1, 7]))
    assert route.popularity.tolist() == [0, 7]


def test_scores_are_those_of_the_list_and_reload_is_the_same(tmp_path: Path) -> None:
    snapshot = house(PLAYS, n_users=3, n_songs=6)
    route = PopularRoute(PopularSettings(half_life_days=3))
    route.fit(snapshot)
    route.save(tmp_path)
    again = PopularRoute.load(tmp_path, snapshot)
    found, users = again.recall(np.array([0, 1], np.int32), 3), np.array([0, 1], np.int32)
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)
    assert again.settings == route.settings
    assert again.explain(users, users).length.tolist() == [0, 0]
