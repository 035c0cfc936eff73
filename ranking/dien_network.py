"""The network of DIEN, the deep interest evolution network (Zhou et al., AAAI 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ranking.gru import Gru, Packed
from ranking.song_network import Bag, DeepSettings, SongNetwork, tower
from ranking.window_attention import window_attention
from ranking.window_mean import window_mean


@dataclass(frozen=True)
class DienSettings(DeepSettings):
    """Sizes and training of DIEN."""

    history: int = 50
    """Full plays whose interests the evolution passes through: the last ones."""
    evolution: Literal["augru", "gru"] = "augru"
    """`augru`: attention to the target scales the update gates. `gru`: a plain second layer, which does not know the target."""
    auxiliary: float = 1.0
    """Weight of the auxiliary loss."""
    together: int = 8
    """Examples of one run of the extractor that training keeps side by side, at most: they share its cost. 1 shuffles freely."""


class NextPlays(NamedTuple):
    """What the auxiliary loss asks of `m` interests: which of two songs was played next."""

    state: Tensor
    """`[m]` row of the interest in the runs."""
    heard: Tensor
    """`[m]` row of the next full play among the songs."""
    refused: Tensor
    """`[m]` row of a song that the listener refused before it, or of a drawn one."""


class DienBatch(NamedTuple):
    """One batch of `b` examples over `u` distinct songs, whose histories are windows of runs of `r` rows in all."""

    given: Tensor
    """`[u, given_dim]` vectors of the songs from the shared encoder."""
    facets: Bag
    target: Tensor
    """`[b]` row of the target among the songs."""
    history: Tensor
    """`[r]` row of each full play among the songs."""
    runs: Packed
    """The extractor's runs over `history`."""
    windows: Packed
    """`b` windows of the runs' rows."""
    next_plays: NextPlays
    """No rows where nothing is learned."""
    numeric: Tensor
    """`[b, n_numeric]`"""
    codes: Tensor
    """`[b, n_columns]` rows of the table of code embeddings."""
    label: Tensor
    """`[b]`"""


class DienNetwork(SongNetwork):
    """Interests h = GRU(songs); their evolution h' = AUGRU(h, attention to the target); logit = MLP([h'_T, e_t, h'_T ⊙ e_t, m, m ⊙ e_t]).

    m is the mean of the history's songs: the authors' code gives the MLP their sum beside the evolved interest, which the paper leaves out.
    """

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: DienSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the facet vocabulary."""
        super().__init__(given_dim, n_facets, code_sizes, settings)
        width = settings.width
        self.extractor, self.evolution = Gru(width), Gru(width)
        self.of_target = nn.Linear(width, width, bias=False)
        self.attends = settings.evolution == "augru"
        self.mlp = tower(5 * width + len(code_sizes) * settings.code_width + n_numeric, settings)

    def forward(self, batch: DienBatch) -> Tensor:
        """Logits `[b]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def logits(self, song: Tensor, batch: DienBatch) -> Tensor:
        """Logits `[b]` where the songs' vectors `[u, width]` are at hand."""
        return self.head(song, self.interests(song, batch), batch)

    def interests(self, song: Tensor, batch: DienBatch) -> Tensor:
        """The extractor's states `[r, width]`."""
        return self.extractor.states(self.extractor.inputs(song).index_select(0, batch.history), batch.runs)

    def head(self, song: Tensor, interests: Tensor, batch: DienBatch) -> Tensor:
        """Logits `[b]` from the interests `[r, width]`."""
        target = song.index_select(0, batch.target)
        attention = window_attention(self.of_target(target), interests, batch.windows) if self.attends else None
        evolved = self.evolution.last(self.evolution.inputs(interests), batch.windows, attention)
        mean = window_mean(song.index_select(0, batch.history), batch.windows)
        codes = self.code(batch.codes).flatten(1)
        inputs = (evolved, target, evolved * target, mean, mean * target, codes, batch.numeric)
        logit: Tensor = self.mlp(torch.cat(inputs, dim=1))
        return logit.squeeze(1)

    def auxiliary_loss(self, song: Tensor, interests: Tensor, asked: NextPlays) -> Tensor:
        """−1/m Σ [log σ(h_t · e_{t+1}) + log(1 − σ(h_t · ê_{t+1}))] over the m interests with a next play (equation 3); 0 without any."""
        if not len(asked.state):
            return song.new_zeros(())
        interest = interests.index_select(0, asked.state)
        heard, refused = ((interest * song.index_select(0, rows)).sum(1) for rows in (asked.heard, asked.refused))
        return (nn.functional.softplus(-heard) + nn.functional.softplus(refused)).mean()
