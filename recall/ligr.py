"""Gated transformer layers for sequences (LiGR: Borisyuk et al., 2025; as eSASRec, Tikhonovich et al., RecSys 2025, uses them).

A layer is `x + σ(x W) ⊙ f(norm(x))`, once with causal self-attention and once with SwiGLU (Shazeer, 2020) for `f`. Parameters are
float32; the layers work in the type of their input, so bfloat16 runs where the processor multiplies it in tiles.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class LigrLayer(nn.Module):
    """`[b, t, dim] -> [b, t, dim]`; place `i` sees places `0 .. i` only."""

    def __init__(self, dim: int, heads: int, dropout: float, widening: int = 4) -> None:
        """`widening * dim` is the width of SwiGLU; `heads` divides `dim`."""
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.attention_gate, self.mlp_gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.up, self.gate = nn.Linear(dim, widening * dim, bias=False), nn.Linear(dim, widening * dim, bias=False)
        self.down = nn.Linear(widening * dim, dim, bias=False)
        for module in self.children():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """One layer; `mask` is `causal_mask(t)` in the type of `x`."""
        y = norm(self.before_attention, x)
        query, key, value = (self._split(linear(part, y)) for part in (self.query, self.key, self.value))
        heard = causal_attention(query, key, value, mask)
        x = x + self._thinned(linear(self.out, self._joined(heard, x))) * linear(self.attention_gate, x).sigmoid()
        y = norm(self.before_mlp, x)
        wide = functional.silu(linear(self.gate, y)) * linear(self.up, y)
        return x + self._thinned(linear(self.down, wide)) * linear(self.mlp_gate, x).sigmoid()

    def _split(self, x: Tensor) -> Tensor:
        b, t, dim = x.shape
        return x.view(b, t, self.heads, dim // self.heads).transpose(1, 2).reshape(b * self.heads, t, dim // self.heads)

    def _joined(self, heard: Tensor, like: Tensor) -> Tensor:
        b, t, dim = like.shape
        return heard.view(b, self.heads, t, dim // self.heads).transpose(1, 2).reshape(b, t, dim)

    def _thinned(self, x: Tensor) -> Tensor:
        return thinned(x, self.dropout) if self.training else x


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer in the type of `x`."""
    return functional.linear(x, layer.weight.to(x.dtype), None if layer.bias is None else layer.bias.to(x.dtype))


def norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
    """The layer in the type of `x`."""
    return functional.layer_norm(x, layer.normalized_shape, layer.weight.to(x.dtype), layer.bias.to(x.dtype), layer.eps)


def thinned(x: Tensor, rate: float) -> Tensor:
    """Dropout from one random byte an element (torch's own draw costs more than the layer it thins): `rate` in steps of 1/256."""
    bar = round(rate * 256)
    if bar == 0:
        return x
    words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= bar
    return x * (kept.to(x.dtype) * (256 / (256 - bar)))


def causal_mask(t: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """`[1, t, t]` to be added to attention logits: nothing for what came before, the lowest number for what comes after."""
    return torch.full((1, t, t), torch.finfo(dtype).min / 2, dtype=dtype).triu(1)


def causal_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Scaled dot-product attention, `[b, t, dim] -> [b, t, dim]`; heads are folded into `b`."""
    out: Tensor = _CausalAttention.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
    return out


class _CausalAttention(torch.autograd.Function):
    """Whole matrices of weights: sequences are a few hundred places, and torch's fused backward pass takes three times as long here."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        weight = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=query.shape[-1] ** -0.5)
        torch.softmax(weight, -1, out=weight)
        ctx.save_for_backward(query, key, value, weight)
        return torch.bmm(weight, value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value, weight = ctx.saved_tensors
        grad, scale = grads[0], query.shape[-1] ** -0.5
        of_value = torch.bmm(weight.transpose(1, 2), grad)
        of_weight = torch.bmm(grad, value.transpose(1, 2))
        of_logits = torch._softmax_backward_data(of_weight, weight, -1, weight.dtype)
        return torch.bmm(of_logits, key).mul_(scale), torch.bmm(of_logits.transpose(1, 2), query).mul_(scale), of_value, None
