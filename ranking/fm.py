"""FM, the factorisation machine (Rendle, ICDM 2010): every pair of features matters by the product of their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ranking.pair_ranker import PairRanker
from ranking.song_inputs import PairBatch
from ranking.song_network import Bag, DeepSettings, SongNetwork


@dataclass(frozen=True)
class FmSettings(DeepSettings):
    """Sizes and training of the factorisation machine; it has no hidden layers, so `hidden`, `code_width` and `dropout` say nothing."""

    width: int = 8
    """Of the vector of every feature."""


class FmNetwork(SongNetwork):
    """logit = w_0 + Σ_i w_i x_i + Σ_{i<j} ⟨v_i, v_j⟩ x_i x_j over listener, song, facets, codes and numbers.

    The pairs' sum is ½ (|Σ_i v_i x_i|² − Σ_i |v_i|² x_i²), so a group of features has its part in it by two things alone: the sum of its
    vectors, and one number of its own, w_i x_i − ½ |v_i|² x_i² summed. A song's are its "vector" here, which scoring keeps.
    """

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: FmSettings) -> None:
        """`given_dim` numbers of the shared encoder, if any, are features like others."""
        super().__init__(given_dim, n_facets, code_sizes, settings)
        n_codes, width = max(sum(code_sizes), 1), settings.width
        self.code = nn.Embedding(n_codes, width)
        self.numeric = nn.Parameter(torch.empty(n_numeric, width))
        for table in (self.facet.weight, self.code.weight, self.numeric):
            nn.init.normal_(table, std=0.05)
        self.id_weight, self.code_weight = (nn.Parameter(torch.zeros(n)) for n in (n_facets, n_codes))
        self.numeric_weight, self.given_weight = nn.Parameter(torch.zeros(n_numeric)), nn.Parameter(torch.zeros(given_dim))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, batch: PairBatch) -> Tensor:
        """Logits `[b]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def songs(self, given: Tensor, facets: Bag) -> Tensor:
        """`[u, width + 1]` sum of the vectors of each song's features, and their own number."""
        n = len(facets.offsets)
        ends = torch.cat((facets.offsets[1:], torch.tensor([len(facets.codes)])))
        owner = torch.repeat_interleave(torch.arange(n), ends - facets.offsets)
        rows = self.facet.weight.index_select(0, facets.codes) * facets.weights.unsqueeze(1)
        own = self.id_weight.index_select(0, facets.codes) * facets.weights
        result = torch.zeros(n, rows.shape[1] + 1).index_add(0, owner, _with_own(rows, own))
        if self.adapter is None:
            return result
        vectors = self.adapter.weight
        own = given @ self.given_weight - 0.5 * (given.square() @ vectors.square().sum(0))
        return result + torch.cat((given @ vectors.T, own.unsqueeze(1)), dim=1)

    def logits(self, song: Tensor, batch: PairBatch) -> Tensor:
        """Logits `[b]` where the songs' parts `[u, width + 1]` are at hand."""
        known = (batch.user > 0).to(torch.float32)
        listener = self.facet.weight.index_select(0, batch.user) * known.unsqueeze(1)
        codes = _with_own(self.code(batch.codes), self.code_weight[batch.codes]).sum(1)
        numbers = batch.numeric @ self.numeric
        own = batch.numeric @ self.numeric_weight - 0.5 * (batch.numeric.square() @ self.numeric.square().sum(1))
        parts = song.index_select(0, batch.target) + _with_own(listener, self.id_weight.index_select(0, batch.user) * known)
        parts = parts + codes + torch.cat((numbers, own.unsqueeze(1)), dim=1)
        return self.bias + parts[:, -1] + 0.5 * parts[:, :-1].square().sum(1)


def _with_own(vectors: Tensor, weighted: Tensor) -> Tensor:
    """`[…, width + 1]`: v x, and w x − ½ |v|² x² beside it, of features with v x = `vectors` and w x = `weighted`."""
    own = weighted - 0.5 * vectors.square().sum(-1)
    return torch.cat((vectors, own.unsqueeze(-1)), dim=-1)


class Fm(PairRanker):
    """Ranks by the factorisation machine."""

    name: ClassVar[str] = "fm"
    settings_kind: ClassVar[type[DeepSettings]] = FmSettings
    network_kind: ClassVar[type[nn.Module]] = FmNetwork
    settings: FmSettings
