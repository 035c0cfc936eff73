"""Losses of sequence models by name: softmax over all songs or over a sample, gBCE (Petrov and Macdonald, RecSys 2023).

Both softmaxes are one kernel that never holds the logits of a whole batch. `recall/sampled_softmax.py` has the sampler, and the
sampled softmax for logits that are already there.
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


def full_softmax_loss(users: Tensor, table: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of the targets against all items, a scalar in float32; 0 without targets.

    Args:
        users: `[n, dim]` vectors of the examples; products are taken in their type, the softmax in float32.
        table: `[n_items, dim]` of the same type.
        target: `[n]` items.
        weight: `[n]` of the examples in the mean; None weighs all the same.
    """
    own = functional.embedding(target, table)
    return _shared_softmax(users, table, own, target, torch.zeros(len(table)), torch.zeros(len(users)), weight)


def shared_softmax_loss(
    users: Tensor, table: Tensor, target: Tensor, negatives: Tensor, log_q: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy against negatives that the batch shares, log-Q corrected: `sampled_softmax_loss` of the inner products.

    Args:
        users: `[n, dim]` vectors of the examples.
        table: `[n_items, dim]` of the same type.
        target: `[n]` items.
        negatives: items `[n_negatives]`, drawn with replacement: one drawn twice counts twice.
        log_q: `[n_items]` log-probability of drawing each item.
        weight: `[n]` of the examples in the mean.
    """
    drawn, count = torch.unique(negatives, return_counts=True)
    place = torch.searchsorted(drawn, target).clamp_max(len(drawn) - 1)
    hit = torch.where(drawn[place] == target, place, -1)
    columns, own = functional.embedding(drawn, table), functional.embedding(target, table)
    return _shared_softmax(users, columns, own, hit, count.log() - log_q[drawn], -log_q[target], weight)


def _shared_softmax(
    users: Tensor, columns: Tensor, own: Tensor, hit: Tensor, bias: Tensor, own_bias: Tensor, weight: Tensor | None
) -> Tensor:
    share = torch.full((len(users),), 1 / max(len(users), 1)) if weight is None else weight / weight.sum().clamp_min(1e-12)
    loss: Tensor = _SharedSoftmax.apply(users, columns, own, hit, bias, own_bias, share)  # type: ignore[no-untyped-call]
    return loss


class _SharedSoftmax(torch.autograd.Function):
    """Cross-entropy of each row's own column against columns that all rows share, some rows at a time.

    The gradient is found in the forward pass, where the logits are at hand; the backward pass scales it. Memory is
    `ROWS_AT_ONCE * n_columns`, not `n * n_columns`.
    """

    @staticmethod
    def forward(
        ctx: Any, users: Tensor, columns: Tensor, own: Tensor, hit: Tensor, bias: Tensor, own_bias: Tensor, weight: Tensor
    ) -> Tensor:
        """Shapes: `[n, dim]`, `[m, dim]`, `[n, dim]`, `[n]` column that is the row's own (-1: none), `[m]`, `[n]`, `[n]`."""
        of_users, of_columns = torch.empty_like(users), torch.zeros_like(columns, dtype=torch.float32)
        of_own = torch.empty(len(users), 1)
        rows = min(ROWS_AT_ONCE, len(users))
        logits, share = torch.empty(rows, len(columns), dtype=users.dtype), torch.empty(rows, len(columns) + 1)
        own_logit = (users * own).sum(1).float() + own_bias
        loss = torch.zeros(())
        for start in range(0, len(users), max(rows, 1)):
            part = slice(start, min(start + rows, len(users)))
            n = part.stop - start
            _shares(users[part], columns, bias, hit[part], own_logit[part], logits[:n], share[:n])
            # A share that underflows to nothing has a finite loss too; the gradient does not look at the logarithm.
            loss -= (share[:n, -1].clamp_min(torch.finfo(torch.float32).tiny).log() * weight[part]).sum()
            of_own[part] = ((share[:n, -1] - 1) * weight[part])[:, None]
            torch.mul(share[:n, :-1], weight[part, None], out=logits[:n])
            torch.mm(logits[:n], columns, out=of_users[part])
            of_columns += logits[:n].T @ users[part]
        of_own = of_own.to(users.dtype)
        ctx.save_for_backward(of_users.addcmul_(of_own, own), of_columns.to(columns.dtype), of_own * users)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        of_users, of_columns, of_own = ctx.saved_tensors
        grad = grads[0].to(of_users.dtype)
        return of_users * grad, of_columns * grad, of_own * grad, None, None, None, None


def _shares(users: Tensor, columns: Tensor, bias: Tensor, hit: Tensor, own_logit: Tensor, logits: Tensor, share: Tensor) -> None:
    """Fill `share` `[n, m + 1]` with the softmax over the shared columns and, in the last place, the row's own; `logits` is scratch."""
    torch.mm(users, columns.T, out=logits)
    torch.add(logits, bias, out=share[:, :-1])
    met = torch.nonzero(hit >= 0)[:, 0]
    share[met, hit[met]] = -torch.inf
    share[:, -1] = own_logit
    torch.softmax(share, dim=1, out=share)


def gbce_beta(n_negatives: int, n_items: int, t: float) -> float:
    """β = α (t (1 − 1/α) + 1/α) with the sampling rate α = k / (|I| − 1): 1 at t = 0 (plain BCE), α at t = 1 (calibrated).

    Args:
        n_negatives: k, negatives of an example.
        n_items: |I|, items they are drawn from.
        t: calibration, from 0 to 1.
    """
    alpha = min(n_negatives / max(n_items - 1, 1), 1.0)
    return alpha * (t * (1 - 1 / alpha) + 1 / alpha) if alpha > 0 else 1.0


def gbce_loss(
    positive: Tensor, negative: Tensor, target: Tensor, negatives: Tensor, n_items: int, t: float, weight: Tensor | None = None
) -> Tensor:
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
        weight: `[n]` of the examples in the mean; None weighs all the same.
    """
    k = negative.shape[1]
    own = gbce_beta(k, n_items, t) * functional.logsigmoid(positive.double())
    others = functional.logsigmoid(-negative.double()).masked_fill(target[:, None] == negatives, 0.0).sum(1)
    loss = -(own + others) / (k + 1)
    if weight is None:
        return (loss.sum() / max(len(loss), 1)).float()
    return ((loss * weight).sum() / weight.sum().clamp_min(1e-12)).float()
