"""The user tower of the interest route: causal self-attention over profile and sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from embeddings.song_encoder import EncodedSongs, SongEncoder
from etl.behaviours import NAMES


@dataclass(frozen=True)
class TowerShape:
    """Sizes of the tower."""

    dim: int = 64
    length: int = 50
    """Tokens of a sequence that a request sees."""
    layers: int = 2
    heads: int = 2
    dropout: float = 0.1
    pooling: Literal["attention", "average"] = "attention"
    """Self-attention over the sequence, or the mean of it as in Covington et al."""
    history: Literal["clicks", "searches"] = "clicks"
    """What the tower reads: all clicks and positive events, or, as in Covington et al., only what was searched for. Both name the same
    next songs in training."""


class Block(nn.Module):
    """One layer of a transformer, normalised before each part (Xiong et al., ICML 2020)."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.heads, self.dropout = shape.heads, shape.dropout
        self.before_attention, self.before_mlp = nn.LayerNorm(shape.dim), nn.LayerNorm(shape.dim)
        self.query_key_value = nn.Linear(shape.dim, 3 * shape.dim)
        self.out = nn.Linear(shape.dim, shape.dim)
        self.mlp = nn.Sequential(nn.Linear(shape.dim, 4 * shape.dim), nn.GELU(), nn.Linear(4 * shape.dim, shape.dim))
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """`[b, t, dim] -> [b, t, dim]`; place `i` sees places `0 .. i` only, and of these those that `visible` `[b, 1, t, t]` names."""
        b, t, dim = x.shape
        parts = self.query_key_value(self.before_attention(x)).view(b, t, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        rate = self.dropout if self.training else 0.0
        heard = functional.scaled_dot_product_attention(query, key, value, visible, rate, is_causal=visible is None)
        x = x + self.drop(self.out(heard.transpose(1, 2).reshape(b, t, dim)))
        out: Tensor = x + self.drop(self.mlp(self.before_mlp(x)))
        return out


class InterestTower(nn.Module):
    """User vectors from profile and sequence, one after each token.

    Place 0 is the profile and place `t` the `t`-th token, so the vector at place 0 is that of a user without history, and padding,
    which comes after the last token, is seen by no place that is read. With attention the vector is that of the last place.
    """

    def __init__(self, shape: TowerShape, profile_sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.start = nn.Parameter(torch.randn(shape.dim) * shape.dim**-0.5)
        self.profile = nn.ModuleList(nn.Embedding(size, shape.dim) for size in profile_sizes)
        self.behaviour = nn.Embedding(len(NAMES), shape.dim)
        self.position = nn.Embedding(shape.length + 1, shape.dim)
        for table in (*self.profile, self.behaviour, self.position):
            nn.init.normal_(table.weight, std=0.3 * shape.dim**-0.5)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.last = nn.LayerNorm(shape.dim)
        self.age = nn.Linear(1, shape.dim, bias=False)
        self.out = nn.Sequential(nn.Linear(3 * shape.dim, 2 * shape.dim), nn.ReLU(), nn.Linear(2 * shape.dim, shape.dim))
        self.drop = nn.Dropout(shape.dropout)

    def forward(
        self, songs: Tensor, behaviour: Tensor, profile: Tensor, age: Tensor | None = None, searched: Tensor | None = None
    ) -> Tensor:
        """User vectors of length 1, `[b, t + 1, dim]`.

        Args:
            songs: vectors `[b, t, dim]` of the tokens' songs, padded at the end; t at most `length`.
            behaviour: codes `[b, t]`.
            profile: codes `[b, n_columns]`.
            age: `[b, t + 1]` log(1 + days) between the example and the end of training (Covington's example age); None is
                age 0 everywhere, as when serving.
            searched: `[b, t]` tokens that came from a search; looked at where these are the history.
        """
        person = self.start + sum((table(profile[:, column]) for column, table in enumerate(self.profile)), torch.zeros(1))
        person = person.expand(len(songs), -1)
        x = torch.cat([person[:, None], songs + self.behaviour(behaviour)], dim=1)
        x = self.drop(x + self.position.weight[: x.shape[1]])
        x = self.last(self._pooled(x, self._read(x, searched)))
        # tanh of a map without bias: nothing at age 0, so serving needs no special case.
        old = torch.zeros_like(x) if age is None else torch.tanh(self.age(age[..., None]))
        joined = torch.cat([x, person[:, None].expand_as(x), old], dim=-1)
        return functional.normalize(x + self.out(joined), dim=-1)

    def _read(self, x: Tensor, searched: Tensor | None) -> Tensor | None:
        """`[b, t + 1]` places that the tower reads, the profile always; None: all."""
        if self.shape.history == "clicks":
            return None
        if searched is None:
            raise ValueError("the interest tower reads searches and was not told which tokens they are")
        return torch.cat([torch.ones(len(x), 1, dtype=torch.bool), searched], dim=1)

    def _pooled(self, x: Tensor, read: Tensor | None) -> Tensor:
        """Each place's view of itself and the places before it, `[b, t + 1, dim]`."""
        if self.shape.pooling == "average":
            weight = torch.ones(x.shape[:2]) if read is None else read.float()
            return torch.cumsum(x * weight[..., None], dim=1) / torch.cumsum(weight, dim=1)[..., None]
        # A place that is not read asks all the same: it stands for the moment, and its own song is not among what it sees.
        visible = None if read is None else (torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril() & read[:, None, :])[:, None]
        if read is not None:
            x = torch.where(read[..., None], x, self.start.expand_as(x))
        for block in self.blocks:
            x = block(x, visible)
        return x


class InterestModel(EncodedSongs):
    """Both towers: the shared song encoder and the user tower."""

    def __init__(self, encoder: SongEncoder, tower: InterestTower, temperature: float) -> None:
        super().__init__(encoder)
        self.tower, self.temperature = tower, temperature
