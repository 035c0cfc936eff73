"""Other ways to write the FTRL-Proximal kernel, and the memory's own speed, for `ftrl_speed.py` to measure beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ranking import ftrl_kernel
from ranking.ftrl_kernel import learn_codes, learn_rows
from ranking.hashing import NO_VALUES, HashedTerms, hash_rows

NO_WEIGHTS = np.empty(0, np.float32)
_jit = numba.njit(nogil=True, error_model="numpy")


@_jit
def learn_unfetched(table, codes, values, seeds, first, parts, bits, labels, weights, rates, logits, ahead):  # type: ignore[no-untyped-def]
    """As the product, in blocks of `ahead` examples, without asking for cache lines."""
    n_terms = len(seeds) + len(first)
    slots, factors = np.empty((ahead, n_terms), np.int32), np.empty((ahead, n_terms), np.float32)
    for start in range(0, len(codes), ahead):
        n = min(ahead, len(codes) - start)
        hash_rows(codes, values, seeds, first, parts, bits, start, start + n, slots, factors)
        learn_rows(table, slots, factors, labels, weights, rates, start, n, logits)


@_jit
def learn_fetched(table, codes, values, seeds, first, parts, bits, labels, weights, rates, logits, ahead):  # type: ignore[no-untyped-def]
    """As the product, with blocks of another size."""
    n_terms = len(seeds) + len(first)
    slots, factors = np.empty((ahead, n_terms), np.int32), np.empty((ahead, n_terms), np.float32)
    for start in range(0, len(codes), ahead):
        n = min(ahead, len(codes) - start)
        hash_rows(codes, values, seeds, first, parts, bits, start, start + n, slots, factors)
        for row in range(n):
            for term in range(n_terms):
                ftrl_kernel._fetch(table, slots[row, term])
        learn_rows(table, slots, factors, labels, weights, rates, start, n, logits)


@_jit
def learn_apart(zs, ns, codes, values, seeds, first, parts, bits, labels, rates, logits, ahead):  # type: ignore[no-untyped-def]
    """As the product, with z and n in two arrays, so that a term touches two cache lines."""
    n_terms = len(seeds) + len(first)
    slots, factors = np.empty((ahead, n_terms), np.int32), np.empty((ahead, n_terms), np.float32)
    z, square = np.empty(n_terms, np.float32), np.empty(n_terms, np.float32)
    root, weight = np.empty(n_terms, np.float32), np.empty(n_terms, np.float32)
    products = np.zeros(ftrl_kernel._padded(n_terms), np.float32)
    for start in range(0, len(codes), ahead):
        n = min(ahead, len(codes) - start)
        hash_rows(codes, values, seeds, first, parts, bits, start, start + n, slots, factors)
        for row in range(n):
            for term in range(n_terms):
                ftrl_kernel._fetch(zs, slots[row, term])
                ftrl_kernel._fetch(ns, slots[row, term])
        for row in range(n):
            for term in range(n_terms):
                z[term], square[term] = zs[slots[row, term], 0], ns[slots[row, term], 0]
            for term in range(n_terms):
                root[term] = math.sqrt(square[term])
                weight[term] = ftrl_kernel._weight(z[term], root[term], rates)
                products[term] = weight[term] * factors[row, term]
            logit = ftrl_kernel._sum(products)
            logits[start + row] = logit
            residual = np.float32(1.0) / (np.float32(1.0) + math.exp(-logit)) - labels[start + row]
            for term in range(n_terms):
                gradient = residual * factors[row, term]
                added = gradient * gradient
                sigma = (math.sqrt(square[term] + added) - root[term]) / rates.alpha
                zs[slots[row, term], 0] += gradient - sigma * weight[term]
                ns[slots[row, term], 0] += added


@_jit
def hash_only(codes, values, seeds, first, parts, bits, ahead):  # type: ignore[no-untyped-def]
    """The hashing alone."""
    n_terms, total = len(seeds) + len(first), 0
    slots, factors = np.empty((ahead, n_terms), np.int32), np.empty((ahead, n_terms), np.float32)
    for start in range(0, len(codes), ahead):
        n = min(ahead, len(codes) - start)
        hash_rows(codes, values, seeds, first, parts, bits, start, start + n, slots, factors)
        total += slots[n - 1, n_terms - 1]
    return total


@_jit
def chase(cycle, n):  # type: ignore[no-untyped-def]
    """`n` reads, each of which says where the next one is."""
    at = 0
    for _ in range(n):
        at = cycle[at, 0]
    return at


@_jit
def gather(table, slots):  # type: ignore[no-untyped-def]
    """A read and a write of the pair at every slot, none of which waits for another."""
    for row in range(len(slots)):
        for term in range(slots.shape[1]):
            slot = slots[row, term]
            table[slot, 0] += np.float32(1.0)
            table[slot, 1] += np.float32(1.0)


def nanoseconds(work: Callable[[], Any], n: int) -> float:
    """Processor time of `work` over `n`."""
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1e9 / n


def memory(terms: HashedTerms, codes: npt.NDArray[np.int32]) -> dict[str, float]:
    """Nanoseconds of one access to a table of 2^bits pairs: in a chain, and independently at the slots that the examples need."""
    n_slots = 1 << terms.bits
    order = np.random.default_rng(0).permutation(n_slots)
    cycle = np.zeros((n_slots, 2), np.int32)
    cycle[order, 0] = np.roll(order, -1)
    slots = terms.slots(codes)[0]
    uniform = np.random.default_rng(1).integers(0, n_slots, slots.shape, dtype=np.int32)
    table = np.ones((n_slots, 2), np.float32)
    chase(cycle, 10), gather(table, slots[:2])  # compiled before they are timed
    return {
        "chain": nanoseconds(lambda: chase(cycle, 1_000_000), 1_000_000),
        "uniform": nanoseconds(lambda: gather(table, uniform), slots.size),
        "gather": nanoseconds(lambda: gather(table, slots), slots.size),
    }


def variants(terms: HashedTerms, codes: npt.NDArray[np.int32], labels: npt.NDArray[np.float32], rates: Any) -> dict[str, float]:
    """Nanoseconds an example of each way to learn one pass from nothing; all end with the same table but for float order."""
    logits, n = np.empty(len(codes), np.float32), len(codes)
    plain = (codes, NO_VALUES, *terms.layout)
    slots, factors = terms.slots(codes)
    near = slots % 512

    def separate(table: npt.NDArray[np.float32]) -> None:
        slots, factors = terms.slots(codes)
        learn_rows(table, slots, factors, labels, NO_WEIGHTS, rates, 0, n, logits)

    ways: dict[str, Callable[[Any], Any]] = {
        "the product": lambda table: learn_codes(table, *plain, labels, NO_WEIGHTS, rates, logits),
        "hashed in a pass of its own": separate,
        **{
            f"blocks of {ahead}, nothing fetched": lambda table, ahead=ahead: learn_unfetched(
                table, *plain, labels, NO_WEIGHTS, rates, logits, ahead
            )
            for ahead in (1, 16)
        },
        **{
            f"blocks of {ahead}, fetched": lambda table, ahead=ahead: learn_fetched(table, *plain, labels, NO_WEIGHTS, rates, logits, ahead)
            for ahead in (4, 64, 256)
        },
        "z and n apart, blocks of 16, fetched": lambda table: learn_apart(
            table[: 1 << terms.bits], table[1 << terms.bits :], *plain, labels, rates, logits, 16
        ),
        "hashing alone": lambda table: hash_only(*plain, 16),
        "learning alone, all in the nearest cache": lambda table: learn_rows(table, near, factors, labels, NO_WEIGHTS, rates, 0, n, logits),
    }
    found = {}
    for name, way in ways.items():
        shape = (2 << terms.bits, 1) if "apart" in name else (1 << terms.bits, 2)
        way(np.zeros(shape, np.float32))  # compiled before it is timed
        table = np.ones(shape, np.float32)
        table[:] = 0
        found[name] = nanoseconds(lambda way=way, table=table: way(table), n)  # type: ignore[misc]
    return found
