"""The growing log of simulated events and of why plays happened, as chunks of columns."""

from __future__ import annotations

from typing import Final

import numpy as np

from etl.simulation.causes import Picks
from etl.simulation.draws import Ints, Mask

KINDS: Final = ("song", "mv", "mlog", "artist")
BEHAVIOURS: Final = ("exposure", "click", "play", "collect", "download", "share", "comment", "dislike", "block_song", "block_artist")
SCENES: Final = ("daily", "fm", "mv", "playlist", "album", "search", "library")
EVENT_COLUMNS: Final = ("user", "kind", "item", "behaviour", "ts", "scene", "play_ms", "organic", "position", "warm")
TRUTH_COLUMNS: Final = ("row", "cause", "evidence", "event", "via", "via_two")


class EventLog:
    """Events in the order in which they were made; a row number names an event until the log is sorted by time."""

    def __init__(self) -> None:
        self.n = 0
        self._events: list[Ints] = []
        self._truth: list[Ints] = []

    def add(self, behaviour: str, scene: Ints | str, users: Ints, items: Ints, ts: Ints, *, organic: Ints | bool,
            play_ms: Ints | int = -1, position: Ints | int = -1, kind: Ints | str = "song", warm: Mask | bool = True) -> Ints:  # fmt: skip
        """Append one event a row and return their row numbers; -1: no play time, no position. `warm` is a comment's mood."""
        scenes = SCENES.index(scene) if isinstance(scene, str) else scene
        kinds = KINDS.index(kind) if isinstance(kind, str) else kind
        values = (users, kinds, items, BEHAVIOURS.index(behaviour), ts, scenes, play_ms, organic, position, warm)
        self._events.append(np.stack(np.broadcast_arrays(*(np.asarray(value, dtype=np.int64) for value in values))))
        rows = np.arange(self.n, self.n + len(users))
        self.n += len(users)
        return rows

    def explain(self, rows: Ints, picks: Picks) -> None:
        """Note why the plays at `rows` happened."""
        self._truth.append(np.stack([rows, picks.cause, picks.evidence, picks.event, picks.via, picks.via_two]))

    def events(self) -> dict[str, Ints]:
        """Columns of every event, in order of making."""
        return _columns(EVENT_COLUMNS, self._events)

    def truth(self) -> dict[str, Ints]:
        """Columns of every explained play."""
        return _columns(TRUTH_COLUMNS, self._truth)


def _columns(names: tuple[str, ...], chunks: list[Ints]) -> dict[str, Ints]:
    table = np.concatenate([np.empty((len(names), 0), dtype=np.int64), *chunks], axis=1)
    return dict(zip(names, table, strict=True))
