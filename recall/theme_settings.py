"""Size of themed playlists, and how they change."""

from __future__ import annotations

from dataclasses import dataclass

from etl.errors import UserError

SECTION = "recommend.themes"


@dataclass(frozen=True)
class ThemeSettings:
    """Size of playlists, and how they change."""

    size: int = 30
    """At most so many songs; fewer than fit the theme (two thirds of them), so that there is something to change to."""
    least: int = 20
    """A theme of fewer songs is none."""
    kept_share: float = 0.5
    """Share of a playlist that goes to the best; the rest is drawn anew in each period."""
    refresh_days: int = 7
    per_artist: int = 3
    """Songs of one artist, as long as others are left."""
    half_life_days: float = 14.0
    """What listeners do with a song counts half after so many days."""
    half_life_plays: float = 50.0
    """The same where time is ordinal, in later events of the user."""

    def __post_init__(self) -> None:
        for name in ("size", "least", "refresh_days", "per_artist", "half_life_days", "half_life_plays"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} = {getattr(self, name)} in [{SECTION}] must be greater than 0: set it so or leave it out")
        if not 0 <= self.kept_share <= 1:
            raise UserError(f"kept_share = {self.kept_share} in [{SECTION}] must lie between 0 and 1: set it so or leave it out")
        if self.size < self.least:
            raise UserError(f"size = {self.size} in [{SECTION}] is less than least = {self.least}: set it higher, or least lower")
