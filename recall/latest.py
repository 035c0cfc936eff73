"""What was found for the users asked last: both lists, the scores and the reasons of one request are of the same users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
FEW_USERS: Final = 4
"""Users of a request at most for whom a route may hold its scores of everything."""


class Latest(Generic[T]):
    """A computation that is not made again for the users it was just made for."""

    def __init__(self, find: Callable[[npt.NDArray[np.int32]], T]) -> None:
        """`find` gives, for users `[n]`, what depends on them in their order and on nothing else."""
        self._find = find
        self._held: tuple[npt.NDArray[np.int32], T] | None = None

    def of(self, users: npt.NDArray[np.integer]) -> T:
        """What `find` gives for `users`, found anew only where the call before was of others."""
        held = self._held
        if held is None or not np.array_equal(held[0], users):
            held = users.astype(np.int32), self._find(users.astype(np.int32))
            self._held = held
        return held[1]
