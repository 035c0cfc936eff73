"""The user tower of the interest route: causal self-attention over profile and sequence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from embeddings.song_encoder import SongEncoder
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

    def forward(self, x: Tensor) -> Tensor:
        """`[b, t, dim] -> [b, t, dim]`; place `i` sees places `0 .. i` only."""
        b, t, dim = x.shape
        parts = self.query_key_value(self.before_attention(x)).view(b, t, 3, self.heads, dim // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        rate = self.dropout if self.training else 0.0
        heard = functional.scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=rate)
        x = x + self.drop(self.out(heard.transpose(1, 2).reshape(b, t, dim)))
        out: Tensor = x + self.drop(self.mlp(self.before_mlp(x)))
        return out


class InterestTower(nn.Module):
    """User vectors from profile and sequence, one after each token.

    Place 0 is the profile and place `t` the `t`-th token, so the vector at place 0 is that of a user without history, and padding,
    which comes after the last token, is seen by no place that is read. There is no pooling: the vector is that of the last place.
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

    def forward(self, songs: Tensor, behaviour: Tensor, profile: Tensor, age: Tensor | None = None) -> Tensor:
        """User vectors of length 1, `[b, t + 1, dim]`.

        Args:
            songs: vectors `[b, t, dim]` of the tokens' songs, padded at the end; t at most `length`.
            behaviour: codes `[b, t]`.
            profile: codes `[b, n_columns]`.
            age: `[b, t + 1]` log(1 + days) between the example and the end of training (Covington's example age); None is
                age 0 everywhere, as when serving.
        """
        person = self.start + sum((table(profile[:, column]) for column, table in enumerate(self.profile)), torch.zeros(1))
        person = person.expand(len(songs), -1)
        x = torch.cat([person[:, None], songs + self.behaviour(behaviour)], dim=1)
        x = self.drop(x + self.position.weight[: x.shape[1]])
        for block in self.blocks:
            x = block(x)
        x = self.last(x)
        # tanh of a map without bias: nothing at age 0, so serving needs no special case.
        old = torch.zeros_like(x) if age is None else torch.tanh(self.age(age[..., None]))
        joined = torch.cat([x, person[:, None].expand_as(x), old], dim=-1)
        return functional.normalize(x + self.out(joined), dim=-1)


class InterestModel(nn.Module):
    """Both towers: the shared song encoder and the user tower."""

    def __init__(self, encoder: SongEncoder, tower: InterestTower, temperature: float) -> None:
        super().__init__()
        self.encoder, self.tower, self.temperature = encoder, tower, temperature

    def songs(self, songs: Tensor) -> Tensor:
        """Item vectors of length 1, `[b, dim]`."""
        return functional.normalize(self.encoder(songs), dim=-1)

    def table(self) -> Tensor:
        """Item vectors of all songs, `[n_songs, dim]`, without gradient."""
        return functional.normalize(self.encoder.table(), dim=-1)
