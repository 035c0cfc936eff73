"""The long side of SDM (Lv et al., CIKM 2019): one set a attribute of what was heard before the session, pooled by the user."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recall.attribute_sets import N_STATISTICS


class LongTower(nn.Module):
    """`p_u` of a user from the sets of attribute values.

        z_f = sum over k of softmax over k of (g_k · e_u) g_k,   p_u = tanh(W [z_1 … z_F] + b)

    With `wide`, which the paper does not have, the statistics of each value (how often it was heard, its share, how long ago) move
    both its vector and its weight: g_k + V x_k in place of g_k, and g_k · e_u + w · x_k in place of g_k · e_u.
    """

    def __init__(self, n_sets: int, dim: int, *, wide: bool) -> None:
        """A tower over `n_sets` attributes of width `dim`."""
        super().__init__()
        self.wide = wide
        self.join = nn.Linear(n_sets * dim, dim)
        if wide:
            self.moved = nn.ModuleList(nn.Linear(N_STATISTICS, dim, bias=False) for _ in range(n_sets))
            self.weighed = nn.ModuleList(nn.Linear(N_STATISTICS, 1, bias=False) for _ in range(n_sets))
            for linear in (*self.moved, *self.weighed):
                nn.init.zeros_(linear.weight)

    def forward(self, sets: Sequence[Tensor], statistics: Sequence[Tensor], real: Sequence[Tensor], person: Tensor) -> Tensor:
        """`[b, dim]`.

        Args:
            sets: of each attribute `[b, m, dim]` vectors of the values, in any order.
            statistics: of each attribute `[b, m, N_STATISTICS]`.
            real: of each attribute `[b, m]`, false for padding, which has no influence; a set without values gives 0.
            person: `[b, dim]`.
        """
        pooled = [self._pooled(n, *columns, person) for n, columns in enumerate(zip(sets, statistics, real, strict=True))]
        return torch.tanh(self.join(torch.cat(pooled, dim=-1)))

    def _pooled(self, n: int, values: Tensor, statistics: Tensor, real: Tensor, person: Tensor) -> Tensor:
        logits = (values * person[:, None]).sum(-1)
        if self.wide:
            values = values + self.moved[n](statistics)
            logits = logits + self.weighed[n](statistics)[..., 0]
        # The most negative number in place of -inf: a set that is all padding must give 0, and not NaN.
        weight = torch.softmax(logits.masked_fill(~real, torch.finfo(logits.dtype).min), dim=-1) * real
        return (weight[..., None] * values).sum(1)
