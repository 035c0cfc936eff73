"""Feature hashing (Weinberger et al., ICML 2009): fields and crosses of fields become slots of one table of `2^bits` weights.

A field's value is hashed with a seed made from the field's name, so the same code in two fields is two features. A cross folds the
hashes of its fields in the declared order. The hash is arithmetic on 64-bit integers alone: the same on every platform, for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import product
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from etl.errors import UserError

Codes = npt.NDArray[np.int32] | npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

BIAS: Final = "bias"
"""Name of the term that every example has."""
NO_VALUES: Final[Floats] = np.empty((0, 0), dtype=np.float32)
"""Stands for "every value is 1"."""
_FIRST, _SECOND, _FOLD = np.uint64(0x9FB21C651E98DF25), np.uint64(0xD6E8FEB86659FD93), np.uint64(0x9E3779B97F4A7C15)
_32, _28 = np.uint64(32), np.uint64(28)


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


class Layout(NamedTuple):
    """The terms as arrays, for kernels. The terms are: bias, each column, each cross."""

    seeds: npt.NDArray[np.uint64]
    """`[n_columns]` seed of each column's field."""
    first: npt.NDArray[np.int64]
    """`[n_crosses + 1]` start of each cross's parts."""
    parts: npt.NDArray[np.int64]
    """Columns of each cross in turn."""
    bits: int

    @property
    def n_terms(self) -> int:
        """Number of terms of an example."""
        return len(self.seeds) + len(self.first)


class Collisions(NamedTuple):
    """How crowded the table is."""

    n_features: int
    """Distinct features, by their 64-bit hashes."""
    n_slots: int
    """Distinct slots that they have."""
    shared: float
    """Share of the features that have a slot in common with another."""
    shared_occurrences: float
    """The same, each feature counted as often as it occurs."""


@dataclass(frozen=True)
class HashedTerms:
    """Which fields an example has and which of them are crossed.

    Raises:
        UserError: a cross names an unknown column, or names fewer than two; or the table's size is out of bounds.
    """

    columns: tuple[str, ...]
    """Field of each column. A name may stand more than once: a field of several values (the styles of a song) is several columns."""
    crosses: tuple[tuple[str, ...], ...] = ()
    """Fields whose values are taken together, as `("user", "artist")`; a field of several columns is crossed with each."""
    bits: int = 24
    """The table has `2^bits` slots."""

    def __post_init__(self) -> None:
        unknown = sorted({name for cross in self.crosses for name in cross} - set(self.columns))
        if unknown:
            raise UserError(f"features: a cross names {unknown[0]!r}, which is no column: the columns are {', '.join(self.columns)}")
        short = [cross for cross in self.crosses if len(cross) < 2]
        if short:
            raise UserError(f"features: the cross {short[0]!r} names one field only: name two or more, or leave it out")
        if not 1 <= self.bits <= 30:
            raise UserError(f"features: a table of 2^{self.bits} weights: choose bits from 1 to 30")

    @cached_property
    def layout(self) -> Layout:
        """The terms as arrays."""
        seeds = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") for name in self.columns]
        expanded = self._expanded
        first = np.cumsum([0, *(len(parts) for parts in expanded)])
        parts = np.array([part for cross in expanded for part in cross], dtype=np.int64)
        return Layout(np.array(seeds, dtype=np.uint64), first.astype(np.int64), parts, self.bits)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """`[n_terms]` name of each term: `bias`, `artist`, `user × artist`."""
        return (BIAS, *self.columns, *(" × ".join(self.columns[part] for part in cross) for cross in self._expanded))

    @property
    def n_terms(self) -> int:
        """Number of terms of an example, the bias among them."""
        return self.layout.n_terms

    @property
    def _expanded(self) -> list[tuple[int, ...]]:
        """Columns of each cross."""
        places: dict[str, list[int]] = {}
        for column, name in enumerate(self.columns):
            places.setdefault(name, []).append(column)
        return [parts for cross in self.crosses for parts in product(*(places[name] for name in cross))]

    def checked(self, codes: npt.NDArray[np.integer], values: Floats | None = None) -> tuple[Codes, Floats]:
        """Codes `[n, n_columns]` and values (none: all 1) as kernels want them.

        Raises:
            UserError: their shapes do not fit the columns.
        """
        if codes.ndim != 2 or codes.shape[1] != len(self.columns):
            raise UserError(f"features: codes of shape {codes.shape} for {len(self.columns)} columns: give one column each")
        if values is not None and values.shape != codes.shape:
            raise UserError(f"features: values of shape {values.shape} beside codes of shape {codes.shape}: give one value a code")
        plain = NO_VALUES if values is None else np.ascontiguousarray(values, dtype=np.float32)
        if codes.dtype == np.int32:
            return np.ascontiguousarray(codes, dtype=np.int32), plain
        return np.ascontiguousarray(codes, dtype=np.int64), plain

    def slots(self, codes: npt.NDArray[np.integer], values: Floats | None = None) -> tuple[npt.NDArray[np.int32], Floats]:
        """Slot and value of each term, both `[n, n_terms]`; a negative code is an absent value and makes its terms' values 0."""
        plain_codes, plain_values = self.checked(codes, values)
        slots = np.empty((len(codes), self.n_terms), dtype=np.int32)
        factors = np.empty(slots.shape, dtype=np.float32)
        hash_rows(plain_codes, plain_values, *self.layout, 0, len(codes), slots, factors)
        return slots, factors

    def collisions(self, codes: npt.NDArray[np.integer]) -> Collisions:
        """How many of the features in `codes [n, n_columns]` meet others in the table."""
        wide = np.empty((len(codes), self.n_terms), dtype=np.uint64)
        _hash_wide(self.checked(codes)[0], *self.layout[:3], wide)
        hashes, times = np.unique(wide[wide != 0], return_counts=True)
        _, slot, sharers = np.unique(hashes >> np.uint64(64 - self.bits), return_inverse=True, return_counts=True)
        meets = sharers[slot] > 1
        occurrences = float(times[meets].sum() / max(times.sum(), 1))
        return Collisions(len(hashes), len(sharers), float(meets.mean()) if len(hashes) else 0.0, occurrences)


