"""The state of FTRL-Proximal on disk: the touched slots alone, since most of a table of 2^24 has never been met."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

import numba
import numpy as np
import numpy.typing as npt

from etl.errors import UserError

Floats = npt.NDArray[np.float32]


class TouchedSlots(NamedTuple):
    """The slots that have learned anything, ascending."""

    slots: npt.NDArray[np.int32]
    """`[n]`"""
    state: Floats
    """`[n, 2]` z and n of each."""

    @classmethod
    def of(cls, table: Floats) -> Self:
        """Those of a table `[n_slots, 2]`."""
        slots = _touched(table)
        return cls(slots, table[slots])

    def table(self, n_slots: int) -> Floats:
        """The table `[n_slots, 2]` that these slots stand for."""
        table = np.zeros((n_slots, 2), dtype=np.float32)
        table[self.slots] = self.state
        return table

    def save(self, folder: Path) -> None:
        """Write as two arrays into `folder`."""
        np.save(folder / "slots.npy", self.slots)
        np.save(folder / "state.npy", self.state)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The slots that `save` wrote.

        Raises:
            UserError: the files do not belong together.
        """
        slots, state = np.load(folder / "slots.npy"), np.load(folder / "state.npy")
        if state.shape != (len(slots), 2):
            raise UserError(f"{folder}: {len(slots)} slots beside a state of shape {state.shape}: delete the folder and learn anew")
        return cls(slots, state)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _touched(table: Floats) -> npt.NDArray[np.int32]:
    n = 0
    for slot in range(len(table)):
        n += table[slot, 1] > 0
    slots = np.empty(n, np.int32)
    n = 0
    for slot in range(len(table)):
        if table[slot, 1] > 0:
            slots[n] = slot
            n += 1
    return slots
