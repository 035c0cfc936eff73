"""The network of DIN: songs as vectors, the attended history, and the layers that turn both into a logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ranking.activation_unit import ActivationUnit, attend
from ranking.history_pairs import N_AGES
from ranking.song_network import Bag, DeepSettings, SongNetwork, tower


@dataclass(frozen=True)
class DinSettings(DeepSettings):
    """Sizes and training of DIN."""

    history: int = 50
    """Positive songs that it looks back on."""
    attention: tuple[int, int] = (80, 40)
    attention_activation: Literal["sigmoid", "dice"] = "sigmoid"
    """Between the layers of the activation unit: the authors' later code has the sigmoid, which costs half of what Dice does."""
    softmax: bool = False
    """Normalise the attention of a history to one. The paper does not; without a song encoder it measured 0.3 points of gAUC better."""


class DinBatch(NamedTuple):
    """One batch of `b` examples over `u` distinct songs, histories packed into `p` entries."""

    given: Tensor
    """`[u, given_dim]` vectors of the songs from the shared encoder."""
    facets: Bag
    target: Tensor
    """`[b]` row of the target among the songs."""
    history: Tensor
    """`[p]` row of the history entry among the songs."""
    owner: Tensor
    """`[p]` example of the history entry, ascending."""
    age: Tensor
    """`[p]` age bucket."""
    times: Tensor
    """`[p]` how often the entry is to be counted."""
    numeric: Tensor
    """`[b, n_numeric]`"""
    codes: Tensor
    """`[b, n_columns]` rows of the table of code embeddings."""
    label: Tensor
    """`[b]`"""


class DinNetwork(SongNetwork):
    """u = Σ_j a(e_j, e_t) e_j over the history; logit = MLP([u, e_t, u ⊙ e_t, profile and context, numbers])."""

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: DinSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the facet vocabulary."""
        super().__init__(given_dim, n_facets, code_sizes, settings)
        self.softmax = settings.softmax
        self.unit = ActivationUnit(settings.width, settings.attention, N_AGES, settings.attention_activation)
        self.mlp = tower(3 * settings.width + len(code_sizes) * settings.code_width + n_numeric, settings)

    def forward(self, batch: DinBatch) -> Tensor:
        """Logits `[b]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def logits(self, song: Tensor, batch: DinBatch) -> Tensor:
        """Logits `[b]` where the songs' vectors `[u, width]` are at hand."""
        target = song.index_select(0, batch.target)
        weight = self.unit(song, target, batch.history, batch.owner, batch.age)
        interest = attend(weight, song, batch.history, batch.owner, len(target), times=batch.times, softmax=self.softmax)
        codes = self.code(batch.codes).flatten(1)
        logit: Tensor = self.mlp(torch.cat((interest, target, interest * target, codes, batch.numeric), dim=1))
        return logit.squeeze(1)
