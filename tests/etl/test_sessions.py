from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import Events
from etl.session_rules import SessionRules
from etl.sessions import Sessions, session_starts

N_USERS = 3
RULES = SessionRules(scene_change=True, max_duration=60, gap=20)
OFF = SessionRules(scene_change=False, max_duration=0, gap=0)
Row = tuple[int, int, int, int]


def log(rows: list[Row]) -> Events:
    """Events from (user, ts, scene, behaviour), put in time order as the lake does."""
    rows = sorted(rows, key=lambda row: row[1])
    n = len(rows)
    user, ts, scene, behaviour = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(4))
    return Events(
        user.astype(np.int32), np.arange(n, dtype=np.int32), behaviour.astype(np.int8), ts, scene.astype(np.int16),
        np.full(n, -1, np.int32), np.full(n, -1, np.int8), np.ones(n, np.float32), np.arange(n),
    )  # fmt: skip


def one(*moments: tuple[int, int] | tuple[int, int, int], rules: SessionRules = RULES, clock: bool = True) -> list[int]:
    """Session numbers of one listener's (ts, scene[, behaviour])."""
    rows = [(0, moment[0], moment[1], moment[2] if len(moment) == 3 else int(Behaviour.PLAY)) for moment in moments]
    return Sessions.of(log(rows), rules, 1, clock=clock).of_event.tolist()


BEHAVIOURS = st.sampled_from([Behaviour.EXPOSURE, Behaviour.CLICK, Behaviour.PLAY])
ROWS = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, 200), st.integers(-1, 2), BEHAVIOURS), max_size=40)
RULE_SETS = st.builds(SessionRules, st.booleans(), st.sampled_from([0, 30, 60]), st.sampled_from([0, 5, 20]))


def test_each_rule_cuts_where_it_says() -> None:
    assert one((0, -1), (20, -1), (41, -1)) == [0, 0, 1]
    assert one((0, -1), (20, -1), (40, -1), (60, -1), (61, -1)) == [0, 0, 0, 0, 1]
    assert one((0, 1), (1, 1), (2, 2), (3, 1)) == [0, 0, 1, 2]


def test_the_duration_counts_from_the_session_that_it_cuts() -> None:
    assert one(*((at, 0) for at in range(0, 200, 20))) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_an_unknown_scene_changes_nothing() -> None:
    assert one((0, 1), (1, -1), (2, 1), (3, -1), (4, 2)) == [0, 0, 0, 0, 1]
    assert one((0, -1), (1, 2), (2, 1)) == [0, 0, 1]


def test_a_second_of_several_scenes_has_none_and_is_never_cut() -> None:
    assert one((0, 1), (5, 1), (5, 2), (5, 1), (6, 1)) == [0, 0, 0, 0, 0]
    assert one((0, 1), (5, 1), (5, 2), (6, 2)) == [0, 0, 0, 1]
    assert one((0, 1), (5, 2), (5, -1)) == [0, 1, 1]


def test_an_exposure_opens_a_session_but_keeps_none_alive() -> None:
    shown = int(Behaviour.EXPOSURE)
    assert one((0, -1), (15, -1, shown), (25, -1)) == [0, 0, 1]
    assert one((0, -1, shown), (15, -1), (34, -1)) == [0, 0, 0]
    assert one((0, 1), (1, 2, shown), (2, 2)) == [0, 1, 1]


def test_rules_off_leave_one_session_a_listener_and_times_without_a_clock_only_scenes() -> None:
    events = log([(0, 0, 1, 2), (1, 10**9, -1, 2), (0, 10**9, 2, 2)])
    assert Sessions.of(events, OFF, N_USERS).of_event.tolist() == [0, 1, 0]
    assert Sessions.of(events, RULES, N_USERS, clock=False).of_event.tolist() == [0, 2, 1]
    assert one((0, 1), (10**9, 1), (2 * 10**9, 2), clock=False) == [0, 0, 1]


@pytest.mark.parametrize("wrong", [{"gap": -1}, {"max_duration": -60}])
def test_nonsense_is_refused_in_one_line(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=rf"\[etl.sessions\] {next(iter(wrong))} = -\d+: give seconds"):
        SessionRules(**wrong)


