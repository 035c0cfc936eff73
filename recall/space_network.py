"""Long and short taste in two spaces: each with user vectors, item vectors, temperature and loss of its own, and no gate between them.

The talk says only that one gate left the long side unheard and that two spaces, each with its loss, mended it. What a space is made of
is this project's definition. The spaces share no parameter, so what the long one learns cannot disturb the short one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from embeddings.song_encoder import SongEncoder
from etl.behaviours import NAMES
from recall.attribute_songs import AttributeSongs
from recall.long_tower import LongTower
from recall.sdm_batches import Context
from recall.sdm_network import NetworkSettings
from recall.short_tower import PersonVector, ShortTower


class ShortSpace(nn.Module):
    """The session under way, and songs as they follow each other."""

    def __init__(self, songs: SongEncoder | AttributeSongs, profile_sizes: tuple[int, ...], settings: NetworkSettings) -> None:
        """`songs` gives the vectors of heard songs and of songs to find."""
        super().__init__()
        dim = settings.dim
        self.songs = songs
        self.behaviour = nn.Embedding(len(NAMES), dim)
        nn.init.normal_(self.behaviour.weight, std=0.3 * dim**-0.5)
        self.person = PersonVector(profile_sizes, dim)
        self.tower = ShortTower(dim, settings.heads, settings.unit, settings.dropout)
        self.out = _head(dim)

    def forward(self, context: Context) -> Tensor:
        """User vectors of length 1 after each prefix of the session, `[b, t + 1, dim]`; place 0 is the profile's."""
        person = self.person(context.profile)
        songs, place = torch.unique(context.short, return_inverse=True)
        heard = self.songs(songs)[place]
        short = self.tower(heard + self.behaviour(context.behaviour), person)
        joined = torch.cat([short, person[:, None].expand_as(short)], dim=-1)
        return functional.normalize(short + self.out(joined), dim=-1)

    def items(self, songs: Tensor) -> Tensor:
        """Item vectors of length 1, `[b, dim]`."""
        return functional.normalize(self.songs(songs), dim=-1)

    def table(self) -> Tensor:
        """Item vectors of all songs, `[n_songs, dim]`, without gradient."""
        return functional.normalize(self.songs.table(), dim=-1)


class LongSpace(nn.Module):
    """What was heard before the session, lifted to attributes with their statistics, and songs as their attributes place them."""

    def __init__(self, songs: AttributeSongs, profile_sizes: tuple[int, ...], n_sets: int, settings: NetworkSettings) -> None:
        """`songs` gives the vectors of songs to find, and its table those of the values of the sets."""
        super().__init__()
        dim = settings.dim
        self.songs = songs
        self.person = PersonVector(profile_sizes, dim)
        self.tower = LongTower(n_sets, dim, wide=True)
        with torch.no_grad():
            # The sum of what was heard, as a song begins as the sum of what it is: who hears a singer begins near that singer's songs.
            self.tower.join.weight.copy_(torch.eye(dim).repeat(1, n_sets))
            self.tower.join.bias.zero_()
        self.out = _head(dim)

    def forward(self, context: Context) -> Tensor:
        """User vectors of length 1, `[b, dim]`; without anything before the session, the profile's."""
        person = self.person(context.profile)
        sets = [self.songs.value(values) for values in context.values]
        long = self.tower(sets, context.statistics, [values > 0 for values in context.values], person)
        return functional.normalize(long + self.out(torch.cat([long, person], dim=-1)), dim=-1)

    def items(self, songs: Tensor) -> Tensor:
        """Item vectors of length 1, `[b, dim]`."""
        return functional.normalize(self.songs(songs), dim=-1)

    def table(self) -> Tensor:
        """Item vectors of all songs, `[n_songs, dim]`, without gradient."""
        return functional.normalize(self.songs.table(), dim=-1)


class TwoSpaces(nn.Module):
    """Both spaces, to be trained together."""

    def __init__(self, short: ShortSpace, long: LongSpace) -> None:
        super().__init__()
        self.short, self.long = short, long


def _head(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2 * dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
