"""What every deep ranker shares: settings of its training, songs as vectors, codes as vectors, and the layers that end in a logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ranking.activation_unit import Dice
from ranking.bag_kernels import bag_sums


@dataclass(frozen=True)
class DeepSettings:
    """Sizes and training that all deep rankers have."""

    width: int = 32
    """Of song vectors."""
    hidden: tuple[int, int] = (200, 80)
    code_width: int = 8
    """Of the embedding of each categorical column."""
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


class SongNetwork(nn.Module):
    """Songs and codes as vectors, and a tower to a logit; a ranker's network adds what it makes of them."""

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], settings: DeepSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the facet vocabulary."""
        super().__init__()
        width = settings.width
        self.adapter = nn.Linear(given_dim, width, bias=False) if given_dim else None
        self.facet = nn.EmbeddingBag(n_facets, width, mode="sum")
        self.code = nn.Embedding(max(sum(code_sizes), 1), settings.code_width)
        nn.init.normal_(self.facet.weight, std=0.5 * width**-0.5)
        nn.init.normal_(self.code.weight, std=0.1)

    def songs(self, given: Tensor, facets: Bag) -> Tensor:
        """Vectors `[u, width]`: what the shared encoder says, adapted, plus the song's own id and facets as this task sees them."""
        table = self.facet.weight
        if table.dtype == torch.float32:  # checks of gradients are in double precision
            own = bag_sums(table, facets.codes, facets.offsets, facets.weights)
        else:
            own = self.facet(facets.codes, facets.offsets, per_sample_weights=facets.weights)
        return own if self.adapter is None else own + self.adapter(given)

    def id_penalty(self, facets: Bag, occurrences: Tensor) -> Tensor:
        """Mini-batch-aware L2 (Zhou et al., KDD 2018, section 5.2): squared norms of the ids of a batch over their `occurrences`."""
        return self.penalty_of(facets.codes, occurrences)

    def penalty_of(self, codes: Tensor, occurrences: Tensor) -> Tensor:
        """The same of codes, each of which counts once."""
        met = torch.zeros(len(occurrences), dtype=torch.bool)
        met[codes] = True
        codes = met.nonzero().squeeze(1)
        return (self.facet.weight.index_select(0, codes).square().sum(1) / occurrences.index_select(0, codes)).sum()


def tower(inputs: int, settings: DeepSettings) -> nn.Sequential:
    """Layers from `inputs` numbers to one logit, `[b, inputs] -> [b, 1]`, with Dice between them."""
    first, second = settings.hidden
    return nn.Sequential(
        nn.Linear(inputs, first),
        Dice(first),
        nn.Dropout(settings.dropout),
        nn.Linear(first, second),
        Dice(second),
        nn.Linear(second, 1),
    )
