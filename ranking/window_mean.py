"""Mean of shared vectors over windows of their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranking.gru import Packed
from ranking.gru_kernels import Floats, Rows, kernel


def window_mean(vectors: Tensor, windows: Packed) -> Tensor:
    """`[n, w]` mean of the rows of `vectors` `[r, w]` in each window; zero of an empty one."""
    mean: Tensor = _Mean.apply(vectors, windows)  # type: ignore[no-untyped-call]
    return mean


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, windows: Packed) -> Tensor:
        mean = np.zeros((len(windows.first), vectors.shape[1]), np.float32)
        _mean(np.ascontiguousarray(vectors.detach().numpy()), windows.first, windows.offsets, mean)
        ctx.windows, ctx.n_rows = windows, len(vectors)
        return torch.from_numpy(mean)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        of_vectors = np.zeros((ctx.n_rows, gradient.shape[1]), np.float32)
        _spread(np.ascontiguousarray(gradient.numpy()), ctx.windows.first, ctx.windows.offsets, of_vectors)
        return torch.from_numpy(of_vectors), None


@kernel
def _mean(vectors: Floats, first: Rows, offsets: Rows, mean: Floats) -> None:
    for s in range(len(first)):
        n = offsets[s + 1] - offsets[s]
        for row in range(first[s], first[s] + n):
            for j in range(vectors.shape[1]):
                mean[s, j] += vectors[row, j]
        if n > 1:
            mean[s] /= np.float32(n)


@kernel
def _spread(gradient: Floats, first: Rows, offsets: Rows, of_vectors: Floats) -> None:
    for s in range(len(first)):
        n = offsets[s + 1] - offsets[s]
        share = np.float32(1) / np.float32(max(n, 1))
        for row in range(first[s], first[s] + n):
            for j in range(gradient.shape[1]):
                of_vectors[row, j] += share * gradient[s, j]
