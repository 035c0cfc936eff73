"""Random numbers within compiled code: one small generator for each session, so that worlds that differ elsewhere stay comparable."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from etl.simulation.draws import Floats, Ints, WeightedGroups

P = ParamSpec("P")
T = TypeVar("T")
State = npt.NDArray[np.uint64]
"""One number: where a generator stands."""
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile, keep the machine code, and hold no lock while running."""
    made: Callable[P, T] = numba.njit(cache=True, nogil=True)(function)
    return made


def inner(function: Callable[P, T]) -> Callable[P, T]:
    """`compiled`, for what only compiled code calls: without the bridge from Python, which takes long to compile."""
    made: Callable[P, T] = numba.njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return made


def constant(value: int) -> int:
    """`value` as a number of the arrays' own kind: compiled code is made once for it, not once more for each constant."""
    return cast(int, np.int64(value))


def constants(first: int, end: int) -> tuple[int, ...]:
    """`first … end - 1` as such numbers."""
    return tuple(constant(value) for value in range(first, end))


class Groups(NamedTuple):
    """`WeightedGroups` as compiled code takes them."""

    offsets: Ints
    values: Ints
    running: Floats

    @classmethod
    def of(cls, groups: WeightedGroups) -> Groups:
        """The columns of `groups`."""
        return cls(groups.offsets, groups.values, groups.running)


@compiled
def _mixed(z: np.uint64) -> np.uint64:
    """SplitMix64's output function (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators")."""
    z = (z ^ (z >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    return z ^ (z >> _S31)


@compiled
def reseed(state: State, seed: np.uint64, number: int) -> None:
    """Start the generator of the `number`-th session."""
    state[0] = _mixed(seed ^ _mixed(np.uint64(number) + _GAMMA))


@compiled
def uniform(state: State) -> float:
    """The next number in [0, 1)."""
    state[0] += _GAMMA
    return float(np.float64(_mixed(state[0]) >> _S11) * (1.0 / 9007199254740992.0))


@compiled
def below(state: State, n: int) -> int:
    """The next of 0 … n - 1."""
    return min(int(uniform(state) * n), n - 1)


@compiled
def gumbel(state: State) -> float:
    """The next draw of the standard Gumbel distribution: the most of score plus such noise is a draw by softmax."""
    return float(-np.log(-np.log(uniform(state) + 1e-300) + 1e-300))


@compiled
def draw_from(state: State, offsets: Ints, values: Ints, running: Floats, group: int) -> int:
    """A value of `group` of `WeightedGroups` by weight; -1 where it is empty."""
    start, end = offsets[group], offsets[group + 1]
    if end <= start:
        return -1
    low = running[start]
    target = low + uniform(state) * (running[end] - low)
    left, right = start, end - 1
    while left < right:
        middle = (left + right) // 2
        if running[middle + 1] > target:
            right = middle
        else:
            left = middle + 1
    return int(values[left])


@compiled
def draw_column(state: State, running: Floats) -> int:
    """A column by its share of `running`, the running sum of weights; -1 where there is no weight."""
    total = running[-1]
    if total <= 0:
        return -1
    target = uniform(state) * total
    column = 0
    while column < len(running) - 1 and running[column] <= target:
        column += 1
    return column
