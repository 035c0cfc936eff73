"""Repeat consumption: the songs that a listener plays again.

Base-level activation of ACT-R, as PISA uses it for music (Tran et al., RecSys 2024): `B_i = ln sum_k (t_now - t_k)^-d` over the
user's plays `k` of song `i`. The route's score is `exp(B_i)`, the sum itself: positive, and in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, eye_array

from recall.candidates import Candidates, Paths
from recall.histories import half_life_decay, played_songs, user_song
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import candidates, csr, product_at, product_top_k

Decay = Literal["act-r", "exponential"]


@dataclass(frozen=True)
class RepeatSettings:
    """How a play fades."""

    decay: Decay = "act-r"
    """`act-r`: `age^-d`. `exponential`: `0.5^(age / half_life)`."""
    d: float = 0.5
    """ACT-R's decay exponent."""
    floor_hours: float = 1.0
    """Ages below it count as it: the power has no finite value at age 0."""
    half_life_days: float = 30.0
    half_life_plays: float = 50.0
    """Half-life where the source's time is ordinal, in later plays of the same user."""


class RepeatRoute:
    """The user's own songs by activation. Ages are hours, or, where time is ordinal, the number of the user's later plays plus 1."""

    name: ClassVar[str] = "repeat"

    def __init__(self, settings: RepeatSettings = RepeatSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Sum the activation of every user's songs as of the snapshot's moment."""
        events = snapshot.positives
        weight = play_weight(snapshot.age(events), snapshot.ordinal, self.settings)
        self._activation = user_song(snapshot, events, weight * events.count)
        self._songs: csr_array = csr(eye_array(snapshot.catalogue.n_songs))
        self._played = played_songs(snapshot)

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The user's `k` most active songs; with `new_only` only those collected or shared and never played."""
        exclude = self._played if new_only else None
        return candidates(users, product_top_k(self._activation, users, self._songs, k, exclude))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Activation `[n]`; 0 for songs outside the user's history."""
        return product_at(self._activation, self._songs, users, items)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song itself."""
        return Paths.itself(items, self.score(users, items) > 0)

    def save(self, folder: Path) -> None:
        """Write the settings; the activation is that of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, RepeatSettings))
        route.observe(snapshot)
        return route


def play_weight(age: npt.NDArray[np.float64], ordinal: bool, settings: RepeatSettings) -> npt.NDArray[np.float64]:
    """What each play still counts `[n]`; `age` is that of `Snapshot.age` (days, or later plays)."""
    if settings.decay == "exponential":
        return half_life_decay(age, settings.half_life_plays if ordinal else settings.half_life_days)
    base = age + 1 if ordinal else np.maximum(age * 24, settings.floor_hours)
    return base**-settings.d
