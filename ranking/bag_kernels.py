"""Weighted sums of a table's rows and the way back, in the order of the codes: nothing is sorted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ranking.gru_kernels import Floats, Rows, kernel


def bag_sums(table: Tensor, codes: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """`[u, w]` sums of the rows `codes` `[q]` of `table` `[n, w]` times `weights` `[q]`.

    Bag `i` begins at `offsets[i]` and ends where the next one begins, the last one with the codes. The weights have no gradient.
    """
    sums: Tensor = _BagSums.apply(table, codes, offsets, weights)  # type: ignore[no-untyped-call]
    return sums


class _BagSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, codes: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(codes, offsets, weights)
        ctx.rows = len(table)
        sums = torch.zeros(len(offsets), table.shape[1])
        _add_up(table.detach().contiguous().numpy(), codes.numpy(), offsets.numpy(), weights.numpy(), sums.numpy())
        return sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        codes, offsets, weights = ctx.saved_tensors
        of_table = torch.zeros(ctx.rows, gradient.shape[1])
        _add_back(gradient.contiguous().numpy(), codes.numpy(), offsets.numpy(), weights.numpy(), of_table.numpy())
        return of_table, None, None, None


@kernel
def _add_up(table: Floats, codes: Rows, offsets: Rows, weights: Floats, sums: Floats) -> None:
    for i in range(len(offsets)):
        end = offsets[i + 1] if i + 1 < len(offsets) else len(codes)
        total = sums[i]
        for q in range(offsets[i], end):
            weight, row = weights[q], table[codes[q]]
            for j in range(len(row)):
                total[j] += weight * row[j]


@kernel
def _add_back(gradient: Floats, codes: Rows, offsets: Rows, weights: Floats, of_table: Floats) -> None:
    for i in range(len(offsets)):
        end = offsets[i + 1] if i + 1 < len(offsets) else len(codes)
        own = gradient[i]
        for q in range(offsets[i], end):
            weight, row = weights[q], of_table[codes[q]]
            for j in range(len(row)):
                row[j] += weight * own[j]
