"""How much simulated listeners truly want a song at a moment, from the simulation replayed up to then: no table of the service says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from etl.catalogue import Catalogue
from etl.simulation.affinity import MIND_STYLE, want
from etl.simulation.causes import Live
from etl.simulation.chance import compiled
from etl.simulation.engine import Engine
from etl.simulation.settings import DAY, START_TS, SimulationSettings

Floats = npt.NDArray[np.float64]


class _Kept(Engine):
    """An engine that keeps what is alive in it."""

    live: Live

    def _live(self) -> Live:
        self.live = super()._live()
        return self.live


@dataclass(frozen=True)
class TrueWants:
    """The listeners of a service where a day begins, with the tastes and the memory that they have then."""

    live: Live
    chance: Floats
    """`[n_users, n_interests]` how likely each interest is the one of the moment, over the listener's times of day; rows sum to 1."""
    user: npt.NDArray[np.int64]
    """`[n_users]` the simulation's number of each user of the catalogue."""
    song: npt.NDArray[np.int64]
    """`[n_songs]` the same of songs."""

    @classmethod
    def at(cls, size: SimulationSettings, catalogue: Catalogue, ts: int) -> Self:
        """Replay the days that are over at `ts` (Unix seconds)."""
        engine, day = _Kept(size), (ts - START_TS) // DAY
        for _ in zip(range(day), engine.days(), strict=False):
            pass
        minds = engine.live.minds
        minds = minds._replace(interests=engine.listeners.interests.on(day))
        weight = np.exp(minds.preference.astype(np.float64)) * (minds.interests[:, None, :, MIND_STYLE] >= 0)
        in_slot = weight / weight.sum(axis=2, keepdims=True)
        chance = (in_slot * engine.listeners.habit[:, :, None]).sum(axis=1)
        numbers = (column.str.slice(1).cast(int).to_numpy() for column in (catalogue.users["user_id"], catalogue.songs["song_id"]))
        return cls(engine.live._replace(minds=minds), chance, *numbers)

    def of(self, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> Floats:
        """`[n, n_interests]` log odds (up to a constant) of liking each pair with each interest in mind."""
        return np.asarray(_wants(self.live, self.user[user], self.song[item], self.chance.shape[1]))

    def chances(self, user: npt.NDArray[np.int32]) -> Floats:
        """`[n, n_interests]` chance of each interest of each user."""
        return np.asarray(self.chance[self.user[user]])


@compiled
def _wants(live: Live, user: npt.NDArray[np.int64], item: npt.NDArray[np.int64], n_interests: int) -> Floats:
    wanted = np.empty((len(user), n_interests))
    for row in range(len(user)):
        for interest in range(n_interests):
            wanted[row, interest] = want(live.links, live.minds, live.ring, live.n, user[row], interest, item[row])
    return wanted
