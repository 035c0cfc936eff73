"""What a list is asked to keep, for all scenes and for each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Final, Literal

import numpy as np

from etl.errors import UserError

GIVEN_UP: Final = ("explore", "repeats_at_least", "repeats_at_most", "tail_share", "max_per_album", "max_per_artist")
"""Constraints in the order in which they are given up where candidates do not allow all: the first costs least."""
SHARES: Final = ("tail_share", "tail_quantile", "repeats_at_least", "repeats_at_most")
WEIGHTS: Final = ("diversity", "calibration")
COUNTS: Final = ("max_per_artist", "max_per_album", "window", "diversity_window", "tail_plays", "explore", "explore_below")


@dataclass(frozen=True)
class Constraints:
    """What the first places of a list keep. With the defaults there is no constraint, and the ranker's order stays."""

    places: int = 20
    """Places that the constraints speak of; what stands beyond follows in the ranker's order."""
    pool: int = 200
    """Best candidates that the places are filled from, besides those that a quota needs."""
    max_per_artist: int = 0
    """Songs of one artist at most; every singer of a song counts. 0: as many as come."""
    max_per_album: int = 0
    """Songs of one album at most. 0: as many as come."""
    window: int = 0
    """Both maxima hold in any run of so many places; 0: in all `places`."""
    tail_share: float = 0.0
    """Share of tail songs at least. Every beginning of the list holds the whole part of its share."""
    tail_plays: int = 5
    """A song with fewer plays than this is in the tail."""
    tail_quantile: float = 0.0
    """Above 0, in place of `tail_plays`: this share of the catalogue, the least played songs, is the tail."""
    repeats_at_least: float = 0.0
    """Share of songs that the listener has played, at least. The same as `repeats_at_most` makes it a target."""
    repeats_at_most: float = 1.0
    """Share of songs that the listener has played, at most."""
    explore: int = 0
    """Places for songs of which the service knows little, spread evenly; where they do not come of themselves they are drawn."""
    explore_below: int = 20
    """A song that was shown and played fewer times than this is one of which little is known."""
    diversity: float = 0.0
    """Weight in [0, 1) of diversity (greedy DPP) against the score; 0: score alone."""
    diversity_window: int = 10
    """A song is kept different from the last so many less one; 0: from all before it."""
    similarity: Literal["graph", "encoder"] = "graph"
    """Vectors by which songs are alike: embeddings of the graph, or the song encoder of the route interest."""
    calibration: float = 0.0
    """Weight in [0, 1) of calibration (the listener's shares of styles) against the score; 0: score alone."""
    half_life_days: float = 30.0
    """Days after which a liked song counts half for the listener's shares of styles."""
    half_life_plays: float = 200.0
    """The same in the listener's own later events, where the source's times give order only."""

    def __post_init__(self) -> None:
        _check_ranges(self)
        if self.pool < self.places:
            raise _mistake("pool", self.pool, f"give at least as many as places ({self.places})")
        if self.repeats_at_least > self.repeats_at_most:
            raise _mistake("repeats_at_least", self.repeats_at_least, f"it is above repeats_at_most ({self.repeats_at_most})")
        if self.explore > self.places:
            raise _mistake("explore", self.explore, f"there are {self.places} places")

    @property
    def declared(self) -> tuple[str, ...]:
        """Names of the constraints that are on, in the order of `GIVEN_UP`."""
        return tuple(name for name in GIVEN_UP if getattr(self, name) != getattr(NEUTRAL, name))

    @property
    def are_on(self) -> bool:
        """Whether a list may come out in another order than the ranker's."""
        return bool(self.declared) or self.diversity > 0 or self.calibration > 0

    def only(self, name: str) -> Constraints:
        """The same with `name` of `GIVEN_UP` as the only constraint."""
        others = {other: getattr(NEUTRAL, other) for other in GIVEN_UP if other != name}
        return Constraints(**(asdict(self) | others | {"diversity": 0.0, "calibration": 0.0}))

    def without_repeats(self) -> Constraints:
        """The same for lists of new songs, in which a share of repeats means nothing."""
        return replace(self, repeats_at_least=0.0, repeats_at_most=1.0)


@dataclass(frozen=True)
class SceneConstraints:
    """`[recommend.rerank.SCENE]`: what is otherwise in one scene. None: as in `[recommend.rerank]`."""

    places: int | None = None
    pool: int | None = None
    max_per_artist: int | None = None
    max_per_album: int | None = None
    window: int | None = None
    tail_share: float | None = None
    tail_plays: int | None = None
    tail_quantile: float | None = None
    repeats_at_least: float | None = None
    repeats_at_most: float | None = None
    explore: int | None = None
    explore_below: int | None = None
    diversity: float | None = None
    diversity_window: int | None = None
    similarity: Literal["graph", "encoder"] | None = None
    calibration: float | None = None
    half_life_days: float | None = None
    half_life_plays: float | None = None


@dataclass(frozen=True)
class RerankSettings(Constraints):
    """`[recommend.rerank]`: constraints on the list; none is on unless set."""

    daily: SceneConstraints = field(default_factory=SceneConstraints)
    fm: SceneConstraints = field(default_factory=SceneConstraints)

    def __post_init__(self) -> None:
        super().__post_init__()
        for scene in ("daily", "fm"):
            try:
                self.of(scene)
            except UserError as error:
                raise UserError(str(error).replace("[recommend.rerank]", f"[recommend.rerank.{scene}]", 1)) from None

    def of(self, scene: str) -> Constraints:
        """The constraints of a scene; one without a table of its own has those of all."""
        own = getattr(self, scene, None) if scene in ("daily", "fm") else None
        said = {} if own is None else {name: value for name, value in asdict(own).items() if value is not None}
        return Constraints(**({each.name: getattr(self, each.name) for each in fields(Constraints)} | said))


def _check_ranges(given: Constraints) -> None:
    for name in ("places", "pool"):
        if getattr(given, name) < 1:
            raise _mistake(name, getattr(given, name), "give 1 or more")
    for name in COUNTS:
        if getattr(given, name) < 0:
            raise _mistake(name, getattr(given, name), "give 0 or more")
    for name in SHARES:
        if not 0 <= getattr(given, name) <= 1:
            raise _mistake(name, getattr(given, name), "give a share from 0 to 1")
    for name in WEIGHTS:
        if not 0 <= getattr(given, name) < 1:
            raise _mistake(name, getattr(given, name), "give a weight from 0 to below 1")
    for name in ("half_life_days", "half_life_plays"):
        if not (np.isfinite(getattr(given, name)) and getattr(given, name) > 0):
            raise _mistake(name, getattr(given, name), "give a finite number above 0")


def _mistake(name: str, value: object, remedy: str) -> UserError:
    return UserError(f"[recommend.rerank] {name} = {value}: {remedy}")


NEUTRAL: Final = Constraints()
"""No constraint at all."""
