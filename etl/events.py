"""Accepted events as columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour

SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True)
class Events:
    """Accepted events in time order (ties in source order), one array of `[n_events]` per column.

    A derived event (`full_play` or `skip` from a `play`) follows the event it comes from and shares its `source`.
    """

    user: npt.NDArray[np.int32]
    """User id: row of `Catalogue.users`."""
    item: npt.NDArray[np.int32]
    """Entity id: row of `Catalogue.entities`; below `n_songs` it is a song."""
    behaviour: npt.NDArray[np.int8]
    """Code of `Behaviour`."""
    ts: npt.NDArray[np.int64]
    """Unix seconds, UTC."""
    scene: npt.NDArray[np.int16]
    """Index into the lake's `scenes`; -1 where the source has none."""
    play_ms: npt.NDArray[np.int32]
    """Milliseconds heard; -1 where unknown."""
    is_organic: npt.NDArray[np.int8]
    """1 the listener's own choice, 0 from a recommendation, -1 unknown."""
    count: npt.NDArray[np.float32]
    """Weight: how many times the event stands for."""
    source: npt.NDArray[np.int64]
    """Place of the source's event among all accepted ones in time order, shared by what is derived from it."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Events:
        """Events at `rows` (mask, indices or slice), in that order."""
        if isinstance(rows, np.ndarray) and rows.dtype == bool:
            rows = np.flatnonzero(rows)  # a mask would be gone through again for every column
        return Events(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def of(self, *behaviours: Behaviour) -> Events:
        """Only events of the given behaviours."""
        return self.take(np.isin(self.behaviour, behaviours))

    def of_songs(self, n_songs: int) -> Events:
        """Only events whose item is a song."""
        return self.take(self.item < n_songs)

    def first_of_source(self) -> Events:
        """The first event of each source row: a derived full_play or skip follows its play, and says the same again."""
        first = np.ones(len(self), dtype=bool)
        first[1:] = self.source[1:] != self.source[:-1]
        return self.take(first)
