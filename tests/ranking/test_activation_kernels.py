import numpy as np
import pytest
import torch
from torch import Tensor

from ranking import activation_kernels
from ranking.activation_kernels import Pairs, pair_weights, weighted_sums

SIZES = [(9, 6), (4, 6), (9, 5), (4, 5), (3, 5), (6, 5), (5, 4), (4,), (4,), (1,)]


def made(n_pairs: int, seed: int = 0) -> tuple[Pairs, list[Tensor]]:
    rng = np.random.default_rng(seed)
    owner = np.sort(rng.integers(0, 4, n_pairs))
    torch.manual_seed(seed)
    return Pairs(rng.integers(0, 9, n_pairs), owner, rng.integers(0, 3, n_pairs)), [torch.randn(size).requires_grad_() for size in SIZES]


def by_the_formula(pairs: Pairs, tensors: list[Tensor]) -> Tensor:
    song, target, of_song, of_target, of_age, of_product, second, second_bias, last, last_bias = tensors
    product = song[pairs.history] * target[pairs.owner]
    first = torch.sigmoid(of_song[pairs.history] + of_target[pairs.owner] + of_age[pairs.age] + product @ of_product)
    return torch.sigmoid(first @ second + second_bias) @ last + last_bias


@pytest.mark.parametrize(("n_pairs", "at_once"), [(0, 2_048), (1, 2_048), (40, 2_048), (40, 7)])
def test_weights_and_all_gradients_are_those_of_the_formula(n_pairs: int, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_kernels, "PAIRS", at_once)
    pairs, tensors = made(n_pairs)
    doubles = [tensor.detach().double().requires_grad_() for tensor in tensors]
    weigh = torch.randn(n_pairs)
    weights, expected = pair_weights(pairs, *tensors), by_the_formula(pairs, doubles)
    torch.testing.assert_close(weights.double(), expected, atol=2e-6, rtol=1e-5)
    found = torch.autograd.grad((weights * weigh).sum(), tensors)
    wanted = torch.autograd.grad((expected * weigh.double()).sum(), doubles)
    for got, want in zip(found, wanted, strict=True):
        torch.testing.assert_close(got.double(), want, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(pair_weights(pairs, *tensors), weights, atol=1e-6, rtol=1e-6)


def test_sums_by_owner_and_their_gradients() -> None:
    pairs, (song, *_) = made(40)
    history, owner, weight = torch.from_numpy(pairs.history), torch.from_numpy(pairs.owner), torch.randn(40).requires_grad_()
    expected = torch.zeros(5, 6).index_add(0, owner, weight[:, None] * song[history])
    sums, weigh = weighted_sums(weight, song, history, owner, 5), torch.randn(5, 6)
    torch.testing.assert_close(sums, expected, atol=1e-5, rtol=1e-5)
    found, wanted = (torch.autograd.grad((result * weigh).sum(), (weight, song)) for result in (sums, expected))
    for got, want in zip(found, wanted, strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)
