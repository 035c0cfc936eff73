"""What a stretch of listening consists of, attribute by attribute: the distinct values, and how often, how much and how lately each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recall.attributes import Attributes, Ints
from recall.interest_sequences import Sequences
from recall.snapshot import SECONDS_PER_DAY

N_STATISTICS: Final = 3
"""Statistics of a value: log(1 + times heard), share of the stretch's values, log(1 + age).

Age counts from the last token of the stretch to the value's last, in days, or in tokens where time is ordinal.
"""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AttributeSet:
    """The values of one attribute in `n` stretches, most often heard first (then the latest, then by code)."""

    values: Ints
    """`[n, m]` codes, 0 for padding."""
    statistics: Floats
    """`[n, m, N_STATISTICS]`, 0 for padding."""


def attribute_sets(
    sequences: Sequences, attributes: Attributes, start: Ints, end: Ints, *, size: int, ordinal: bool
) -> tuple[AttributeSet, ...]:
    """One set for each of `attributes.names` of the tokens `start[i]:end[i]` `[n]`, each of at most `size` values."""
    count = end - start
    stretch = np.repeat(np.arange(len(start)), count)
    row = start[stretch] + np.arange(len(stretch)) - np.repeat(np.cumsum(count) - count, count)
    last = end[stretch] - 1
    age = (last - row).astype(np.float64) if ordinal else (sequences.ts[last] - sequences.ts[row]) / SECONDS_PER_DAY
    item = sequences.item[row]
    return tuple(_set(len(start), stretch, codes[item], age, size, attributes.size) for codes in attributes.codes)


def _set(n: int, stretch: Ints, codes: Ints, age: npt.NDArray[np.float64], size: int, n_codes: int) -> AttributeSet:
    width = codes.shape[1]
    pair = np.repeat(stretch, width) * n_codes + codes.ravel()
    known = codes.ravel() > 0
    distinct, group, times = np.unique(pair[known], return_inverse=True, return_counts=True)
    youngest = np.full(len(distinct), np.inf)
    np.minimum.at(youngest, group, np.repeat(age, width)[known])
    owner, code = distinct // n_codes, distinct % n_codes
    total = np.bincount(owner, weights=times, minlength=n)
    order = np.lexsort((code, youngest, -times, owner))
    rank = np.arange(len(order)) - np.searchsorted(owner, owner[order])
    kept = order[rank < size]
    place = rank[rank < size]
    m = max(1, int(place.max(initial=0)) + 1)
    values, statistics = np.zeros((n, m), np.int64), np.zeros((n, m, N_STATISTICS), np.float32)
    values[owner[kept], place] = code[kept]
    columns = (np.log1p(times[kept]), times[kept] / total[owner[kept]], np.log1p(youngest[kept]))
    statistics[owner[kept], place] = np.stack(columns, axis=-1)
    return AttributeSet(values, statistics)
