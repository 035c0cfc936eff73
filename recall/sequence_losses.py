"""Losses of sequence models by name: full softmax without the logits in memory, and gBCE (Petrov and Macdonald, RecSys 2023).

The third, sampled softmax with log-Q correction, is `recall/sampled_softmax.py`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

LossName = Literal["full_softmax", "sampled_softmax", "gbce"]
LOSSES: tuple[LossName, ...] = get_args(LossName)
ROWS_AT_ONCE = 256
"""Rows of logits that are in memory together: with some thousand songs they stay in a core's cache."""


def full_softmax_loss(users: Tensor, table: Tensor, target: Tensor, rows_at_once: int = ROWS_AT_ONCE) -> Tensor:
    """Mean cross-entropy of the targets against all items, a scalar in float32; 0 without targets.

    Logits are inner products, made, turned into gradients and forgotten some rows at a time, so memory is
    `rows_at_once * n_items` and not `n * n_items`. Products are taken in the type of `users`, the softmax in float32.

    Args:
        users: `[n, dim]` vectors of the examples.
        table: `[n_items, dim]` of the same type.
        target: `[n]` items.
        rows_at_once: examples whose logits are in memory together.
    """
    loss: Tensor = _FullSoftmax.apply(users, table, target, rows_at_once)  # type: ignore[no-untyped-call]
    return loss


class _FullSoftmax(torch.autograd.Function):
    """Gradients are found in the forward pass, where the logits are at hand; the backward pass scales them."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, table: Tensor, target: Tensor, rows_at_once: int) -> Tensor:
        n, rows = len(users), max(1, min(rows_at_once, len(users)))
        of_users, of_table = torch.empty_like(users), torch.zeros_like(table, dtype=torch.float32)
        logits = torch.empty(rows, len(table), dtype=users.dtype)
        share = torch.empty(rows, len(table))
        loss = torch.zeros(())
        for start in range(0, n, rows):
            part, own = users[start : start + rows], target[start : start + rows, None]
            loss += _softmax_gradient(part, table, own, logits[: len(part)], share[: len(part)])
            torch.mm(logits[: len(part)], table, out=of_users[start : start + rows])
            of_table += logits[: len(part)].T @ part
        scale = 1 / max(n, 1)
        ctx.save_for_backward(of_users * scale, (of_table * scale).to(table.dtype))
        return loss * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_users, of_table = ctx.saved_tensors
        grad = grads[0].to(of_users.dtype)
        return of_users * grad, of_table * grad, None, None


def _softmax_gradient(users: Tensor, table: Tensor, own: Tensor, logits: Tensor, share: Tensor) -> Tensor:
    """Summed loss of a few rows; `logits` becomes softmax minus one at the target, the gradient by the logits."""
    torch.mm(users, table.T, out=logits)
    share.copy_(logits)
    torch.softmax(share, dim=1, out=share)
    # An underflown share has a finite loss too: the gradient does not look at it.
    loss = -share.gather(1, own).clamp_min(torch.finfo(torch.float32).tiny).log().sum()
    share.scatter_add_(1, own, torch.full_like(own, -1, dtype=torch.float32))
    logits.copy_(share)
    return loss


def gbce_beta(n_negatives: int, n_items: int, t: float) -> float:
    """β = α (t (1 − 1/α) + 1/α) with the sampling rate α = k / (|I| − 1): 1 at t = 0 (plain BCE), α at t = 1 (calibrated).

    Args:
        n_negatives: k, negatives of an example.
        n_items: |I|, items they are drawn from.
        t: calibration, from 0 to 1.
    """
    alpha = min(n_negatives / max(n_items - 1, 1), 1.0)
    return alpha * (t * (1 - 1 / alpha) + 1 / alpha) if alpha > 0 else 1.0


def gbce_loss(positive: Tensor, negative: Tensor, target: Tensor, negatives: Tensor, n_items: int, t: float) -> Tensor:
    """Mean gBCE of the targets against shared negatives, a scalar in float32; 0 without targets.

    L = −1/(k + 1) · [log σ(s⁺)^β + Σ log(1 − σ(s⁻))]. β < 1 makes up for the negatives that were not drawn: sampled BCE
    believes too much of everything, and orders worse at the top. Negatives are drawn uniformly. In float64, as in the paper.

    Args:
        positive: logits `[n]` of the targets.
        negative: logits `[n, k]`.
        target: items `[n]`.
        negatives: items `[k]`; one that is a row's own target counts nothing in that row.
        n_items: items that the negatives are drawn from.
        t: calibration; at 1 the sigmoid of a logit is a probability.
    """
    k = negative.shape[1]
    own = gbce_beta(k, n_items, t) * functional.logsigmoid(positive.double())
    others = functional.logsigmoid(-negative.double()).masked_fill(target[:, None] == negatives, 0.0).sum(1)
    return (-(own + others).sum() / ((k + 1) * max(len(positive), 1))).float()
