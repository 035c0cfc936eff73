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

    `artist, album, style, drama, show, friend, playlist` act through facts of the source tables.
    """

    interest: float = 0.34
    artist: float = 0.14
    album: float = 0.08
    style: float = 0.05
    drama: float = 0.16
    show: float = 0.10
    friend: float = 0.04
    popularity: float = 0.10
    chance: float = 0.03
    playlist: float = 0.5
    """Share of plays in a playlist's scene that come from the playlist."""

    def without_facts(self) -> Strengths:
        """The same causes with those that act through facts switched off."""
        return replace(self, artist=0.0, album=0.0, style=0.0, drama=0.0, show=0.0, friend=0.0, playlist=0.0)


@dataclass(frozen=True)
class Preset:
    """A named world: how strong each cause is, and whether tastes follow the facts at all."""

    strengths: Strengths = field(default_factory=Strengths)
    tastes_follow_facts: bool = True
    """False: tastes are as strong, but over groups of songs that no fact describes."""


PRESETS: Final = {
    "default": Preset(),
    "kg-strong": Preset(Strengths(interest=0.14, artist=0.18, drama=0.40, show=0.28, popularity=0.06)),
    "kg-useless": Preset(Strengths().without_facts(), tastes_follow_facts=False),
}
SMALLEST: Final = {"n_songs": 40, "n_users": 2, "n_days": 1}


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate. Raises `UserError` for an unknown preset or a size too small to hold every kind of entity."""

    n_songs: int = 1_500
    n_users: int = 400
    n_days: int = 40
    seed: int = 0
    preset: str = "default"
    spurious_share: float = 0.15
    """Facts that cause nothing, as a share of the true soundtrack and show facts."""
    repeat_share: float = 0.56
    """Mean chance that an organic play goes back to the listener's own plays (others repeat by coincidence)."""
    repeat_decay: float = 0.5
    """d of ACT-R: a play of age t counts t^-d towards a repeat."""
    sessions_per_day: float = 0.62
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
    def strengths(self) -> Strengths:
        """Strengths of the preset."""
        return PRESETS[self.preset].strengths

    @property
    def tastes_follow_facts(self) -> bool:
        """Whether tastes follow facets of the catalogue."""
        return PRESETS[self.preset].tastes_follow_facts


CAUSES: Final = ("repeat", *(item.name for item in fields(Strengths)), "recommended")
"""Why a play happened, by code."""
CAUSE: Final = {name: code for code, name in enumerate(CAUSES)}