@_jit
def _mixed(x: Any) -> Any:
    """A 64-bit mix in the manner of MurmurHash3's finaliser: xor-shifts and odd multipliers, a bijection."""
    x ^= x >> _32
    x *= _FIRST
    x ^= x >> _28
    x *= _SECOND
    return x ^ (x >> _32)


@_jit
def _column_hash(code: Any, seed: Any) -> Any:
    return _mixed(np.uint64(np.int64(code)) * _FOLD + seed)


@_jit
def hash_rows(
    codes: Codes,
    values: Floats,
    seeds: npt.NDArray[np.uint64],
    first: npt.NDArray[np.int64],
    parts: npt.NDArray[np.int64],
    bits: int,
    start: int,
    stop: int,
    slots: npt.NDArray[np.int32],
    factors: Floats,
) -> None:
    """Slots and values of rows `start..stop` into the first `stop - start` rows of `slots` and `factors`."""
    n_columns = len(seeds)
    shift = np.uint64(64 - bits)
    hashes = np.empty(n_columns, np.uint64)
    factor = np.empty(n_columns, np.float32)
    for row in range(start, stop):
        place = row - start
        slots[place, 0] = np.int32(_mixed(_FOLD) >> shift)
        factors[place, 0] = 1.0
        for column in range(n_columns):
            code = codes[row, column]
            hashes[column] = _column_hash(code, seeds[column])
            factor[column] = np.float32(code >= 0)
        if len(values):
            for column in range(n_columns):
                factor[column] *= values[row, column]
        for column in range(n_columns):
            slots[place, 1 + column] = np.int32(hashes[column] >> shift)
            factors[place, 1 + column] = factor[column]
        for cross in range(len(first) - 1):
            part = parts[first[cross]]
            mix, product = hashes[part], factor[part]
            for at in range(first[cross] + 1, first[cross + 1]):
                mix = _mixed(mix * _FOLD + hashes[parts[at]])
                product *= factor[parts[at]]
            slots[place, 1 + n_columns + cross] = np.int32(mix >> shift)
            factors[place, 1 + n_columns + cross] = product


@_jit
def _hash_wide(
    codes: Codes, seeds: npt.NDArray[np.uint64], first: npt.NDArray[np.int64], parts: npt.NDArray[np.int64], wide: npt.NDArray[np.uint64]
) -> None:
    """The whole 64-bit hash of each term; 0 where a part is absent."""
    n_columns = len(seeds)
    for row in range(len(codes)):
        wide[row, 0] = _mixed(_FOLD)
        for column in range(n_columns):
            code = codes[row, column]
            wide[row, 1 + column] = _column_hash(code, seeds[column]) if code >= 0 else np.uint64(0)
        for cross in range(len(first) - 1):
            mix = wide[row, 1 + parts[first[cross]]]
            known = mix != 0
            for at in range(first[cross] + 1, first[cross + 1]):
                right = wide[row, 1 + parts[at]]
                known = known and right != 0
                mix = _mixed(mix * _FOLD + right)
            wide[row, 1 + n_columns + cross] = mix if known else np.uint64(0)
