"""Boosted trees as flat columns, scored row block by row block without a branch (after QuickScorer: Lucchese et al., SIGIR 2015).

Each inner node holds a mask of the leaves that remain when a row does not go left; the leaf of a row is the lowest bit that all nodes
of the tree have left. A node costs one comparison and one AND for each row, which the compiler makes vector instructions of; walking
the trees, as LightGBM does, waits for a mispredicted branch at every level instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Self

import lightgbm as lgb
import numba
import numpy as np
import numpy.typing as npt

ROWS: Final = 128
"""Rows scored together: their features and bits stay in the first cache."""
MOST_LEAVES: Final = 32
_ALL: Final = np.uint32(0xFFFFFFFF)
_DE_BRUIJN: Final = np.uint32(0x077CB531)
"""Its five highest bits after a shift by any place name the place."""
_PLACE: Final = np.zeros(32, np.uint8)
_PLACE[[((0x077CB531 << place) & 0xFFFFFFFF) >> 27 for place in range(32)]] = np.arange(32)
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_NAN = 1, 2, 2

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TreeKernel:
    """The trees of a LightGBM booster over numbers, ready to score. Equal to `Booster.predict` to the bit."""

    first: npt.NDArray[np.int64]
    """`[n_trees + 1]` first inner node of each tree."""
    feature: npt.NDArray[np.int32]
    """`[n_nodes]`"""
    threshold: Floats
    """`[n_nodes]` a number up to it goes left."""
    nan_left: npt.NDArray[np.bool_]
    """`[n_nodes]` whether an unknown value goes left."""
    mask: npt.NDArray[np.uint32]
    """`[n_nodes]` leaves that remain where a row goes right."""
    leaf: npt.NDArray[np.float64]
    """`[n_trees, widest]` value of each leaf, from left to right."""
    nan_is_zero: npt.NDArray[np.int32]
    """Features without unknown values when the trees were learned: there LightGBM takes an unknown one for 0."""

    @classmethod
    def of(cls, booster: lgb.Booster) -> Self | None:
        """The trees of a booster; None where one has more than `MOST_LEAVES` leaves.

        Raises:
            ValueError: a split by category.
        """
        trees = [_Tree.of(block) for block in booster.model_to_string(num_iteration=-1).split("\nTree=")[1:]]
        widest = max((len(tree.leaf) for tree in trees), default=1)
        if widest > MOST_LEAVES:
            return None
        leaf = np.zeros((len(trees), widest))
        for row, tree in zip(leaf, trees, strict=True):
            row[: len(tree.leaf)] = tree.leaf
        feature = _joined([tree.feature for tree in trees], np.int32)
        knows_nan = _joined([tree.knows_nan for tree in trees], np.bool_)
        return cls(
            np.concatenate([[0], np.cumsum([len(tree.feature) for tree in trees])]).astype(np.int64),
            feature,
            _joined([tree.threshold for tree in trees], np.float32),
            _joined([tree.nan_left for tree in trees], np.bool_),
            _joined([tree.mask for tree in trees], np.uint32),
            leaf,
            np.unique(feature[~knows_nan]),
        )

    def part(self, start: int, end: int) -> TreeKernel:
        """The trees `start:end` alone."""
        return replace(self, first=self.first[start : end + 1], leaf=self.leaf[start:end])

    def score(self, columns: Floats) -> npt.NDArray[np.float64]:
        """Sum of the trees' values for each column of `columns` `[n_features, n]`: `[n]`."""
        columns = np.ascontiguousarray(columns)
        total = np.zeros(columns.shape[1])
        _score(columns, self.first, self.feature, self.threshold, self.nan_left, self.mask, self.leaf, self.nan_is_zero, total)
        return total


