"""Robots and background playback on logs made here: who must be found, and who must not."""

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.activity import ACTIVITY_SCHEMA, activity, artist_codes
from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import Events
from etl.listens import derive_listens
from etl.robot_rules import RobotRules
from etl.robots import acts_per_hour, find_robots
from etl.rules import CleaningRules

HOUR, DAY = 3_600, 86_400
N_SONGS = 400
DURATION = np.full(N_SONGS, 240_000, dtype=np.int64)
ARTIST = (np.arange(N_SONGS) // 10).astype(np.int32)
RULES = RobotRules()
PLAY, CLICK, COLLECT = int(Behaviour.PLAY), int(Behaviour.CLICK), int(Behaviour.COLLECT)
Log = list[npt.NDArray[np.int64]]


def plays(user: int, start: int, hours: float, songs: list[int], *, ms: int = 240_000, scene: int = -1) -> Log:
    """Playback of `songs` in turn, one after the other, from `start` on for `hours`."""
    n = int(hours * HOUR * 1_000 // ms)
    rows = np.zeros((n, 6), dtype=np.int64)
    rows[:] = (user, 0, PLAY, start, scene, ms)
    rows[:, 1] = np.resize(songs, n)
    rows[:, 3] += np.arange(n) * ms // 1_000
    return [rows]


def acts(user: int, times: list[int], behaviour: int = CLICK) -> Log:
    return [np.array([(user, 0, behaviour, ts, -1, -1) for ts in times], dtype=np.int64).reshape(-1, 6)]


def listener(user: int, n_days: int, *, logged: bool = True) -> Log:
    """Two hours every evening, another song each time, a click each quarter of an hour."""
    log: Log = []
    for day in range(n_days):
        start = day * DAY + 18 * HOUR + user * 60
        log += plays(user, start, 2, [(user * 31 + day * 30 + song) % N_SONGS for song in range(30)])
        log += acts(user, [start + quarter * 900 for quarter in range(8)] if logged else [])
    return log


def events_of(*logs: Log) -> Events:
    rows = np.concatenate([rows for log in logs for rows in log])
    rows = rows[np.argsort(rows[:, 3], kind="stable")]
    user, item, behaviour, ts, scene, play_ms = rows.T
    n = len(rows)
    events = Events(
        user.astype(np.int32), item.astype(np.int32), behaviour.astype(np.int8), ts.copy(), scene.astype(np.int16),
        play_ms.astype(np.int32), np.full(n, -1, np.int8), np.ones(n, np.float32), np.arange(n),
    )  # fmt: skip
    return derive_listens(events, DURATION, CleaningRules())


def found(*logs: Log, rules: RobotRules = RULES, search: int = -1) -> dict[int, list[tuple[str, int, int, str]]]:
    """What is flagged among five ordinary listeners (users 0 to 4, six days) and `logs`: by user (kind, since, until, reason)."""
    events = events_of(*(listener(user, 6) for user in range(5)), *logs)
    verdicts = find_robots(activity(events, DURATION, ARTIST, rules, search=search), rules)
    by_user: dict[int, list[tuple[str, int, int, str]]] = {}
    for user, since, until, kind, reason in verdicts.iter_rows():
        by_user.setdefault(user, []).append((kind, since, until, reason))
    return by_user


def test_ordinary_listeners_light_ones_and_exposures_alone_are_left_in_peace() -> None:
    shown = acts(6, list(range(0, 6 * DAY, 60)), int(Behaviour.EXPOSURE))
    assert found(plays(5, 0, 0.1, [1]), shown) == {}


def test_a_shop_that_loops_a_playlist_is_a_robot_with_its_reason() -> None:
    playlist = list(range(40))
    shop = [log for day in range(6) for log in plays(9, day * DAY + 2 * HOUR, 12, playlist)]
    staff = acts(9, [day * DAY + 2 * HOUR for day in range(6)])
    verdicts = found(shop, staff)
    assert list(verdicts) == [9]
    [(kind, since, until, reason)] = verdicts[9]
    assert (kind, since, until) == ("robot", 2 * HOUR, 5 * DAY + 14 * HOUR - 240)
    assert reason == "12.0 h of plays a day on 6 of 6 days, 6 acts in 1080 plays, at most 40 songs a day"


def test_playback_round_the_clock_is_a_robot_even_where_a_hand_is_seen() -> None:
    always = [log for day in range(4) for log in plays(9, day * DAY, 24, list(range(300)))]
    assert found(always, acts(9, list(range(0, 4 * DAY, 300))))[9][0][0] == "robot"


def test_a_farm_that_pushes_songs_for_thirty_one_seconds_each_is_a_robot() -> None:
    farm = [log for day in range(3) for log in plays(9, day * DAY + 5 * HOUR, 2, [70, 71, 72], ms=31_000)]
    [(kind, _, _, reason)] = found(farm, acts(9, [5 * HOUR]))[9]
    assert kind == "robot"
    assert reason == (
        "696 of 696 plays end early but not before they pay, 696 of them of a day's most played artist, at most 3 songs a day"
    )


def test_a_farm_may_wait_longer_and_click_more() -> None:
    farm = [log for day in range(3) for log in plays(9, day * DAY + 5 * HOUR, 2, [70, 71, 72], ms=100_000)]
    assert found(farm, acts(9, list(range(5 * HOUR, 2 * DAY + 7 * HOUR, 1_000))))[9][0][0] == "robot"


def test_songs_heard_out_in_loops_for_days_by_no_hand_are_pushed() -> None:
    pushing = [log for day in range(6) for log in plays(9, day * DAY + 5 * HOUR, 2, [70, 71, 72])]
    [(kind, _, _, reason)] = found(pushing, acts(9, [5 * HOUR]))[9]
    assert kind == "robot"
    assert reason == "180 of 180 plays in loops of at most 3 songs a day, 1 acts in 12 h of plays on 6 days"
    assert found(pushing[:4]) == {}


def test_a_fan_of_one_song_who_is_seen_is_a_fan_for_days() -> None:
    loops = [log for day in range(8) for log in plays(9, day * DAY + 5 * HOUR, 2, [70])]
    assert found(loops, acts(9, [day * DAY + 5 * HOUR for day in range(8)])) == {}


def test_a_sampler_of_many_songs_for_half_a_minute_is_no_farm() -> None:
    sampler = [log for day in range(3) for log in plays(9, day * DAY, 2, list(range(day * 100, day * 100 + 240)), ms=31_000)]
    assert found(sampler) == {}


def test_an_album_left_on_overnight_is_background_and_the_listener_none() -> None:
    night = plays(0, 2 * DAY + 20 * HOUR + 60, 8, list(range(12)))
    [(kind, since, until, reason)] = found(night)[0]
    # The night goes on past midnight; it begins after the last touch of the evening.
    assert kind == "background"
    assert 2 * DAY + 19 * HOUR + 45 * 60 <= since <= 2 * DAY + 20 * HOUR + 60
    assert until == 3 * DAY + 4 * HOUR + 60 - 240
    assert reason.startswith("8.2 h of plays without a touch, 123 plays")


def test_a_fan_who_loops_one_song_for_an_evening_is_a_fan() -> None:
    assert found(plays(0, 2 * DAY + 3 * HOUR, 4, [7])) == {}


def test_a_touch_of_any_kind_ends_a_stretch() -> None:
    touch = {"click": CLICK, "heart": COLLECT, "refusal": int(Behaviour.DISLIKE), "comment": int(Behaviour.COMMENT)}
    assert list(found(plays(0, 3 * HOUR, 7, list(range(50))))) == [0]
    for behaviour in touch.values():
        assert found(plays(0, 3 * HOUR, 7, list(range(50))), acts(0, [6 * HOUR + 30], behaviour)) == {}
    assert found(plays(0, 3 * HOUR, 3, list(range(50))), plays(0, 6 * HOUR, 4, list(range(50)), ms=60_000)) == {}
    assert found(plays(0, 3 * HOUR, 3.5, [1, 2, 3], scene=1), plays(0, 6 * HOUR + HOUR // 2, 3.5, [1, 2, 3], scene=2)) == {}
    assert found(plays(0, 3 * HOUR, 3, [1, 2]), plays(0, 6 * HOUR + 901, 3, [1, 2])) == {}
    assert list(found(plays(0, 3 * HOUR, 3, [1, 2]), plays(0, 6 * HOUR + 899, 3, [1, 2]))) == [0]
    searched = plays(0, 6 * HOUR, 0.2, [9], scene=4)
    assert found(plays(0, 3 * HOUR, 3, [1, 2], scene=4), searched, plays(0, 6 * HOUR + 720, 3, [1, 2]), search=4) == {}


def test_one_silent_day_of_a_listener_is_background_and_not_the_account() -> None:
    verdicts = found(plays(0, 3 * HOUR, 9, list(range(50))), plays(0, 9 * DAY + 3 * HOUR, 9, list(range(50))))
    assert [verdict[0] for verdict in verdicts[0]] == ["background", "background"]


@pytest.mark.parametrize(("hours", "songs", "expected"), [(9, 200, 0), (9, 10, 1), (13, 400, 1)])
def test_where_no_acts_are_logged_only_the_hours_speak(hours: int, songs: int, expected: int) -> None:
    others = [listener(user, 6, logged=False) for user in range(5)]
    night = plays(9, 3 * HOUR, hours, list(range(songs))) + plays(9, 4 * DAY, 1, [1])
    days = activity(events_of(*others, night), DURATION, ARTIST, RULES)
    assert acts_per_hour(days) == 0.0
    verdicts = find_robots(days, RULES)
    assert verdicts["user"].to_list() == [9] * expected
    assert all("without a break" in reason for reason in verdicts["reason"])


def test_a_long_working_day_is_no_robot_where_no_acts_are_logged() -> None:
    others = [listener(user, 6, logged=False) for user in range(5)]
    worker = [log for day in range(5) for log in plays(9, day * DAY + 8 * HOUR, 9, list(range(day * 50, day * 50 + 100)))]
    assert find_robots(activity(events_of(*others, worker), DURATION, ARTIST, RULES), RULES).is_empty()


def test_a_day_is_told_as_it_was() -> None:
    log = [
        (0, 1, PLAY, 100, 1, 240_000), (0, 2, PLAY, 340, 1, 240_000), (0, 1, PLAY, 580, 1, 240_000), (0, 2, PLAY, 820, 1, 31_000),
        (0, 2, COLLECT, 840, 1, -1), (0, 30, PLAY, HOUR, 2, 5_000), (0, 30, int(Behaviour.EXPOSURE), HOUR + 9, 2, -1),
    ]  # fmt: skip
    days = activity(events_of([np.array(log, dtype=np.int64)]), DURATION, ARTIST, RULES)
    told = days.row(0, named=True)
    expected = {
        "user": 0, "day": 0, "first": 100, "last": HOUR + 9, "plays": 5, "hours": 0b11, "heard": 756, "brief": 1, "clicks": 0,
        "hearts": 1, "refusals": 0, "left": 2, "scene_changes": 1, "songs": 3, "top_song": 2, "top_artist": 4, "echoes": 1,
        "longest_start": 100, "longest_end": 820, "longest_plays": 4, "longest_songs": 2,
        "head_start": 100, "head_end": 820, "head_plays": 4, "head_songs": 2,
        "tail_start": -1, "tail_end": -1, "tail_plays": -1, "tail_songs": -1,
    }  # fmt: skip
    assert told == expected
    assert days.schema == ACTIVITY_SCHEMA


ROWS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(0, 12), st.sampled_from([0, CLICK, PLAY, PLAY, PLAY, COLLECT]), st.integers(0, 4 * DAY),
        st.integers(-1, 1), st.sampled_from([-1, 10_000, 31_000, 240_000]),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_day_by_day_is_all_at_once(rows: list[tuple[int, ...]]) -> None:
    events = events_of([np.array(rows, dtype=np.int64)])
    whole = activity(events, DURATION, ARTIST, RULES)
    parts = [activity(events.take(events.ts // DAY == day), DURATION, ARTIST, RULES) for day in np.unique(events.ts // DAY)]
    assert pl.concat(parts).sort("user", "day").equals(whole)
    assert whole["plays"].sum() == np.sum(events.behaviour == PLAY)
    assert (whole["songs"] <= whole["plays"]).all()
    find_robots(whole, RULES)


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_of_two_rules_the_stricter_flags_no_more(rows: list[tuple[int, ...]]) -> None:
    days = activity(events_of([np.array(rows, dtype=np.int64)]), DURATION, ARTIST, RULES)
    loose = find_robots(days, RobotRules(stretch_hours=0.1, loop_hours=0.1, unlogged_hours=0.5))
    strict = find_robots(days, RobotRules(stretch_hours=0.2, loop_hours=0.2, unlogged_hours=1.0))
    assert set(strict.select("user", "since").iter_rows()) <= set(loose.select("user", "since").iter_rows())


def test_no_events_no_robots() -> None:
    nothing = events_of([np.zeros((0, 6), dtype=np.int64)])
    assert find_robots(activity(nothing, DURATION, ARTIST, RULES), RULES).is_empty()


def test_artists_of_songs_are_coded_by_their_line() -> None:
    codes = artist_codes(pl.DataFrame({"artist": ["b", None, "a", "b", ""]}))
    assert codes[0] == codes[3] != codes[2]
    assert codes[1] == codes[4] == -1
    assert artist_codes(pl.DataFrame({"song_id": ["1"]})).tolist() == [-1]


@pytest.mark.parametrize(
    "wrong", [{"silence": 0.0}, {"day_hours": 25}, {"pause": 0}, {"unlogged_hours": 1.0}, {"brief_seconds": 20}, {"day_share": 1.5}]
)
def test_nonsense_is_refused_in_one_line(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=rf"^\[etl.robots\] {next(iter(wrong))} = .*: give|^\[etl.robots\] .* is less than .*: give more$"):
        RobotRules(**wrong)  # type: ignore[arg-type]
