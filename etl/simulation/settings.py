"""Size, seed and strengths of a simulated music service."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Final

from etl.errors import UserError

START_TS: Final = 1_740_787_200
"""First second of the simulated period: 2025-03-01T00:00:00Z, whatever the wall clock says."""
DAY: Final = 86_400


@dataclass(frozen=True)
class Strengths:
    """Relative strength of each cause of an organic play that is no repeat; 0 switches a cause off.

    `artist, album, style, drama, show, playlist` act through facts of the catalogue, `friend` through friendship.
    """

    interest: float = 0.40
    artist: float = 0.09
    album: float = 0.04
    style: float = 0.05
    drama: float = 0.11
    show: float = 0.07
    friend: float = 0.09
    popularity: float = 0.11
    chance: float = 0.04
    playlist: float = 0.5
    """Share of new plays in a playlist's scene that come from the playlist."""
    next_track: float = 0.6
    """Share of new plays in an album's scene that go on with the album."""

    def without_facts(self) -> Strengths:
        """The causes that act through facts of the catalogue switched off; their mass goes to friends, popularity and chance."""
        off = replace(self, artist=0.0, album=0.0, style=0.0, drama=0.0, show=0.0, playlist=0.0, next_track=0.0)
        return replace(off, friend=0.16, popularity=0.10, chance=0.34)


@dataclass(frozen=True)
class Preset:
    """A named world: how strong each cause is, whether tastes follow the facts, how they drift, how many accounts are no people."""

    strengths: Strengths = field(default_factory=Strengths)
    tastes_follow_facts: bool = True
    """False: tastes are as strong, but over groups of songs that no fact describes."""
    n_changes: int = 1
    """How often an interest may give way to another during the period."""
    change_chance: float = 0.3
    """Chance of each of those changes."""
    walk: float = 0.08
    """Standard deviation of one day's step in how much an interest is preferred, in log weight."""
    robot_share: float = 0.005
    """Share of accounts whose listening is in part or whole not a person's."""


_STRONG: Final = Strengths(
    interest=0.24, artist=0.14, album=0.05, style=0.05, drama=0.18, show=0.13, friend=0.06, popularity=0.11, chance=0.04, playlist=0.4
)
PRESETS: Final = {
    "default": Preset(),
    "kg-strong": Preset(_STRONG),
    "kg-useless": Preset(Strengths().without_facts(), tastes_follow_facts=False),
    "drift": Preset(n_changes=4, change_chance=0.8, walk=0.25),
    "robots": Preset(robot_share=0.06),
}
SMALLEST: Final = {"n_songs": 40, "n_users": 2, "n_days": 1}


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate. Raises `UserError` for an unknown preset or a size too small to hold every kind of entity.

    A listener makes about eleven events a day: 1,500 songs, 400 users and 40 days are 170 thousand events, 5,000 songs and 10,000
    users over 47 days 5 million; memory grows with the users (10 KiB each, a day's events included), not with the days.
    """

    n_songs: int = 1_500
    n_users: int = 400
    n_days: int = 40
    seed: int = 0
    preset: str = "default"
    spurious_share: float = 0.15
    """Facts that cause nothing, as a share of the true soundtrack and show facts."""
    repeat_share: float = 0.62
    """Mean chance that an organic play goes back to the listener's own plays."""
    repeat_decay: float = 0.5
    """d of ACT-R: a play of age t counts t^-d towards a repeat."""
    sessions_per_day: float = 0.48
    """Sessions of a median listener on a weekday."""
    cold_share: float = 0.05
    """Listeners with a profile and no event."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise UserError(f"unknown preset {self.preset!r}: kg-recall simulate knows {', '.join(PRESETS)}")
        for name, smallest in SMALLEST.items():
            if getattr(self, name) < smallest:
                raise UserError(f"{name} = {getattr(self, name)} is too small to simulate: give at least {smallest}")
        if self.seed < 0:
            raise UserError(f"seed = {self.seed} is negative: give 0 or more")

    @property
    def world(self) -> Preset:
        """What the preset stands for."""
        return PRESETS[self.preset]


IN_SCENE: Final = ("playlist", "next_track")
"""Strengths that are no part of the mixture: they act within one scene."""
CAUSES: Final = ("repeat", *(item.name for item in fields(Strengths) if item.name != "next_track"), "recommended", "robot")
"""Why a play happened, by code."""
CAUSE: Final = {name: code for code, name in enumerate(CAUSES)}
