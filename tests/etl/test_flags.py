"""Events that stay in the lake and out of learning, each under the rule that says why."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from source_house import DAY, NOW, Rows, build, house, rows

from etl.behaviours import BLOCKING, Behaviour
from etl.errors import UserError
from etl.events import Events
from etl.flags import Flag, Flagging, first_ts
from etl.lake import ROBOT_SCHEMA, Lake
from etl.report import EtlReport
from etl.rules import CleaningRules

NOBODY = pl.DataFrame(schema=ROBOT_SCHEMA)


def log(*events: tuple[int, int, Behaviour, int]) -> Events:
    """Events `(user, ts, behaviour, play_ms)`."""
    user, ts, behaviour, play_ms = (np.array(column) for column in zip(*events, strict=True))
    n = len(user)
    return Events(
        user.astype(np.int32), np.zeros(n, np.int32), behaviour.astype(np.int8), ts.astype(np.int64), np.full(n, -1, np.int16),
        play_ms.astype(np.int32), np.full(n, -1, np.int8), np.ones(n, np.float32), np.arange(n, dtype=np.int64),
    )  # fmt: skip


def flags(events: Events, robots: pl.DataFrame = NOBODY, first: int | None = None, **rules: int) -> list[Flag]:
    settings = CleaningRules(**rules)  # type: ignore[arg-type]
    flagging = Flagging(settings, robots, first, capped=np.full(9, settings.user_cap > 0))
    return [Flag(code) for code in flagging.codes(events, np.zeros(9, dtype=np.int64))]


def spans(*found: tuple[int, int, int, str]) -> pl.DataFrame:
    return pl.DataFrame([(*span, "so") for span in found], schema=ROBOT_SCHEMA, orient="row")


def test_a_short_exposure_needs_a_known_time() -> None:
    shown = log(*((0, at, Behaviour.EXPOSURE, ms) for at, ms in enumerate((-1, 0, 499, 500))), (0, 9, Behaviour.PLAY, 10))
    assert flags(shown) == [Flag.NONE, Flag.SHORT_EXPOSURE, Flag.SHORT_EXPOSURE, Flag.NONE, Flag.NONE]
    assert set(flags(shown, short_exposure_ms=0)) == {Flag.NONE}


def test_flagged_is_what_lies_within_a_span_of_its_user() -> None:
    events = log(*((user, at, Behaviour.PLAY, -1) for user, at in ((1, 9), (1, 10), (2, 10), (1, 20), (1, 21), (0, 30), (1, 41), (1, 50))))
    found = spans((0, 0, 99, "robot"), (1, 10, 20, "background"), (1, 40, 41, "background"))
    expected = [Flag.NONE, Flag.BACKGROUND, Flag.NONE, Flag.BACKGROUND, Flag.NONE, Flag.ROBOT, Flag.BACKGROUND, Flag.NONE]
    assert flags(events, found) == expected


def test_refusals_are_never_flagged() -> None:
    every = log(*((0, 10 + code, behaviour, 0) for code, behaviour in enumerate(Behaviour)))
    found = flags(every, spans((0, 0, 99, "robot")), first=99, user_cap=1)
    assert [behaviour for behaviour, flag in zip(Behaviour, found, strict=True) if flag == Flag.NONE] == list(BLOCKING)


def test_the_cap_keeps_each_users_last_events() -> None:
    events = log(*((user, at, Behaviour.PLAY, -1) for at, user in enumerate((0, 1, 0, 0, 1, 0))))
    assert [int(flag) for flag in flags(events, user_cap=2)] == [5, 0, 5, 0, 0, 0]
    assert set(flags(events, user_cap=0)) == {Flag.NONE}


def test_later_days_count_towards_the_cap() -> None:
    flagging, later = Flagging(CleaningRules(user_cap=2), NOBODY, None, capped=np.full(2, True)), np.zeros(2, dtype=np.int64)
    day = log((0, 1, Behaviour.PLAY, -1), (1, 2, Behaviour.PLAY, -1), (0, 3, Behaviour.PLAY, -1))
    assert flagging.codes(day, later).tolist() == [0, 0, 0]
    assert later.tolist() == [2, 1]
    assert flagging.codes(day, later).tolist() == [5, 0, 5]


def test_a_log_begins_where_the_first_hundredth_lies_behind() -> None:
    days = {0: 1, 20_000: 100, 20_001: 100}
    assert first_ts(days, CleaningRules(skew_days=10)) == (20_000 - 10) * DAY
    assert first_ts({0: 50, 20_000: 100}, CleaningRules(skew_days=10)) == -10 * DAY
    assert first_ts(days, CleaningRules(skew_days=0)) is None
    assert first_ts({}, CleaningRules()) is None
    with pytest.raises(UserError, match="skew_days"):
        CleaningRules(skew_days=-1)


def shop(hours: int) -> Rows:
    """An account that plays three songs in turn for hours of each of ten days, and listeners who click what they hear."""
    plays = [
        (f"m{day}-{i}", "mall", f"s{i % 3 + 1}", "play", NOW - (12 - day) * DAY + i * 200) for day in range(10) for i in range(hours * 18)
    ]
    acts = [
        (f"{act}{user}-{day}-{i}", f"u{user}", "s1", act, NOW - (12 - day) * DAY + i * 300)
        for user in range(6) for day in range(10) for i in range(6) for act in ("click", "play", "collect")
    ]  # fmt: skip
    return rows("event_id user_id item_id behaviour ts", *plays, *acts)


def made(tmp_path: Path) -> tuple[Lake, EtlReport]:
    old = rows("event_id user_id item_id behaviour ts", ("reset", "u1", "s1", "play", 86_400))
    return build(tmp_path / "music.db", house() | {"events": [*shop(20), *old], "comments": []})


def test_the_lake_flags_a_shop_and_a_reset_clock(tmp_path: Path) -> None:
    lake, report = made(tmp_path)
    mall = lake.catalogue.user("mall")
    assert lake.robots["user"].to_list() == [mall]
    assert lake.robots["kind"].to_list() == ["robot"]
    assert np.array_equal(lake.flag == Flag.ROBOT, lake.events.user == mall)
    assert np.flatnonzero(lake.flag == Flag.CLOCK_SKEW).tolist() == [0, 1]  # the play and what is derived from it
    assert report.flagged["robot"] == int((lake.events.user == mall).sum()) > 3_000
    assert report.flagged["clock_skew"] == 2
    lake.write(tmp_path / "again")
    assert np.array_equal(Lake.read(tmp_path / "again").flag, lake.flag)
