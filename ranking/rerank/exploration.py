"""A draw of songs for each listener that nobody else's request changes."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_STEP, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_53: Final = 2.0**-53


def draw(seed: int, now: int, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """A number in [0, 1) of each pair `[n]`: lowest comes first. Another seed or moment draws others.

    Stateless (the mixer of SplitMix64, Steele et al. 2014, over seed, moment, user and song in turn), so a listener's draw is the
    same alone and in a batch.
    """
    with np.errstate(over="ignore"):
        state = _mixed(_mixed(np.uint64(seed) + _STEP) + np.uint64(now % 2**64))
        state = _mixed(state + user.astype(np.uint64) * _STEP)
        state = _mixed(state + item.astype(np.uint64) * _STEP)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * _53)


def _mixed(state: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    state = np.atleast_1d(state)
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return np.asarray(state ^ (state >> np.uint64(31)))