@dataclass(frozen=True)
class _Tree:
    """One tree with its leaves renumbered from left to right."""

    feature: npt.NDArray[np.int32]
    threshold: Floats
    nan_left: npt.NDArray[np.bool_]
    knows_nan: npt.NDArray[np.bool_]
    mask: npt.NDArray[np.uint32]
    leaf: npt.NDArray[np.float64]

    @classmethod
    def of(cls, block: str) -> Self:
        """A tree from its part of the model's text."""
        told = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        values = np.array(told["leaf_value"].split(), dtype=np.float64)
        if len(values) == 1:
            none = np.zeros(0, np.int32)
            return cls(none, none.astype(np.float32), none.astype(bool), none.astype(bool), none.astype(np.uint32), values)
        kind = np.array(told["decision_type"].split(), dtype=np.int64)
        if (kind & _CATEGORICAL).any():
            raise ValueError("trees that split by category cannot be scored by their thresholds")
        left, right = (np.array(told[side].split(), dtype=np.int64) for side in ("left_child", "right_child"))
        order, mask = _left_to_right(left, right)
        return cls(
            np.array(told["split_feature"].split(), dtype=np.int32),
            _rounded_down(np.array(told["threshold"].split(), dtype=np.float64)),
            (kind & _DEFAULT_LEFT) > 0,
            kind >> 2 == _MISSING_NAN,
            mask,
            values[order],
        )


def _left_to_right(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> tuple[list[int], npt.NDArray[np.uint32]]:
    """Leaves in order, and for each inner node the bits of all leaves but those on its left side. A child below 0 is leaf `-child - 1`."""
    order: list[int] = []
    ends: dict[int, tuple[int, int]] = {}
    stack = [(0, False)]
    while stack:
        node, left_done = stack.pop()
        if node < 0:
            order.append(-node - 1)
        elif left_done:
            ends[node] = (ends[node][0], len(order))
            stack.append((int(right[node]), False))
        else:
            ends[node] = (len(order), 0)
            stack += [(node, True), (int(left[node]), False)]
    all_bits = (1 << MOST_LEAVES) - 1
    mask = [all_bits & ~(((1 << end) - 1) & ~((1 << start) - 1)) for start, end in (ends[node] for node in range(len(left)))]
    return order, np.array(mask, dtype=np.uint32)


def _rounded_down(threshold: npt.NDArray[np.float64]) -> Floats:
    """The largest float32 up to each threshold: a float32 is at most the one where it is at most the other."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)


def _joined(parts: list[npt.NDArray[Any]], kind: Any) -> npt.NDArray[Any]:
    return np.concatenate([*parts, np.zeros(0, kind)])


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _score(
    columns: Floats,
    first: npt.NDArray[np.int64],
    feature: npt.NDArray[np.int32],
    threshold: Floats,
    nan_left: npt.NDArray[np.bool_],
    mask: npt.NDArray[Any],
    leaf: npt.NDArray[np.float64],
    nan_is_zero: npt.NDArray[np.int32],
    total: npt.NDArray[np.float64],
) -> None:
    n_features, n = columns.shape
    block = np.zeros((n_features, ROWS), np.float32)
    bits = np.empty(ROWS, np.uint32)
    for start in range(0, n, ROWS):
        size = min(ROWS, n - start)
        block[:, :size] = columns[:, start : start + size]
        for column in nan_is_zero:
            for row in range(size):
                if np.isnan(block[column, row]):
                    block[column, row] = 0.0
        for tree in range(len(first) - 1):
            _reach(block, feature, threshold, nan_left, mask, first[tree], first[tree + 1], bits)
            for row in range(size):
                lowest = np.uint32(bits[row] & np.uint32(-bits[row]))
                total[start + row] += leaf[tree, _PLACE[np.uint32(lowest * _DE_BRUIJN) >> np.uint32(27)]]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _reach(
    block: Floats,
    feature: npt.NDArray[np.int32],
    threshold: Floats,
    nan_left: npt.NDArray[np.bool_],
    mask: npt.NDArray[np.uint32],
    start: int,
    end: int,
    bits: npt.NDArray[np.uint32],
) -> None:
    """Which leaves of the tree of nodes `start:end` each row `[ROWS]` may still reach. The innermost loops become vector instructions."""
    bits[:] = _ALL
    for node in range(start, end):
        values, limit, remains = block[feature[node]], threshold[node], mask[node]
        # An unknown value fails either comparison, so which one is made says where it goes.
        if nan_left[node]:
            for row in range(ROWS):
                bits[row] = np.uint32(bits[row] & (remains if values[row] > limit else _ALL))
        else:
            for row in range(ROWS):
                bits[row] = np.uint32(bits[row] & (_ALL if values[row] <= limit else remains))
