"""Exact search by inner product: every vector is multiplied with every query."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from recall.block_scan import FEW, NO_ROWS, Blocks, Excluded, Rows, Scanned, Vectors, blocks, every_block, scan
from recall.byte_codes import ByteCodes, byte_codes

BLOCK = 8192
"""Vectors of a block: with 256 queries the products stay in the second cache."""
QUERIES = 256
"""Queries scanned together."""


@dataclass(frozen=True)
class ExactIndex:
    """Vectors, searched whole."""

    blocks: Blocks
    queries_at_once: int = QUERIES

    @classmethod
    def of(cls, vectors: Vectors, row: Rows = NO_ROWS) -> Self:
        """The index of `vectors` `[n, dim]`, which are not copied, known outside as `row` `[n]`."""
        start = np.append(np.arange(0, len(vectors), BLOCK), len(vectors)).astype(np.int64)
        return cls(blocks(vectors, start, row))

    def search(self, queries: Vectors, k: int, open_: npt.NDArray[np.bool_], excluded: Excluded) -> Scanned:
        """The `k` best rows of each query and all that may tie with the last; arguments as in `block_scan.scan`."""
        probes = every_block(len(self.blocks.start) - 1, len(queries))
        return scan(self.blocks, queries, probes, k, open_, excluded, codes=self._codes if len(queries) <= FEW else None)

    @cached_property
    def _codes(self) -> ByteCodes:
        return byte_codes(self.blocks.vectors)
