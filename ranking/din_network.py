"""The network of DIN: songs as vectors, the attended history, and the layers that turn both into a logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ranking.activation_unit import ActivationUnit, Dice, attend

N_AGES = 16
"""Age buckets of history entries: powers of two of hours, or of entries where time is ordinal."""


@dataclass(frozen=True)
class DinSettings:
    """Sizes and training of DIN."""

    width: int = 32
    """Of song vectors."""
    history: int = 50
    """Positive songs that it looks back on."""
    attention: tuple[int, int] = (80, 40)
    attention_activation: Literal["sigmoid", "dice"] = "sigmoid"
    """Between the layers of the activation unit: the authors' later code has the sigmoid, which costs half of what Dice does."""
    hidden: tuple[int, int] = (200, 80)
    code_width: int = 8
    """Of the embedding of each categorical column."""
    softmax: bool = False
    """Normalise the attention of a history to one. The paper does not; without a song encoder it measured 0.3 points of gAUC better."""
    dropout: float = 0.1
    batch_size: int = 512
    learning_rate: float = 1e-3
    id_l2: float = 1e-2
    """Mini-batch-aware L2 of id embeddings: a batch shrinks only the ids in it, each by its share of their occurrences."""
    max_epochs: int = 10
    patience: int = 2
    stop_on: Literal["log_loss", "gauc"] = "log_loss"
    """Validation metric of early stopping: `log_loss` or `gauc`."""


class Bag(NamedTuple):
    """Facet codes of some songs, ragged, and their weights."""

    codes: Tensor
    offsets: Tensor
    weights: Tensor


class DinBatch(NamedTuple):
    """One batch of `b` examples over `u` distinct songs, histories packed into `p` rows."""

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
    numeric: Tensor
    """`[b, n_numeric]`"""
    codes: Tensor
    """`[b, n_columns]` rows of the table of code embeddings."""
    label: Tensor
    """`[b]`"""


class DinNetwork(nn.Module):
    """u = Σ_j a(e_j, e_t) e_j over the history; logit = MLP([u, e_t, u ⊙ e_t, profile and context, numbers])."""

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: DinSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the facet vocabulary."""
        super().__init__()
        width = settings.width
        self.softmax = settings.softmax
        self.adapter = nn.Linear(given_dim, width, bias=False) if given_dim else None
        self.facet = nn.EmbeddingBag(n_facets, width, mode="sum")
        self.code = nn.Embedding(max(sum(code_sizes), 1), settings.code_width)
        nn.init.normal_(self.facet.weight, std=0.5 * width**-0.5)
        nn.init.normal_(self.code.weight, std=0.1)
        self.unit = ActivationUnit(width, settings.attention, N_AGES, settings.attention_activation)
        inputs = 3 * width + len(code_sizes) * settings.code_width + n_numeric
        first, second = settings.hidden
        self.mlp = nn.Sequential(
            nn.Linear(inputs, first),
            Dice(first),
            nn.Dropout(settings.dropout),
            nn.Linear(first, second),
            Dice(second),
            nn.Linear(second, 1),
        )

    def songs(self, given: Tensor, facets: Bag) -> Tensor:
        """Vectors `[u, width]`: what the shared encoder says, adapted, plus the song's own id and facets as this task sees them."""
        own: Tensor = self.facet(facets.codes, facets.offsets, per_sample_weights=facets.weights)
        return own if self.adapter is None else own + self.adapter(given)

    def forward(self, batch: DinBatch) -> Tensor:
        """Logits `[b]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def logits(self, song: Tensor, batch: DinBatch) -> Tensor:
        """Logits `[b]` where the songs' vectors `[u, width]` are at hand."""
        target = song.index_select(0, batch.target)
        weight = self.unit(song, target, batch.history, batch.owner, batch.age)
        interest = attend(weight, song, batch.history, batch.owner, len(target), softmax=self.softmax)
        codes = self.code(batch.codes).flatten(1)
        logit: Tensor = self.mlp(torch.cat((interest, target, interest * target, codes, batch.numeric), dim=1))
        return logit.squeeze(1)

    def id_penalty(self, facets: Bag, occurrences: Tensor) -> Tensor:
        """Mini-batch-aware L2 (section 5.2): the sum over the ids in the batch of their squared norms over their `occurrences`."""
        codes = torch.unique(facets.codes)
        return (self.facet.weight.index_select(0, codes).square().sum(1) / occurrences.index_select(0, codes)).sum()
