from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from profile_house import ARTIST_X, DAY, MV, N_SONGS, N_USERS, START, catalogue, lake, log, played, triples

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.facets import SongFacets
from etl.song_profile import COUNTED, RATES, WINDOWS, SongProfiles, SongRules

FACETS = SongFacets.of(catalogue(), triples())
EVENT = st.tuples(
    st.integers(0, N_USERS - 1),
    st.sampled_from([0, 1, 2, MV, ARTIST_X]),
    st.sampled_from(list(Behaviour)),
    st.integers(START - 3 * DAY, START + 60 * DAY),
)


def of(rows: list[tuple[Any, ...]], at: int | None, rules: SongRules | None = None) -> pl.DataFrame:
    return SongProfiles.of(log(rows), FACETS, N_USERS, rules or SongRules(), at=at).table


def test_counts_and_smoothed_rates() -> None:
    rows = [
        *played(0, 0, START, Behaviour.FULL_PLAY, 0),
        *played(1, 0, START, Behaviour.FULL_PLAY, 1),
        *played(1, 0, START, Behaviour.SKIP, 2),
        *played(1, 1, START, Behaviour.SKIP, 3),
        (1, 0, Behaviour.COLLECT, START),
        (1, 0, Behaviour.BLOCK_SONG, START),
        (1, ARTIST_X, Behaviour.BLOCK_ARTIST, START),
        (1, MV, Behaviour.PLAY, START),
        (0, 2, Behaviour.EXPOSURE, START),
    ]
    table = of(rows, START, SongRules(prior=2))
    assert table["plays"].to_list() == [3, 1, 0]
    assert table["listeners"].to_list() == [2, 1, 0]
    assert table["full_plays"].to_list() == [2, 0, 0]
    assert table["refusals"].to_list() == [1, 0, 0]
    assert table["exposures"].to_list() == [0, 0, 1]
    assert table["play_through_rate"].to_list() == pytest.approx([(2 + 2 / 2) / 5, (0 + 2 / 2) / 3, 1 / 2])
    assert table["hearts_per_play"].to_list() == pytest.approx([(1 + 2 / 4) / 5, 0.5 / 3, 0.25])
    assert table["click_rate"].to_list() == [0, 0, 0]
    assert table.columns == ["plays", "listeners", *COUNTED, *RATES, *WINDOWS[False], "popularity", "trend"]


def test_an_event_that_stands_for_many_counts_as_many() -> None:
    table = of([(0, 0, Behaviour.PLAY, START, 7.0), (0, 0, Behaviour.PLAY, START - 14 * DAY, 2.0)], START)
    assert table["plays"][0] == 9
    assert table["listeners"][0] == 1
    assert table["plays_day"][0] == 7
    assert table["popularity"][0] == pytest.approx(7 + 2 / 2)


def test_windows_and_trend() -> None:
    days = [0.5, 1, 1.5, 7, 7.5, 28, 29]
    rising = [(0, 0, Behaviour.PLAY, START - int(day * DAY)) for day in days]
    steady = [(1, 1, Behaviour.PLAY, START - day * DAY) for day in range(1, 29)]
    table = of(rising + steady, START)
    assert table["plays_day"].to_list() == [2, 1, 0]
    assert table["plays_week"].to_list() == [4, 7, 0]
    assert table["plays_month"].to_list() == [6, 28, 0]
    assert table["trend"][0] > 0 > table["trend"][1]
    assert table["trend"][2] == pytest.approx(0)
    share = 11 / 34
    assert table["trend"][0] == pytest.approx(np.log2((4 + 10 * share) / 16 / share))


def test_ordinal_time_counts_each_listeners_own_events() -> None:
    mine = [row for place in range(60) for row in played(0, 0, START + place, Behaviour.FULL_PLAY, place)]
    others = played(1, 1, START, Behaviour.FULL_PLAY, 100)  # long ago on the clock, their latest event all the same
    table = of(mine + others, None, SongRules(half_life_events=1))
    assert table["plays_last_10"].to_list() == [10, 1, 0]
    assert table["plays_last_50"].to_list() == [50, 1, 0]
    assert table["popularity"].to_list() == pytest.approx([2, 1, 0])


def test_facts_are_those_valid_at_the_moment() -> None:
    early, late = (SongProfiles.of(log([]), FACETS, N_USERS, at=START + day * DAY).frame(catalogue()) for day in (4, 5))
    assert early["scene"].to_list() == [[], [], []]
    assert late["scene"][0].to_list() == [{"name": "night", "weight": 0.25}]
    assert [singer["name"] for singer in late["artist"][0]] == ["x", "y"]
    assert late["title"].to_list() == ["One", "Two", "Three"]
    assert "popularity" in late.columns
    assert late["popularity"].to_list() == [0, 0, 0]  # the source says 9, at its own time


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, max_size=30), st.integers(-3 * DAY, 61 * DAY))
def test_no_later_event_changes_a_profile(rows: list[tuple[Any, ...]], after: int) -> None:
    rows, t = sorted(rows, key=lambda row: row[3]), START + after
    events = log(rows)
    profiles = SongProfiles.as_of(lake(events), t)
    assert_frame_equal(profiles.table, SongProfiles.as_of(lake(events.take(events.ts < t)), t).table)
    assert profiles.table.height == N_SONGS
    assert profiles.table["plays"].sum() == sum(
        row[1] < N_SONGS and Behaviour.PLAY <= row[2] <= Behaviour.SKIP and row[3] < t for row in rows
    )
    assert np.isfinite(profiles.table.to_numpy()).all()
    assert all(profiles.table[rate].min() >= 0 and profiles.table[rate].max() < np.inf for rate in RATES)


def test_what_is_not_learned_from_does_not_count() -> None:
    events = log([(user, 0, Behaviour.PLAY, START) for user in range(3)])
    profiles = SongProfiles.as_of(lake(events), START + 1, facets=FACETS, learned=np.array([True, False, True]))
    assert profiles.table["plays"][0] == 2


def test_the_future_has_no_part_and_wrong_rules_are_named() -> None:
    with pytest.raises(ValueError, match="cannot be part"):
        of([(0, 0, Behaviour.PLAY, START)], START - 1)
    with pytest.raises(UserError, match="prior"):
        SongRules(prior=0)
