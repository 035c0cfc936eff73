"""The named rules of cleaning: what a full play is, what a skip is, what counts as the future."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from etl.errors import UserError
from etl.profile_rules import ProfileRules
from etl.robot_rules import RobotRules
from etl.sentiment_rules import SentimentRules
from etl.session_rules import SessionRules


@dataclass(frozen=True)
class CleaningRules:
    """Settings of `[etl]`. Milliseconds and seconds are named in each; shares are of 1."""

    full_play_share: float = 0.8
    """A play of at least this share of the song's duration is a full play."""
    skip_ms: int = 30_000
    """A play shorter than this …"""
    skip_share: float = 0.5
    """… and of less than this share of the duration is a skip."""
    unknown_length: Literal["full_play", "none"] = "full_play"
    """What a play says whose share is unknown (no `play_ms`, or no `duration_ms` and at least `skip_ms` heard)."""
    derive: Literal["absent", "never"] = "absent"
    """Derive `full_play` and `skip` each where the source has no event of that name, or never."""
    future_tolerance: int = 86_400
    """Seconds after the extraction from which a time is in the future."""
    late_days: int = 2
    """Events up to so many days older than the newest are read again at the next extraction: they may come late, or change."""
    short_exposure_ms: int = 500
    """An exposure on the screen for less than this (its `play_ms`, where the source has it) is not learned from; 0: each is."""
    skew_days: int = 3_650
    """Events so many days older than the source's log are of a device whose clock was reset; 0: none is."""
    user_cap: int = 20_000
    """Of a user's events the last so many are learned from, so that nobody outweighs everybody (Covington et al. 2016); 0: all."""
    robots: RobotRules = field(default_factory=RobotRules)
    """Accounts and stretches of time whose plays nobody chose."""
    sentiment: SentimentRules = field(default_factory=SentimentRules)
    """How comments are read."""
    sessions: SessionRules = field(default_factory=SessionRules)
    """Where one sitting of a listener ends and the next begins."""
    profile: ProfileRules = field(default_factory=ProfileRules)
    """What each act says of a listener's taste, and how fast that fades."""
    released_by_share: float = 0.5
    """An album is released by the artists who sing at least this share of its songs."""

    def __post_init__(self) -> None:
        for name in ("full_play_share", "skip_share", "released_by_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise UserError(f"[etl] {name} = {getattr(self, name)}: give a share above 0 and up to 1")
        for name in ("skip_ms", "future_tolerance", "late_days", "short_exposure_ms", "skew_days", "user_cap"):
            if getattr(self, name) < 0:
                raise UserError(f"[etl] {name} = {getattr(self, name)}: give 0 or more")
        if self.unknown_length not in ("full_play", "none"):
            raise UserError(f'[etl] unknown_length = {self.unknown_length!r}: give "full_play" or "none"')
        if self.derive not in ("absent", "never"):
            raise UserError(f'[etl] derive = {self.derive!r}: give "absent" or "never"')
