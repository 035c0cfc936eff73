"""The network of DCN-V2: layers that cross every feature with every other, explicitly, and a tower of plain layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from etl.errors import UserError
from ranking.song_inputs import PairBatch
from ranking.song_network import DeepSettings, SongNetwork, tower


@dataclass(frozen=True)
class DcnSettings(DeepSettings):
    """Sizes and training of DCN-V2.

    Raises:
        UserError: a size is out of bounds.
    """

    structure: Literal["stacked", "parallel"] = "stacked"
    """`stacked`: the tower reads what the cross layers make; `parallel`: both read the features, and their logits add up."""
    n_cross: int = 2
    """Cross layers: with l of them products of up to l + 1 features appear."""
    rank: int = 0
    """Of the mixture's matrices, about a quarter of the features' width for the paper; 0: the full matrix instead of a mixture."""
    n_experts: int = 4
    """Matrices in the mixture of a layer."""
    inner: Literal["tanh", "identity"] = "tanh"
    """What bends the low-rank space."""

    def __post_init__(self) -> None:
        for name, least in (("n_cross", 0), ("rank", 0), ("n_experts", 1)):
            if getattr(self, name) < least:
                raise UserError(f"{name} = {getattr(self, name)}: give at least {least}")


class CrossLayer(nn.Module):
    """x_{l+1} = x_0 ⊙ (W x_l + b) + x_l (Wang et al., WWW 2021, equation 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        nn.init.normal_(self.linear.weight, std=0.5 * width**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        """`[b, width]` from x_0 and x_l, `[b, width]` each."""
        crossed: Tensor = first * self.linear(x) + x
        return crossed


class MixedCrossLayer(nn.Module):
    """x_{l+1} = Σ_k g_k(x_l) · x_0 ⊙ (U_k h(C_k h(V_kᵀ x_l)) + b) + x_l with Σ_k g_k = 1 (the same, equations 4 and 5)."""

    def __init__(self, width: int, rank: int, n_experts: int, inner: Literal["tanh", "identity"] = "tanh") -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(n_experts, width, rank).normal_(std=width**-0.5))
        self.within = nn.Parameter(torch.empty(n_experts, rank, rank).normal_(std=rank**-0.5))
        self.up = nn.Parameter(torch.empty(n_experts, rank, width).normal_(std=0.5 * rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(width))
        self.gate = nn.Linear(width, n_experts, bias=False)
        self.inner = nn.Tanh() if inner == "tanh" else nn.Identity()

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        """`[b, width]` from x_0 and x_l, `[b, width]` each."""
        small = self.inner(torch.einsum("bw,kwr->kbr", x, self.down))
        small = self.inner(torch.bmm(small, self.within))
        expert = torch.bmm(small, self.up) + self.bias
        gate = torch.softmax(self.gate(x), dim=1)
        return first * torch.einsum("kbw,bk->bw", expert, gate) + x


class DcnNetwork(SongNetwork):
    """x_0 is the vectors of song and listener, those of the codes, and the numbers, side by side."""

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: DcnSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the vocabulary."""
        super().__init__(given_dim, n_facets, code_sizes, settings)
        width = 2 * settings.width + len(code_sizes) * settings.code_width + n_numeric
        self.cross = nn.ModuleList(_cross_layer(width, settings) for _ in range(settings.n_cross))
        self.head = nn.Linear(width, 1) if settings.structure == "parallel" and settings.n_cross else None
        self.mlp = tower(width, settings)

    def forward(self, batch: PairBatch) -> Tensor:
        """Logits `[b]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def logits(self, song: Tensor, batch: PairBatch) -> Tensor:
        """Logits `[b]` where the songs' vectors `[u, width]` are at hand."""
        first = self.fields(song, batch)
        crossed = self.crossed(first)
        logit: Tensor = self.mlp(crossed) if self.head is None else self.mlp(first) + self.head(crossed)
        return logit.squeeze(1)

    def fields(self, song: Tensor, batch: PairBatch) -> Tensor:
        """x_0 `[b, …]`; a listener who is not known has zeros."""
        listener = self.facet.weight.index_select(0, batch.user) * (batch.user > 0).to(torch.float32).unsqueeze(1)
        return torch.cat((song.index_select(0, batch.target), listener, self.code(batch.codes).flatten(1), batch.numeric), dim=1)

    def crossed(self, first: Tensor) -> Tensor:
        """What the cross layers make of x_0, as wide as that."""
        x = first
        for layer in self.cross:
            x = layer(first, x)
        return x


def _cross_layer(width: int, settings: DcnSettings) -> nn.Module:
    if settings.rank:
        return MixedCrossLayer(width, settings.rank, settings.n_experts, settings.inner)
    return CrossLayer(width)
