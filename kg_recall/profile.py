"""A listener's profile as a person reads it: activity, likes and dislikes with their evidence, what is blocked, what has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Song:
    """A song by key, title and artist line."""

    key: str
    title: str
    artist: str | None


@dataclass(frozen=True)
class Activity:
    """How much, and when. Shares are of plays."""

    since: int | None
    """Unix seconds of the first event; None, as `last`, `hours` and `weekdays`, where time is ordinal."""
    last: int | None
    plays: float
    songs: int
    """Different songs played."""
    repeat_share: float | None
    """Plays of songs that had been played before; None without plays, as the rates."""
    full_play_rate: float | None
    """None also where the source does not tell how long a song was heard, as `skip_rate`."""
    skip_rate: float | None
    acts: dict[str, float]
    """Number of hearts, downloads, shares and comments, where there are any."""
    hours: list[float] | None
    """`[24]` share of each hour of the day, UTC."""
    weekdays: list[float] | None
    """`[7]` share of each weekday, Monday first, UTC."""
    scenes: dict[str, float]
    """Share of each scene, largest first; empty where the source has none."""
    sessions: int
    """Sessions with a play, by the rules of `[etl.sessions]`."""
    plays_a_session: float | None
    """Median; None without plays."""


@dataclass(frozen=True)
class Taste:
    """One facet value, and what the listener has done with songs that have it."""

    key: str
    name: str
    positive: float
    """Decayed mass of liking."""
    negative: float
    share: float
    """Share of the facet's liking (of a dislike: of its refusal)."""
    plays: float
    songs: int
    hearts: float
    downloads: float
    shared: float
    skips: float
    refusals: float
    """Dislikes and blocks."""
    example: Song | None
    """The song that did most for it (of a dislike: against it)."""


@dataclass(frozen=True)
class Refusal:
    """A song or artist never to be recommended again."""

    key: str
    name: str
    behaviour: str
    ts: int | None


@dataclass(frozen=True)
class Favourite:
    """A song, by its liking in the recent span."""

    song: Song
    plays: float
    hearts: float


@dataclass(frozen=True)
class Change:
    """A facet value whose share of the listener's likings rose or fell beyond chance."""

    facet: str
    key: str
    name: str
    before: float
    recent: float


@dataclass(frozen=True)
class ListenerProfile:
    """Everything that `kg-recall profile` tells."""

    user_id: str
    columns: dict[str, Any]
    """The profile columns of the source that are known."""
    now: int | None
    """Unix seconds; None where time is ordinal."""
    robot: list[dict[str, Any]]
    """Spans in which a machine, or nobody, listened: `since, until, kind` (robot or background) and `reason`, as in the lake."""
    activity: Activity | None
    """None without events; then everything below is empty."""
    likes: dict[str, list[Taste]]
    """By facet, strongest first."""
    dislikes: dict[str, list[Taste]]
    blocked: list[Refusal]
    """Latest first."""
    favourites: list[Favourite]
    changes: list[Change]
    """Rises first, then falls, each by how far beyond chance they are."""
