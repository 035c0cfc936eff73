"""Playing songs: how long each is heard, and what the listener does with it afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from etl.simulation.affinity import affinity
from etl.simulation.causes import Causes, Moment, Picks
from etl.simulation.draws import Floats, Ints, Mask, sigmoid
from etl.simulation.listeners import Listeners
from etl.simulation.log import SCENES, EventLog
from etl.simulation.refusals import Refusals
from etl.simulation.settings import Strengths

AFTER_FULL: Final = {"collect": 0.28, "download": 0.08, "share": 0.03, "comment": 0.045}
"""Chance of each after a song heard to the end, for a listener who could not like it more."""
AFTER_SKIP: Final = {"comment": 0.0135, "dislike": 0.05, "block_song": 0.012, "block_artist": 0.004}
"""Chance of each after a song skipped at once, for a listener who could not like it less."""
BEHAVIOURS: Final = ("collect", "download", "share", "comment", "dislike", "block_song", "block_artist")


@dataclass(frozen=True)
class Playback:
    """What every kind of session shares: the world's state and the log that it writes."""

    causes: Causes
    listeners: Listeners
    strengths: Strengths
    refused: Refusals
    log: EventLog
    rng: np.random.Generator

    def want(self, moment: Moment, items: Ints) -> Floats:
        """Affinity of the listeners of `moment` `[n]` for `items` `[n, m]`."""
        return affinity(self.causes, self.listeners, self.strengths, moment, items)

    def play(self, moment: Moment, picks: Picks, scene: Ints, want: Floats, *, organic: bool) -> tuple[Ints, Ints]:
        """Play one song a listener as long as it pleases; returns the rows of the plays in the log and the time after them."""
        users, items, n = moment.users, picks.item, len(moment.users)
        full = self.rng.random(n) < sigmoid(1.1 * want - (1.4 if organic else 2.2))
        skip = ~full & (self.rng.random(n) < sigmoid(1.2 - 0.8 * want))
        share = np.where(full, self.rng.uniform(0.84, 1.0, n), self.rng.uniform(0.2, 0.75, n))
        heard = (share * self.causes.world.song_ms[items]).astype(np.int64)
        play_ms = np.where(skip, self.rng.integers(2_000, 28_000, n), heard)
        searched = np.flatnonzero(scene == SCENES.index("search"))
        self.log.add("click", "search", users[searched], items[searched], moment.now[searched], organic=True)
        started = moment.now + 1
        events = self.log.add("play", scene, users, items, started, organic=organic, play_ms=play_ms)
        self.log.explain(events, picks)
        self.causes.history.add(users, items, started, events, np.where(full, 1.0, np.where(skip, 0.0, 0.4)))
        end = started + play_ms // 1000 + 1
        warm = sigmoid(want - 2.0)
        self._respond(moment, items, end, scene, organic, warm * full, (1 - warm) * skip)
        return events, end + 2

    def _respond(self, moment: Moment, items: Ints, ts: Ints, scene: Ints, organic: bool, glad: Floats, cross: Floats) -> None:
        """Hearts, downloads, shares and comments after what was heard to the end; refusals after what was not."""
        for behaviour in BEHAVIOURS:
            chance = AFTER_FULL.get(behaviour, 0.0) * glad + AFTER_SKIP.get(behaviour, 0.0) * cross
            rows = np.flatnonzero(self.rng.random(len(items)) < chance)
            if len(rows):
                self._act(behaviour, moment.users[rows], items[rows], ts[rows], scene[rows], organic, glad[rows] > 0)

    def _act(self, behaviour: str, users: Ints, items: Ints, ts: Ints, scene: Ints, organic: bool, warm: Mask) -> None:
        kind = "artist" if behaviour == "block_artist" else "song"
        target = self.causes.world.song_artist[items] if kind == "artist" else items
        self.log.add(behaviour, scene, users, target, ts, organic=organic, kind=kind, warm=warm)
        if behaviour in ("dislike", "block_song", "block_artist"):
            self.refused.add(users, target, kind)


def draw_scenes(rng: np.random.Generator, shares: dict[str, float], n: int) -> Ints:
    """A scene for each of `n` sessions, as codes."""
    codes = np.array([SCENES.index(name) for name in shares])
    return codes[rng.choice(len(codes), n, p=np.array(list(shares.values())))]
