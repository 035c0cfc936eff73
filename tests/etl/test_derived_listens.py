import numpy as np
import pytest

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import Events
from etl.listens import derive_listens
from etl.rules import CleaningRules

PLAY, FULL, SKIP, CLICK = Behaviour.PLAY, Behaviour.FULL_PLAY, Behaviour.SKIP, Behaviour.CLICK
DURATIONS = np.array([100_000, 20_000, -1], dtype=np.int64)
"""Song 0 lasts 100 s, song 1 lasts 20 s, of song 2 it is unknown; item 3 is no song."""


def plays(*pairs: tuple[int, int], behaviours: list[Behaviour] | None = None) -> Events:
    """Plays of (item, play_ms)."""
    n = len(pairs)
    return Events(
        np.zeros(n, np.int32), np.array([pair[0] for pair in pairs], np.int32), np.array(behaviours or [PLAY] * n, np.int8),
        np.arange(n), np.full(n, -1, np.int16), np.array([pair[1] for pair in pairs], np.int32), np.full(n, -1, np.int8),
        np.ones(n, np.float32), np.arange(n),
    )  # fmt: skip


def said(item: int, play_ms: int, rules: CleaningRules | None = None) -> list[Behaviour]:
    """What is derived from one play."""
    events = derive_listens(plays((item, play_ms)), DURATIONS, rules or CleaningRules())
    return [Behaviour(code) for code in events.behaviour[1:]]


@pytest.mark.parametrize(
    ("item", "play_ms", "derived"),
    [
        (0, 80_000, [FULL]),
        (0, 79_999, []),
        (0, 30_000, []),
        (0, 29_999, [SKIP]),
        (0, 0, [SKIP]),
        (0, 250_000, [FULL]),
        (1, 16_000, [FULL]),
        (1, 10_000, []),
        (1, 9_999, [SKIP]),
        (0, -1, [FULL]),
        (2, 30_000, [FULL]),
        (2, 29_999, []),
        (3, 60_000, [FULL]),
    ],
)
def test_default_rules_at_their_limits(item: int, play_ms: int, derived: list[Behaviour]) -> None:
    assert said(item, play_ms) == derived


def test_named_rules_change_what_is_derived() -> None:
    assert said(0, -1, CleaningRules(unknown_length="none")) == []
    assert said(0, 50_000, CleaningRules(full_play_share=0.5)) == [FULL]
    assert said(0, 40_000, CleaningRules(skip_ms=50_000)) == [SKIP]
    assert said(0, 29_000, CleaningRules(skip_share=0.2)) == []
    assert said(0, 90_000, CleaningRules(derive="never")) == []


def test_derived_events_follow_their_play_and_share_its_source() -> None:
    events = derive_listens(plays((0, 90_000), (0, 50_000), (0, 1_000)), DURATIONS, CleaningRules())
    assert events.behaviour.tolist() == [PLAY, FULL, PLAY, PLAY, SKIP]
    assert events.source.tolist() == [0, 0, 1, 2, 2]
    assert events.play_ms.tolist() == [90_000, 90_000, 50_000, 1_000, 1_000]
    assert events.behaviour.dtype == np.int8


def test_a_name_that_the_source_gives_is_not_derived() -> None:
    events = derive_listens(plays((0, 90_000), (0, 1_000), (0, -1), behaviours=[PLAY, PLAY, FULL]), DURATIONS, CleaningRules())
    assert events.behaviour.tolist() == [PLAY, PLAY, SKIP, FULL]


def test_a_rule_decides_by_the_exact_share() -> None:
    length = 200_000_000
    log = plays((0, 4 * length // 5 - 1), (0, 4 * length // 5))
    assert derive_listens(log, np.array([length]), CleaningRules()).behaviour.tolist() == [PLAY, PLAY, FULL]


def test_other_behaviours_derive_nothing() -> None:
    assert derive_listens(plays((0, 90_000), behaviours=[CLICK]), DURATIONS, CleaningRules()).behaviour.tolist() == [CLICK]
    assert len(derive_listens(plays(), DURATIONS, CleaningRules())) == 0


@pytest.mark.parametrize(
    "setting", [{"full_play_share": 0.0}, {"skip_share": 1.5}, {"skip_ms": -1}, {"unknown_length": "half"}, {"derive": "always"}]
)
def test_impossible_rules_are_a_users_mistake(setting: dict[str, object]) -> None:
    with pytest.raises(UserError, match=rf"\[etl\] {next(iter(setting))}"):
        CleaningRules(**setting)  # type: ignore[arg-type]
