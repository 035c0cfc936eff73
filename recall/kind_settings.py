"""What orders playlists, MVs and Mlogs, and what refusals do to them."""

from __future__ import annotations

from dataclasses import dataclass

from etl.errors import UserError

SECTION = "recommend.kinds"


@dataclass(frozen=True)
class KindSettings:
    """What counts for an item. Weights were chosen on simulated services other than those of the published table."""

    doubt: float = 5.0
    """Songs of mean taste that an item is thought to hold besides its own."""
    songs: float = 1.0
    """Weight of the listener's taste for the item's songs."""
    graph: float = 1.0
    """Weight of what the graph route's chains say of the item itself, where that route is on."""
    neighbours: float = 0.1
    """Weight of items that listeners take up together with what the listener took up."""
    popular: float = 0.1
    """Weight of how many took the item up lately."""
    half_rank: float = 400.0
    """A song so many places below the best of the listener's list is thought half as much of."""
    half_life_days: float = 30.0
    """An act on an item counts half after so many days."""
    half_life_events: float = 50.0
    """The same where time is ordinal, in later acts of the user on such items."""
    refused_share: float = 0.0
    """Share of an item's songs that a user may have refused before the item is left out; 0: none. Below it, a refused song counts against
    its item as much as the best loved one counts for it."""

    def __post_init__(self) -> None:
        for name in ("half_rank", "half_life_days", "half_life_events"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} = {getattr(self, name)} in [{SECTION}] must be greater than 0: set it so or leave it out")
        for name in ("doubt", "songs", "graph", "neighbours", "popular", "refused_share"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} = {getattr(self, name)} in [{SECTION}] is less than 0: set it to 0 or more, or leave it out")