@settings(max_examples=60, deadline=None)
@given(ROWS, RULE_SETS)
def test_sessions_partition_the_events_and_the_table_tells_of_them(rows: list[Row], rules: SessionRules) -> None:
    events = log(rows)
    sessions = Sessions.of(events, rules, N_USERS)
    assert sessions.n_events.sum() == len(events) == len(sessions.of_event)
    assert sessions.offsets[-1] == len(sessions) == sessions.frame().height
    for number in range(len(sessions)):
        held = np.flatnonzero(sessions.of_event == number)
        whole = np.flatnonzero(events.user == sessions.user[number])
        assert sessions.offsets[sessions.user[number]] <= number < sessions.offsets[sessions.user[number] + 1]
        assert held.tolist() == [row for row in whole.tolist() if held[0] <= row <= held[-1]]
        assert (sessions.first[number], sessions.last[number]) == (held[0], held[-1])
        assert (sessions.start[number], sessions.end[number]) == (events.ts[held[0]], events.ts[held[-1]])
        assert (sessions.n_events[number], sessions.n_plays[number]) == (len(held), np.sum(events.behaviour[held] == Behaviour.PLAY))
        assert sessions.scene[number] in (-1, *events.scene[held])
        if rules.max_duration:
            assert sessions.end[number] - sessions.start[number] <= rules.max_duration


@settings(max_examples=60, deadline=None)
@given(ROWS, RULE_SETS, st.randoms(use_true_random=False))
def test_the_order_of_the_source_rows_says_nothing(rows: list[Row], rules: SessionRules, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    tables = [Sessions.of(log(order), rules, N_USERS).frame().drop("first", "last") for order in (rows, shuffled)]
    assert tables[0].equals(tables[1])


@settings(max_examples=60, deadline=None)
@given(ROWS, RULE_SETS, st.sampled_from(["scene_change", "max_duration", "gap"]))
def test_a_rule_less_never_makes_more_sessions(rows: list[Row], rules: SessionRules, name: str) -> None:
    events = log(rows)
    fewer = np.diff(Sessions.of(events, replace(rules, **{name: type(getattr(rules, name))(0)}), N_USERS).offsets)
    assert np.all(fewer <= np.diff(Sessions.of(events, rules, N_USERS).offsets))


@settings(max_examples=60, deadline=None)
@given(ROWS, RULE_SETS, st.integers(0, 200))
def test_later_events_change_no_earlier_session(rows: list[Row], rules: SessionRules, t: int) -> None:
    early = Sessions.of(log([row for row in rows if row[1] < t]), rules, N_USERS)
    whole = Sessions.of(log(rows), rules, N_USERS)
    n = len(early.of_event)
    assert (early.of_event - early.offsets[early.user[early.of_event]]).tolist() == (
        (whole.of_event - whole.offsets[whole.user[whole.of_event]])[:n].tolist()
    )


@settings(max_examples=60, deadline=None)
@given(ROWS, RULE_SETS, st.integers(0, 200))
def test_sessions_cut_at_a_time_are_those_of_each_side_alone(rows: list[Row], rules: SessionRules, t: int) -> None:
    events = log(rows)
    after = events.ts >= t
    cut = Sessions.of(events, rules, N_USERS, part=after)
    assert not len(cut.crossing(after))
    columns = ("user", "start", "end", "scene", "n_events", "n_plays")
    sides = [Sessions.of(events.take(side), rules, N_USERS).frame().select(columns) for side in (~after, after)]
    assert cut.frame().select(columns).equals(sides[0].vstack(sides[1]).sort("user", maintain_order=True))


def test_a_session_that_crosses_the_split_is_named() -> None:
    events = log([(0, 0, -1, 2), (0, 10, -1, 2), (1, 0, -1, 2), (1, 100, -1, 2)])
    sessions = Sessions.of(events, RULES, N_USERS)
    assert sessions.crossing(events.ts >= 10).tolist() == [0]
    assert not len(sessions.crossing(events.ts >= 101))


def test_a_cut_inside_a_second_holds() -> None:
    events = log([(0, 5, 1, 2), (0, 5, 1, 2), (0, 5, 1, 2)])
    assert Sessions.of(events, RULES, 1, part=np.array([0, 0, 1])).of_event.tolist() == [0, 0, 1]


def test_starts_of_sorted_columns_are_those_of_the_table() -> None:
    events = log([(0, 0, 1, 2), (0, 10, 2, 2), (0, 40, 2, 2), (1, 0, -1, 2), (1, 5, -1, 2)])
    order = np.lexsort((events.ts, events.user))
    starts = session_starts(events.user[order], events.ts[order], events.scene[order], RULES)
    assert starts.tolist() == [True, True, True, True, False]
    assert np.sum(starts) == len(Sessions.of(events, RULES, N_USERS))
