"""Agreement of two clusterings, for the tests that plant one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def adjusted_rand_index(one: npt.NDArray[np.integer], two: npt.NDArray[np.integer]) -> float:
    """Hubert and Arabie (1985): 1 for the same clusters, 0 in expectation for random ones of the same sizes."""
    table = np.zeros((int(one.max()) + 1, int(two.max()) + 1))
    np.add.at(table, (one, two), 1)

    def pairs(counts: npt.NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns, every = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), pairs(np.array([float(len(one))]))
    expected = rows * columns / every
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)
