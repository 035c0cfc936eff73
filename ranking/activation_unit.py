"""DIN's local activation unit and its Dice activation (Zhou et al., KDD 2018, sections 4.3 and 5.3), on packed histories."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from ranking.activation_kernels import Pairs, dice, pair_weights, weighted_sums


class Dice(nn.Module):
    """Dice(s) = p·s + (1 − p)·α·s with p = σ((s − E[s]) / √(Var[s] + ε)), per channel; running mean and variance when evaluating."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, eps: float = 1e-8, momentum: float = 0.1) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(width))
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, s: Tensor) -> Tensor:
        """`[n, width] -> [n, width]`; fewer than two rows have no variance and take the running one."""
        own = self.training and len(s) > 1
        if not (own or torch.is_grad_enabled()) and s.dtype == torch.float32:
            return dice(s, self.running_mean, self.running_var, self.eps, self.alpha)
        normal = nn.functional.batch_norm(s, self.running_mean, self.running_var, training=own, momentum=self.momentum, eps=self.eps)
        return s * torch.lerp(self.alpha, torch.ones_like(self.alpha), torch.sigmoid(normal))


class ActivationUnit(nn.Module):
    """How much each song of a history matters to a target song: a(e_j, e_t) = MLP([e_j, e_t, e_j − e_t, e_j ⊙ e_t]).

    The first layer is factored. Its block matrices A_j, A_t, A_d, A_p give A_j e_j + A_t e_t + A_d (e_j − e_t) + A_p (e_j ⊙ e_t)
    = W_j e_j + W_t e_t + W_p (e_j ⊙ e_t), so W_j is applied once per song and W_t once per example, and only W_p to every pair.
    A bias per age bucket stands in for a one-hot age among the inputs.
    """

    def __init__(
        self, width: int, hidden: tuple[int, int] = (80, 40), n_ages: int = 16, activation: Literal["sigmoid", "dice"] = "sigmoid"
    ) -> None:
        super().__init__()
        first, second = hidden
        bound = (4 * width) ** -0.5  # of the unfactored layer, whose inputs are four vectors wide
        self.of_song, self.of_target, self.of_product = (
            nn.Parameter(torch.empty(width, first).uniform_(-bound * scale, bound * scale)) for scale in (2**0.5, 2**0.5, 1.0)
        )
        self.of_age = nn.Parameter(torch.zeros(n_ages, first))
        between = (nn.Sigmoid(), nn.Sigmoid()) if activation == "sigmoid" else (Dice(first), Dice(second))
        self.rest = nn.Sequential(between[0], nn.Linear(first, second), between[1], nn.Linear(second, 1))

    def forward(self, song: Tensor, target: Tensor, history: Tensor, owner: Tensor, age: Tensor) -> Tensor:
        """Weights `[p]` of the packed history rows.

        Args:
            song: `[u, width]` vectors of the songs at hand.
            target: `[b, width]` vectors of the examples' target songs.
            history: `[p]` row in `song` of each history entry.
            owner: `[p]` example of each history entry.
            age: `[p]` age bucket of each history entry.
        """
        if isinstance(self.rest[0], nn.Sigmoid) and song.dtype == torch.float32:  # checks of gradients are in double precision
            second, last = cast("nn.Linear", self.rest[1]), cast("nn.Linear", self.rest[3])
            pairs = Pairs(history.numpy(), owner.numpy(), age.numpy())
            layers = (song @ self.of_song, target @ self.of_target, self.of_age, self.of_product)
            return pair_weights(pairs, song, target, *layers, second.weight.t(), second.bias, last.weight[0], last.bias)
        of_pair = song.index_select(0, history) * target.index_select(0, owner)
        hidden = torch.mm(of_pair, self.of_product)
        hidden = hidden + (song @ self.of_song).index_select(0, history) + (target @ self.of_target).index_select(0, owner)
        weight: Tensor = self.rest(hidden + self.of_age.index_select(0, age))
        return weight.squeeze(1)


def attend(
    weight: Tensor, song: Tensor, history: Tensor, owner: Tensor, n: int, *, times: Tensor | None = None, softmax: bool = False
) -> Tensor:
    """`[n, width]` sum of each example's history vectors under their weights `[p]`; zero for an empty history.

    An entry counts `times` times, or once.

    The paper does not normalise the weights, which keeps the intensity of an interest; `softmax` does.
    """
    if softmax:
        top = torch.full((n,), -torch.inf).scatter_reduce(0, owner, weight.detach(), "amax")
        weight = torch.exp(weight - top.index_select(0, owner))
    if times is not None:
        weight = weight * times
    if softmax:
        weight = weight / torch.zeros(n).index_add(0, owner, weight).index_select(0, owner)
    if song.dtype == torch.float32:
        return weighted_sums(weight, song, history, owner, n)
    return torch.zeros(n, song.shape[1], dtype=song.dtype).index_add(0, owner, weight.unsqueeze(1) * song.index_select(0, history))
