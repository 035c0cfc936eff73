"""The activation unit's pass over packed pairs and its way back, some pairs at a time: nothing but its hidden layers leaves the cache.

z1 = S[song] + T[example] + A[age] + (e_j ⊙ e_t) P,  z2 = σ(z1) Q + q,  weight = σ(z2) · v + c. The products are the library's, on a
part of the pairs; what lies between them (gathers, sums, sigmoids, and on the way back the scatters) is one kernel each.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ranking.gru_kernels import Floats, Rows, kernel, sigmoid

PAIRS: Final = 2_048
"""Pairs at a time: their two hidden layers stay in the second cache, and a product is worth its call."""


class Pairs(NamedTuple):
    """Which song, example and age bucket each of `p` pairs is of."""

    history: Rows
    owner: Rows
    age: Rows


def pair_weights(pairs: Pairs, *tensors: Tensor) -> Tensor:
    """Weights `[p]` of the pairs.

    `tensors`, in this order: song `[u, w]`, target `[b, w]`, of_song `[u, f]`, of_target `[b, f]`, of_age `[a, f]`, of_product
    `[w, f]`, second `[f, s]`, second_bias `[s]`, last `[s]`, last_bias `[1]`.
    """
    if not torch.is_grad_enabled():
        return _forward(pairs, tuple(tensor.detach().contiguous() for tensor in tensors), None)
    weights: Tensor = _PairWeights.apply(pairs, *tensors)  # type: ignore[no-untyped-call]
    return weights


class _PairWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pairs: Pairs, *tensors: Tensor) -> Tensor:
        given = tuple(tensor.detach().contiguous() for tensor in tensors)
        hidden = tuple(torch.empty(len(pairs.owner), width) for width in given[6].shape)
        ctx.kept = pairs, given, hidden
        return _forward(pairs, given, hidden)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        pairs, given, hidden = ctx.kept
        return (None, *_backward(pairs, given, hidden, gradient.contiguous()))


def _forward(pairs: Pairs, given: tuple[Tensor, ...], hidden: tuple[Tensor, ...] | None) -> Tensor:
    """Weights `[p]`; the hidden layers `[p, f]` and `[p, s]` are written where they are wanted."""
    song, target, of_song, of_target, of_age, of_product, second, *ends = given
    n, at_once = len(pairs.owner), min(PAIRS, len(pairs.owner))
    product, *own = (torch.empty(at_once, width) for width in (song.shape[1], *second.shape))
    vectors, tables, last = (_arrays(*tensors) for tensors in ((song, target), (of_song, of_target, of_age), ends))
    weights = np.empty(n, np.float32)
    for start in range(0, n, PAIRS):
        end = min(start + PAIRS, n)
        at = [rows[start:end] for rows in pairs]
        first_layer, second_layer = (layer[start:end] for layer in hidden) if hidden else (layer[: end - start] for layer in own)
        products = product[: end - start]
        _products(*vectors, at[0], at[1], products.numpy())
        torch.mm(products, of_product, out=first_layer)
        _first_layer(*tables, *at, first_layer.numpy())
        torch.mm(first_layer, second, out=second_layer)
        _second_layer(second_layer.numpy(), *last, weights[start:end])
    return torch.from_numpy(weights)


def _backward(pairs: Pairs, given: tuple[Tensor, ...], hidden: tuple[Tensor, ...], gradient: Tensor) -> list[Tensor]:
    """Gradients of all of `given`, in their order."""
    song, target, _, _, _, of_product, second, _, last, _ = given
    found = [torch.zeros_like(tensor) for tensor in given]
    arrays = [tensor.numpy() for tensor in found]
    n = min(PAIRS, len(gradient))
    product, of_first, of_second = (torch.empty(n, width) for width in (song.shape[1], *second.shape))
    back_product, back_second = of_product.t().contiguous(), second.t().contiguous()
    for start in range(0, len(gradient), PAIRS):
        part = slice(start, min(start + PAIRS, len(gradient)))
        m = part.stop - start
        at = [rows[part] for rows in pairs]
        first_layer, own = hidden[0][part], gradient[part].numpy()
        _second_back(hidden[1][part].numpy(), last.numpy(), own, of_second.numpy(), *arrays[7:])
        found[6].addmm_(first_layer.t(), of_second[:m])
        torch.mm(of_second[:m], back_second, out=of_first[:m])
        _products(song.numpy(), target.numpy(), at[0], at[1], product.numpy())
        _first_back(first_layer.numpy(), of_first.numpy(), *at, *arrays[2:5])
        found[5].addmm_(product[:m].t(), of_first[:m])
        torch.mm(of_first[:m], back_product, out=product[:m])
        _products_back(song.numpy(), target.numpy(), at[0], at[1], product.numpy(), *arrays[:2])
    return found


@kernel
def _products(song: Floats, target: Floats, history: Rows, owner: Rows, product: Floats) -> None:
    for p in range(len(owner)):
        one, other = song[history[p]], target[owner[p]]
        for j in range(len(one)):
            product[p, j] = one[j] * other[j]


@kernel
def _first_layer(of_song: Floats, of_target: Floats, of_age: Floats, history: Rows, owner: Rows, age: Rows, layer: Floats) -> None:
    for p in range(len(owner)):
        own, one, other, third = layer[p], of_song[history[p]], of_target[owner[p]], of_age[age[p]]
        for j in range(len(own)):
            own[j] = sigmoid(own[j] + (one[j] + other[j] + third[j]))


@kernel
def _second_layer(layer: Floats, bias: Floats, last: Floats, last_bias: Floats, weights: Floats) -> None:
    for p in range(len(layer)):
        own, total = layer[p], last_bias[0]
        for j in range(len(own)):
            own[j] = sigmoid(own[j] + bias[j])
            total += own[j] * last[j]
        weights[p] = total


@kernel
def _second_back(
    layer: Floats, last: Floats, gradient: Floats, of_layer: Floats, of_bias: Floats, of_last: Floats, of_last_bias: Floats
) -> None:
    """Writes `of_layer`, the gradient before the sigmoid; adds to the others."""
    for p in range(len(layer)):
        own, of_own, incoming = layer[p], of_layer[p], gradient[p]
        for j in range(len(own)):
            of_own[j] = incoming * last[j] * own[j] * (np.float32(1) - own[j])
            of_bias[j] += of_own[j]
            of_last[j] += incoming * own[j]
        of_last_bias[0] += incoming


@kernel
def _first_back(
    layer: Floats, of_layer: Floats, history: Rows, owner: Rows, age: Rows, of_song: Floats, of_target: Floats, of_age: Floats
) -> None:
    """Turns `of_layer` into the gradient before the sigmoid, and adds it to what the sum came from."""
    for p in range(len(owner)):
        own, of_own, one, other, third = layer[p], of_layer[p], of_song[history[p]], of_target[owner[p]], of_age[age[p]]
        for j in range(len(own)):
            change = of_own[j] * own[j] * (np.float32(1) - own[j])
            of_own[j] = change
            one[j] += change
            other[j] += change
            third[j] += change


@kernel
def _products_back(
    song: Floats, target: Floats, history: Rows, owner: Rows, of_product: Floats, of_song: Floats, of_target: Floats
) -> None:
    for p in range(len(owner)):
        one, other, of_one, of_other = song[history[p]], target[owner[p]], of_song[history[p]], of_target[owner[p]]
        for j in range(len(one)):
            of_one[j] += of_product[p, j] * other[j]
            of_other[j] += of_product[p, j] * one[j]


def weighted_sums(weight: Tensor, song: Tensor, history: Tensor, owner: Tensor, n: int) -> Tensor:
    """`[n, w]` sum of `weight` `[p]` times the rows `history` `[p]` of `song` `[u, w]`, by `owner` `[p]`."""
    if not torch.is_grad_enabled():
        return _sums(weight, song, history, owner, n)
    sums: Tensor = _WeightedSums.apply(weight, song, history, owner, n)  # type: ignore[no-untyped-call]
    return sums


class _WeightedSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, song: Tensor, history: Tensor, owner: Tensor, n: int) -> Tensor:
        ctx.save_for_backward(weight, song, history, owner)
        return _sums(weight, song, history, owner, n)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        weight, song, history, owner = ctx.saved_tensors
        of_weight, of_song = torch.empty_like(weight), torch.zeros_like(song)
        _add_back(*_arrays(weight, song, history, owner, gradient), of_weight.numpy(), of_song.numpy())
        return of_weight, of_song, None, None, None


def _sums(weight: Tensor, song: Tensor, history: Tensor, owner: Tensor, n: int) -> Tensor:
    sums = torch.zeros(n, song.shape[1])
    _add_up(*_arrays(weight, song, history, owner), sums.numpy())
    return sums


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


@kernel
def _add_up(weight: Floats, song: Floats, history: Rows, owner: Rows, sums: Floats) -> None:
    for p in range(len(owner)):
        factor, one, total = weight[p], song[history[p]], sums[owner[p]]
        for j in range(len(one)):
            total[j] += factor * one[j]


@kernel
def _add_back(weight: Floats, song: Floats, history: Rows, owner: Rows, gradient: Floats, of_weight: Floats, of_song: Floats) -> None:
    for p in range(len(owner)):
        factor, one, incoming, of_one = weight[p], song[history[p]], gradient[owner[p]], of_song[history[p]]
        total = np.float32(0)
        for j in range(len(one)):
            total += one[j] * incoming[j]
            of_one[j] += factor * incoming[j]
        of_weight[p] = total


def dice(s: Tensor, mean: Tensor, variance: Tensor, eps: float, alpha: Tensor) -> Tensor:
    """`[n, w] -> [n, w]` s (α + (1 − α) σ((s − mean) / √(variance + ε))), without a way back."""
    result = torch.empty_like(s)
    _dice(*_arrays(s, mean, torch.rsqrt(variance + eps), alpha, result))
    return result


@kernel
def _dice(s: Floats, mean: Floats, scale: Floats, alpha: Floats, result: Floats) -> None:
    for i in range(len(s)):
        own, out = s[i], result[i]
        for j in range(len(own)):
            out[j] = own[j] * (alpha[j] + (np.float32(1) - alpha[j]) * sigmoid((own[j] - mean[j]) * scale[j]))
