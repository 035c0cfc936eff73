from pathlib import Path

import numpy as np
import pytest
from small_house import house

from etl.behaviours import Behaviour
from recall.repeat import RepeatRoute, RepeatSettings


def test_base_level_activation_of_the_equation() -> None:
    route = RepeatRoute()
    route.fit(house([(0, 0), (0, 1), (0, 0)], n_users=1, n_songs=3, days_ago=[10, 4, 1], ordinal=False))
    score = route.score(np.zeros(3, np.int32), np.arange(3, dtype=np.int32))
    assert score.tolist() == pytest.approx([240**-0.5 + 24**-0.5, 96**-0.5, 0])


def test_ordinal_age_is_the_number_of_later_plays_plus_one() -> None:
    route = RepeatRoute()
    route.fit(house([(0, 0), (1, 1), (0, 1), (0, 0)], n_users=2, n_songs=2))
    score = route.score(np.array([0, 0, 1], np.int32), np.array([0, 1, 1], np.int32))
    assert score.tolist() == pytest.approx([3**-0.5 + 1, 2**-0.5, 1])


def test_ages_below_the_floor_stay_finite() -> None:
    route = RepeatRoute(RepeatSettings(floor_hours=2))
    route.fit(house([(0, 0), (0, 1)], n_users=1, n_songs=2, days_ago=[1 / 24, 0], ordinal=False))
    assert route.score(np.zeros(2, np.int32), np.arange(2, dtype=np.int32)).tolist() == pytest.approx([2**-0.5] * 2)


def test_exponential_halves_by_days_and_by_plays() -> None:
    settings = RepeatSettings(decay="exponential", half_life_days=7, half_life_plays=1)
    days, plays = RepeatRoute(settings), RepeatRoute(settings)
    days.fit(house([(0, 0), (0, 1)], n_users=1, n_songs=2, days_ago=[14, 7], ordinal=False))
    plays.fit(house([(0, 0), (0, 1)], n_users=1, n_songs=2))
    pair = np.zeros(2, np.int32), np.arange(2, dtype=np.int32)
    assert days.score(*pair).tolist() == pytest.approx([0.25, 0.5])
    assert plays.score(*pair).tolist() == pytest.approx([0.5, 1])


def test_lists_own_songs_only_and_the_path_is_the_song() -> None:
    route = RepeatRoute()
    route.fit(house([(0, 0), (0, 2), (1, 1)], n_users=3, n_songs=4))
    found = route.recall(np.array([1, 0, 2], np.int32), 5)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == [(1, 1), (0, 2), (0, 0)]
    paths = route.explain(np.array([0, 0], np.int32), np.array([2, 1], np.int32))
    assert paths.length.tolist() == [1, 0]
    assert paths.nodes[:, 0].tolist() == [2, -1]


def test_new_only_keeps_what_was_collected_and_never_played() -> None:
    route = RepeatRoute()
    route.fit(house([(0, 0), (0, 1)], n_users=1, n_songs=2, behaviour=[Behaviour.COLLECT, Behaviour.FULL_PLAY]))
    assert route.recall(np.zeros(1, np.int32), 5, new_only=True).item.tolist() == [0]


def test_reload_is_the_same(tmp_path: Path) -> None:
    snapshot = house([(0, 0), (0, 2), (1, 1)], n_users=3, n_songs=4)
    route = RepeatRoute(RepeatSettings(d=0.7))
    route.fit(snapshot)
    route.save(tmp_path)
    users = np.arange(3, dtype=np.int32)
    np.testing.assert_array_equal(RepeatRoute.load(tmp_path, snapshot).recall(users, 3).score, route.recall(users, 3).score)
