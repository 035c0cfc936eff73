"""Vectors of sessions that have been encoded, by their keys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Keys = npt.NDArray[np.int64]


class SessionCache:
    """Sessions at their moments and places (`Divided.keys`) to their vectors. What such a key names never changes on one snapshot."""

    def __init__(self, width: int) -> None:
        self._keys = np.zeros(0, dtype=np.int64)
        self._row = np.zeros(0, dtype=np.int64)
        self._vectors = torch.zeros(0, width)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def has(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """`[n]` which of the keys are here."""
        if not self._n:
            return np.zeros(len(keys), dtype=bool)
        found: npt.NDArray[np.bool_] = self._keys[self._place(keys)] == keys
        return found

    def take(self, keys: Keys) -> Tensor:
        """Vectors `[n, width]` of keys that are here."""
        return self._vectors[torch.from_numpy(self._row[self._place(keys)] if self._n else keys)]

    def add(self, keys: Keys, vectors: Tensor) -> None:
        """Keep the vectors `[n, width]` of keys that are not here yet, ascending."""
        need = self._n + len(keys)
        if need > len(self._vectors):
            grown = torch.zeros(max(need, 2 * len(self._vectors)), self._vectors.shape[1])
            grown[: self._n] = self._vectors[: self._n]
            self._vectors = grown
        self._vectors[self._n : need] = vectors
        at = np.searchsorted(self._keys, keys)
        self._keys = np.insert(self._keys, at, keys)
        self._row = np.insert(self._row, at, np.arange(self._n, need))
        self._n = need

    def _place(self, keys: Keys) -> npt.NDArray[np.intp]:
        return np.minimum(np.searchsorted(self._keys, keys), self._n - 1)
