"""Sizes, domains and training of the ranker of behaviour domains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from etl.errors import UserError
from ranking.domain_events import SIGN
from ranking.dsin_network import SessionSettings
from ranking.utility import TASKS


@dataclass(frozen=True)
class DomainSettings(SessionSettings):
    """Sizes and training of the behaviour domains."""

    domains: tuple[str, ...] = tuple(SIGN)
    """What is read: `full_play`, `heart`, `comment_for` speak for a song, `skip`, `negative`, `comment_against` against it."""
    encoder: Literal["sessions", "attention"] = "sessions"
    """Reader of a domain: DSIN's sessions, or attention over its latest acts."""
    constrained: bool = True
    """A domain that speaks against songs can only lower their scores. False: it is one input among others."""
    by_term: tuple[str, ...] = ()
    """Domains that speak for songs and act through their terms alone, as those that speak against them do."""
    history: int = 50
    """Latest acts that attention reads."""
    half_lives_days: tuple[float, ...] = (2.0, 60.0)
    """Of the masses on a song, its artists, album and styles."""
    half_lives_events: tuple[float, ...] = (20.0, 400.0)
    """The same in the listener's own acts, where the source's times give order only."""
    near_days: float = 30.0
    """Acts on songs like the target count for so long where a domain acts through its term alone."""
    near_events: float = 300.0
    near_width: int = 16
    task_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    """Of the losses of click, full play, heart and skip."""
    uncertainty: bool = False
    """Learn how sure each task is and weigh its loss by that as well (Kendall, Gal and Cipolla, CVPR 2018)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.domains if name not in SIGN]
        if unknown or len(set(self.domains)) < len(self.domains):
            raise UserError(f"domains = {list(self.domains)}: give each at most once, out of {', '.join(SIGN)}")
        strangers = [name for name in self.by_term if SIGN.get(name, -1) < 0]
        if strangers:
            raise UserError(f"by_term = {list(self.by_term)}: {strangers[0]} is no domain that speaks for songs")
        if self.encoder not in ("sessions", "attention"):
            raise UserError(f'encoder = {self.encoder!r}: give "sessions" or "attention"')
        if len(self.task_weights) != len(TASKS) or min(self.task_weights) < 0 or not any(self.task_weights):
            raise UserError(f"task_weights = {list(self.task_weights)}: give {len(TASKS)} numbers from 0 up, not all 0")
        if min(*self.half_lives_days, *self.half_lives_events, self.near_days, self.near_events) <= 0:
            raise UserError("half_lives_days, half_lives_events, near_days and near_events: give numbers above 0")

    @property
    def encoded(self) -> tuple[str, ...]:
        """Domains whose readers feed the body."""
        return tuple(name for name in self.domains if name not in self.near)

    @property
    def near(self) -> tuple[str, ...]:
        """Domains that act through their terms alone."""
        return tuple(name for name in self.domains if self.constrained and (SIGN[name] < 0 or name in self.by_term))

    def half_lives(self, *, ordinal: bool) -> tuple[float, ...]:
        """In days, or in events."""
        return self.half_lives_events if ordinal else self.half_lives_days

    def places(self, names: Iterable[str]) -> tuple[int, ...]:
        """Place of each name in `domains`."""
        return tuple(self.domains.index(name) for name in names)
