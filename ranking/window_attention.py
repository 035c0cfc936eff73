"""Attention over windows of shared states: a_t = softmax over t of query · state_t, each window apart (DIEN, equation 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranking.gru import Packed
from ranking.gru_kernels import Floats, Rows, kernel


def window_attention(query: Tensor, states: Tensor, windows: Packed) -> Tensor:
    """Weights `[p]` of the states in each window, which sum to 1 in every window that is not empty.

    Args:
        query: `[n, w]`, one of each window.
        states: `[r, w]`, which windows share.
        windows: rows of `states`.
    """
    weights: Tensor = _Attention.apply(query, states, windows)  # type: ignore[no-untyped-call]
    return weights


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, states: Tensor, windows: Packed) -> Tensor:
        given = tuple(np.ascontiguousarray(tensor.detach().numpy()) for tensor in (query, states))
        weights = np.empty(windows.n_steps, np.float32)
        _attend(*given, windows.first, windows.offsets, weights)
        ctx.kept, ctx.windows = (*given, weights), windows
        return torch.from_numpy(weights)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        query, states, weights = ctx.kept
        of_query, of_states = np.zeros_like(query), np.zeros_like(states)
        given = np.ascontiguousarray(gradient.numpy())
        _attend_back(query, states, ctx.windows.first, ctx.windows.offsets, weights, given, of_query, of_states)
        return torch.from_numpy(of_query), torch.from_numpy(of_states), None


@kernel
def _attend(query: Floats, states: Floats, first: Rows, offsets: Rows, weights: Floats) -> None:
    for s in range(len(first)):
        begin, end = offsets[s], offsets[s + 1]
        top = np.float32(-np.inf)
        for t in range(begin, end):
            state, score = states[first[s] + t - begin], np.float32(0)
            for j in range(query.shape[1]):
                score += query[s, j] * state[j]
            weights[t] = score
            top = max(top, score)
        total = np.float32(0)
        for t in range(begin, end):
            weights[t] = np.exp(weights[t] - top)
            total += weights[t]
        for t in range(begin, end):
            weights[t] /= total


@kernel
def _attend_back(
    query: Floats, states: Floats, first: Rows, offsets: Rows, weights: Floats, gradient: Floats, of_query: Floats, of_states: Floats
) -> None:
    """Adds to `of_query` and `of_states`."""
    for s in range(len(first)):
        begin, end = offsets[s], offsets[s + 1]
        mean = np.float32(0)
        for t in range(begin, end):
            mean += weights[t] * gradient[t]
        for t in range(begin, end):
            row = first[s] + t - begin
            of_score = weights[t] * (gradient[t] - mean)
            for j in range(query.shape[1]):
                of_query[s, j] += of_score * states[row, j]
                of_states[row, j] += of_score * query[s, j]
