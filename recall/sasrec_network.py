"""The SASRec network (Kang and McAuley, ICDM 2018) with LiGR layers: a vector after each token of a sequence, items in one table."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recall.ligr import LigrLayer, causal_mask, norm, thinned


@dataclass(frozen=True)
class SequenceShape:
    """Sizes of the network."""

    dim: int = 64
    length: int = 200
    """Tokens of a sequence that a request sees."""
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    widening: int = 4
    """Width of a layer's SwiGLU over `dim`."""


class SasRec(nn.Module):
    """Place 0 is a learned start and place `t` the `t`-th token; the vector at place `t` foretells token `t + 1`.

    The start serves a user without any token. Padding comes after the last token and is seen by no place that is read. A table of
    item vectors is both what goes in and what the vectors are compared with.
    """

    def __init__(self, n_items: int, shape: SequenceShape) -> None:
        super().__init__()
        self.shape = shape
        self.items = nn.Parameter(torch.randn(n_items, shape.dim) * shape.dim**-0.5)
        self.start = nn.Parameter(torch.randn(shape.dim) * shape.dim**-0.5)
        self.position = nn.Parameter(torch.randn(shape.length + 1, shape.dim) * shape.dim**-0.5)
        self.layers = nn.ModuleList(LigrLayer(shape.dim, shape.heads, shape.dropout, shape.widening) for _ in range(shape.layers))
        self.last = nn.LayerNorm(shape.dim)

    def forward(self, tokens: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """User vectors `[b, t + 1, dim]` of tokens `[b, t]`, padded at the end with any item; `dtype` is what is computed in."""
        heard = nn.functional.embedding(tokens, self.items.to(dtype))
        x = torch.cat([self.start.to(dtype).expand(len(tokens), 1, -1), heard], dim=1) + self.position[: tokens.shape[1] + 1].to(dtype)
        x = thinned(x, self.shape.dropout) if self.training else x
        mask = causal_mask(x.shape[1], dtype)
        for layer in self.layers:
            x = layer(x, mask)
        return norm(self.last, x)
