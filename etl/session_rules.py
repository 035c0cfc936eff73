"""The named rules by which a listener's log is parted into sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from etl.errors import UserError


@dataclass(frozen=True)
class SessionRules:
    """Settings of `[etl.sessions]`: when a listener's event begins a new session."""

    scene_change: bool = True
    """In another scene than the session's: listeners choose a scene for a purpose (the talk's first rule)."""
    max_duration: int = 3_600
    """Later than this many seconds after the session's first event, 0: off (the talk's second rule: attention tires).

    The talk leaves T_max unsaid. An hour is about fifteen songs of four minutes: an album, a way to work, and what session models
    read of a session (10 behaviours in DSIN, Feng et al. 2019; at most 20 tracks in Spotify's MSSD, Brost et al. 2019).
    """
    gap: int = 1_800
    """Later than this many seconds after the listener's last act, 0: off (DSIN's rule: 30 minutes)."""

    def __post_init__(self) -> None:
        for name in ("max_duration", "gap"):
            if getattr(self, name) < 0:
                raise UserError(f"[etl.sessions] {name} = {getattr(self, name)}: give seconds above 0, or 0 to switch the rule off")


NAMED_RULES: Final[Mapping[str, SessionRules]] = {
    "all": SessionRules(),
    "scene_duration": SessionRules(gap=0),
    "scene": SessionRules(max_duration=0, gap=0),
    "gap": SessionRules(scene_change=False, max_duration=0),
}
"""Rules to choose from by name: all three, the talk's two, its first alone, and DSIN's own."""
