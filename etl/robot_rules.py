"""The named thresholds by which robots and background playback are told from listeners."""

from __future__ import annotations

from dataclasses import dataclass

from etl.errors import UserError


@dataclass(frozen=True)
class RobotRules:
    """Settings of `[etl.robots]`.

    What the rules rest on: a person who listens touches the player now and then, sleeps, and does not leave song after song just when
    it has begun to pay. Where a source logs no acts of the hand, their absence is no evidence and only the hours speak. The clock of
    the listener is unknown, so no rule names an hour of the day.
    """

    pause: int = 900
    """Seconds of silence that end a stretch of playback: a player goes from song to song, after a quarter of an hour somebody pressed
    play again. Counted from the end of a listen, and from its beginning where its length is unknown."""
    left_share: float = 0.8
    """A song left before this share of it was moved on by hand."""
    expected_acts: float = 5.0
    """Silence is evidence once a listener of this source would have acted so often in that time: by chance e^-5 = 0.7 % do not."""
    silence: float = 0.05
    """Silent is who acts at most this share as often an hour as the source's median listener: staff who switch a shop's music on."""
    stretch_hours: float = 4.0
    """Playback untouched for more hours than this is background: longer than an evening with one song in a loop (a fan's). Netflix asks
    "are you still watching" after 90 minutes (its help pages); music is meant to go on longer."""
    unlogged_hours: float = 12.0
    """The same, where the source logs too few acts for silence to say anything."""
    loop_hours: float = 8.0
    """The same, where no acts are logged but the songs went round in a loop."""
    loop_plays_per_song: float = 3.0
    """So many listens to each song in one stretch or day are a loop."""
    day_hours: int = 8
    """A silent day with plays in at least so many of its hours is a machine's day: a shop is open that long, an evening is not."""
    sleepless_hours: int = 20
    """A day with plays in at least so many of its 24 hours is a machine's day, whoever acts: people sleep, wherever midnight is."""
    day_share: float = 0.5
    """An account whose days are a machine's in at least this share …"""
    days: int = 2
    """… and on at least so many days is a robot; one such day of a listener is background."""
    loop_share: float = 0.9
    """An account with at least this share of its listens on days of loops …"""
    loop_days: int = 5
    """… that is silent over so many days pushes songs. A fan's loops are evenings among others, and a fan's hand is seen."""
    paid_seconds: int = 30
    """A stream is paid from so many seconds on (Music Business Worldwide 2018, on 1,200 accounts that looped tracks of that length)."""
    brief_seconds: int = 45
    """A listen is brief that is paid and ends before this, or is paid and left early."""
    brief_share: float = 0.9
    """An account whose listens are brief and in loops in at least this share …"""
    farm_plays: int = 100
    """… and that has so many pushes songs too, whatever it clicks: who comes back to a song hears it out."""

    def __post_init__(self) -> None:
        for name in ("left_share", "silence", "day_share", "loop_share", "brief_share"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise UserError(f"[etl.robots] {name} = {getattr(self, name)}: give a share above 0 and up to 1")
        for name in (
            "pause",
            "expected_acts",
            "stretch_hours",
            "unlogged_hours",
            "loop_hours",
            "loop_plays_per_song",
            "days",
            "loop_days",
            "farm_plays",
        ):
            if not getattr(self, name) > 0:
                raise UserError(f"[etl.robots] {name} = {getattr(self, name)}: give a number above 0")
        for name in ("day_hours", "sleepless_hours"):
            if not 1 <= getattr(self, name) <= 24:
                raise UserError(f"[etl.robots] {name} = {getattr(self, name)}: give hours of a day, 1 to 24")
        if self.unlogged_hours < self.stretch_hours:
            raise UserError(
                f"[etl.robots] unlogged_hours = {self.unlogged_hours} is less than stretch_hours = {self.stretch_hours}: give more"
            )
        if not 0 <= self.paid_seconds < self.brief_seconds:
            raise UserError(f"[etl.robots] brief_seconds = {self.brief_seconds}: give more than paid_seconds = {self.paid_seconds}")
