"""Kernels of FTRL-Proximal over hashed terms: predict, learn, and explain rows of slots.

The state of a slot is the pair (z, n) in 32 bits, side by side, so that a term touches one cache line. Learning is one example after
the other; what runs ahead is only the hashing of the next examples and the fetching of their slots, which changes no number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

from ranking.hashing import Codes, hash_rows

Floats = npt.NDArray[np.float32]
Slots = npt.NDArray[np.int32]
Ids = npt.NDArray[np.int64]

AHEAD: Final = 16
"""Examples whose slots are fetched before they are learned."""
_LANES: Final = 8
"""Partial sums of an example's terms: wide enough for vector registers, and in an order that no compiler may change."""


def _jit(function: Callable[..., Any]) -> Any:
    return numba.njit(cache=True, nogil=True, error_model="numpy")(function)


class Rates(NamedTuple):
    """The settings as 32-bit numbers, for kernels."""

    alpha: np.float32
    beta: np.float32
    l1: np.float32
    l2: np.float32


@intrinsic  # type: ignore[untyped-decorator]
def _fetch(context: Any, table: Any, row: Any) -> Any:
    """Ask for the cache line of `table[row]`, to be written soon; waits for nothing."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = target.make_array(signature.args[0])(target, builder, arguments[0])
        column = target.get_constant(types.intp, 0)
        place = cgutils.get_item_pointer(target, builder, signature.args[0], array, [arguments[1], column])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for_writing, keep, data = (ir.Constant(number, value) for value in (1, 3, 1))
        builder.call(prefetch, [builder.bitcast(place, byte), for_writing, keep, data])
        return target.get_dummy_value()

    return types.void(table, types.intp), generate


@_jit
def _weight(z: Any, root: Any, rates: Any) -> Any:
    """The weight that z and √n stand for; 0 where |z| ≤ λ1."""
    beyond = abs(z) - rates.l1
    shrunk = beyond if beyond > np.float32(0.0) else np.float32(0.0)
    return -math.copysign(shrunk, z) * rates.alpha / (rates.beta + root + rates.alpha * rates.l2)


@_jit
def _sum(parts: Any) -> Any:
    """Sum of a buffer whose length is a multiple of the lanes: the same bits wherever it is compiled into."""
    lanes = np.zeros(_LANES, np.float32)
    for start in range(0, len(parts), _LANES):
        for lane in range(_LANES):
            lanes[lane] += parts[start + lane]
    total = np.float32(0.0)
    for lane in range(_LANES):
        total += lanes[lane]
    return total


@_jit
def _padded(n_terms: Any) -> Any:
    return (n_terms + _LANES - 1) // _LANES * _LANES


@_jit
def learn_rows(
    table: Floats, slots: Slots, factors: Floats, labels: Floats, weights: Floats, rates: Rates, first: int, n: int, logits: Floats
) -> None:
    """Learn examples `first … first + n`, whose terms are the first `n` rows of `slots` and `factors`; `logits` as before each.

    Two terms of one example that meet in a slot both read it as it was before the example, and both add to it.
    """
    n_terms = slots.shape[1]
    z, square = np.empty(n_terms, np.float32), np.empty(n_terms, np.float32)
    root, weight = np.empty(n_terms, np.float32), np.empty(n_terms, np.float32)
    parts, per_alpha = np.zeros(_padded(n_terms), np.float32), np.float32(1.0) / rates.alpha
    for row in range(n):
        example = first + row
        for term in range(n_terms):
            z[term], square[term] = table[slots[row, term], 0], table[slots[row, term], 1]
        for term in range(n_terms):
            root[term] = math.sqrt(square[term])
            weight[term] = _weight(z[term], root[term], rates)
            parts[term] = weight[term] * factors[row, term]
        logit = _sum(parts)
        logits[example] = logit
        residual = np.float32(1.0) / (np.float32(1.0) + math.exp(-logit)) - labels[example]
        if len(weights):
            residual *= weights[example]
        for term in range(n_terms):
            gradient = residual * factors[row, term]
            added = gradient * gradient
            sigma = (math.sqrt(square[term] + added) - root[term]) * per_alpha
            z[term], square[term] = gradient - sigma * weight[term], added
        for term in range(n_terms):
            table[slots[row, term], 0] += z[term]
            table[slots[row, term], 1] += square[term]


@_jit
def learn_codes(
    table: Floats,
    codes: Codes,
    values: Floats,
    seeds: npt.NDArray[np.uint64],
    first: Ids,
    parts: Ids,
    bits: int,
    labels: Floats,
    weights: Floats,
    rates: Rates,
    logits: Floats,
) -> None:
    """Hash, predict and learn the examples in their order, in one pass; `logits` as before each was learned."""
    n_terms = len(seeds) + len(first)
    slots, factors = np.empty((AHEAD, n_terms), np.int32), np.empty((AHEAD, n_terms), np.float32)
    for start in range(0, len(codes), AHEAD):
        n = min(AHEAD, len(codes) - start)
        hash_rows(codes, values, seeds, first, parts, bits, start, start + n, slots, factors)
        for row in range(n):
            for term in range(n_terms):
                _fetch(table, slots[row, term])
        learn_rows(table, slots, factors, labels, weights, rates, start, n, logits)


@_jit
def predict_codes(
    table: Floats,
    codes: Codes,
    values: Floats,
    seeds: npt.NDArray[np.uint64],
    first: Ids,
    parts: Ids,
    bits: int,
    rates: Rates,
    logits: Floats,
) -> None:
    """Logit of each example by the table as it is."""
    n_terms = len(seeds) + len(first)
    slots, factors = np.empty((AHEAD, n_terms), np.int32), np.empty((AHEAD, n_terms), np.float32)
    z, square, products = np.empty(n_terms, np.float32), np.empty(n_terms, np.float32), np.zeros(_padded(n_terms), np.float32)
    for start in range(0, len(codes), AHEAD):
        n = min(AHEAD, len(codes) - start)
        hash_rows(codes, values, seeds, first, parts, bits, start, start + n, slots, factors)
        for row in range(n):
            for term in range(n_terms):
                _fetch(table, slots[row, term])
        for row in range(n):
            for term in range(n_terms):
                z[term], square[term] = table[slots[row, term], 0], table[slots[row, term], 1]
            for term in range(n_terms):
                products[term] = _weight(z[term], math.sqrt(square[term]), rates) * factors[row, term]
            logits[start + row] = _sum(products)


@_jit
def weights_of(table: Floats, rates: Rates, weights: Floats) -> None:
    """The weight `[n_slots]` of every slot."""
    for slot in range(len(table)):
        weights[slot] = _weight(table[slot, 0], math.sqrt(table[slot, 1]), rates)


@_jit
def steps_of(table: Floats, rates: Rates, steps: Floats) -> None:
    """How far one unit of gradient moves the weight of each slot: α / (β + √n)."""
    for slot in range(len(table)):
        steps[slot] = rates.alpha / (rates.beta + math.sqrt(table[slot, 1]))


@_jit
def count_weights(table: Floats, l1: np.float32) -> int:
    """How many slots have a weight that is not 0."""
    n = 0
    for slot in range(len(table)):
        n += abs(table[slot, 0]) > l1
    return n
