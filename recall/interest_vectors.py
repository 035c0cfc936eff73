"""Several vectors a user: one list for each vector, merged by maximum.

A song's score is its largest inner product over the user's vectors. A song among the best k by that score is among the best k of the
vector that gives it, so the merged list is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from recall.vector_index import Exclude, Found, VectorIndex, Vectors

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class InterestVectors:
    """Ragged columns: user `i` owns the vectors `offsets[i]:offsets[i + 1]`, which may be none."""

    offsets: Ints
    """`[n_users + 1]`"""
    vectors: Vectors
    """`[n_vectors, dim]`"""

    @classmethod
    def of_sizes(cls, sizes: Ints, vectors: Vectors) -> Self:
        """`sizes` `[n_users]` consecutive vectors each."""
        return cls(np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), vectors)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Ints:
        """`[n_users]` number of vectors of each."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> Ints:
        """`[n_vectors]` user of each vector."""
        return np.repeat(np.arange(len(self)), self.sizes)


def search(index: VectorIndex, interests: InterestVectors, k: int, exclude: Exclude = None) -> Found:
    """The `k` songs of each user with the largest score, best first, ties by song; `row` is the user's place.

    Args:
        index: of the songs.
        interests: those of a user decide that user's list alone.
        k: at most; a user without vectors gets none.
        exclude: pairs (place of a user, song) that are left out.
    """
    if exclude is not None:
        pair, vector = _of_each(interests, np.asarray(exclude[0], np.int64))
        exclude = vector, exclude[1][pair]
    found = index.search(interests.vectors, k, exclude)
    row, item, score = interests.owner[found.row], found.item, found.score
    by_song = np.lexsort((-score, item, row))
    row, item, score = row[by_song], item[by_song], score[by_song]
    first = np.ones(len(row), bool)
    first[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
    row, item, score = row[first], item[first], score[first]
    order = np.lexsort((item, -score, row))
    row, item, score = row[order], item[order], score[order]
    keep = np.arange(len(row)) - np.searchsorted(row, row) < k
    return Found(row[keep].astype(np.int32), item[keep], score[keep])


def best(
    index: VectorIndex, interests: InterestVectors, row: npt.NDArray[np.integer], item: npt.NDArray[np.integer]
) -> tuple[Vectors, Ints]:
    """Score of each pair (user's place, song) `[n]`, the number that `search` gives, and the vector that gives it.

    Without vectors the score is 0 and the vector -1; of equal vectors it is the first.
    """
    pair, vector = _of_each(interests, np.asarray(row, np.int64))
    score = index.score(interests.vectors, vector, np.asarray(item)[pair])
    out, which = np.zeros(len(row), np.float32), np.full(len(row), -1, np.int64)
    # Pairs stand together, each with its vectors in their order: from the last of the best back, the first one stays.
    heads = np.flatnonzero(np.concatenate(([True], pair[1:] != pair[:-1]))) if len(pair) else np.zeros(0, np.intp)
    out[pair[heads]] = np.maximum.reduceat(score, heads) if len(heads) else score
    best_ones = np.flatnonzero(score == out[pair])[::-1]
    which[pair[best_ones]] = vector[best_ones]
    return out, which


def _of_each(interests: InterestVectors, row: Ints) -> tuple[Ints, Ints]:
    """For users `row` `[n]` every vector of each: position in `row` and vector, both `[sum of their sizes]`."""
    count = interests.sizes[row]
    pair = np.repeat(np.arange(len(row)), count)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    return pair, interests.offsets[row][pair] + place
