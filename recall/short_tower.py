"""The short side of SDM (Lv et al., CIKM 2019): a recurrent net over the session, self-attention, and attention by the user."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Unit = Literal["lstm", "gru"]


class PersonVector(nn.Module):
    """`e_u`: a vector per user from the profile's codes; of a profile that says nothing, the same for everybody."""

    def __init__(self, sizes: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(dim) * dim**-0.5)
        tables = [nn.Embedding(size, dim) for size in sizes]
        self.columns = nn.ModuleList(tables)
        for table in tables:
            nn.init.normal_(table.weight, std=0.3 * dim**-0.5)

    def forward(self, profile: Tensor) -> Tensor:
        """Codes `[b, n_columns] -> [b, dim]`."""
        out = self.start.expand(len(profile), -1)
        for column, table in enumerate(self.columns):
            out = out + table(profile[:, column])
        return out


class ShortTower(nn.Module):
    """`s_u` after each token of a session.

        h_k = LSTM(e_1 … e_k),  x_k = MultiHead(h_1 … h_k),  a_k = softmax over k of x_k · e_u,  s_u = sum of a_k x_k

    Every prefix of a session is found in one pass: the attentions look back only, so place `t` is what the session of the first `t`
    tokens alone gives, and padding, which comes after, has no influence. Place 0, the empty session, is the vector 0.
    """

    def __init__(self, dim: int, heads: int, unit: Unit = "lstm", dropout: float = 0.0) -> None:
        """A tower of width `dim`, which `heads` divides."""
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.recurrent = (nn.LSTM if unit == "lstm" else nn.GRU)(dim, dim, batch_first=True)
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=False)
        self.join = nn.Linear(dim, dim, bias=False)

    def forward(self, tokens: Tensor, person: Tensor) -> Tensor:
        """`[b, t, dim]` tokens padded at the end (t at least 1) and `[b, dim]` persons `-> [b, t + 1, dim]`."""
        attended = self._self_attention(self.recurrent(tokens)[0])
        empty = torch.zeros_like(attended[:, :1])
        return torch.cat([empty, user_attention(attended, person)], dim=1)

    def _self_attention(self, hidden: Tensor) -> Tensor:
        b, t, dim = hidden.shape
        parts = self.query_key_value(hidden).view(b, t, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        rate = self.dropout if self.training else 0.0
        heard = functional.scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=rate)
        out: Tensor = self.join(heard.transpose(1, 2).reshape(b, t, dim))
        return out


def user_attention(places: Tensor, person: Tensor) -> Tensor:
    """Of each prefix of `[b, t, dim]` its places, weighed by a softmax of their inner products with the person: `[b, t, dim]`."""
    logits = (places * person[:, None]).sum(-1)
    t = places.shape[1]
    later = torch.ones(t, t, dtype=torch.bool, device=places.device).triu(1)
    weight = torch.softmax(logits[:, None, :].expand(-1, t, -1).masked_fill(later, -torch.inf), dim=-1)
    return weight @ places
