"""SDM with its gate (Lv et al., CIKM 2019): one user vector, mixed of the long and the short side by a sigmoid of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from etl.behaviours import NAMES
from recall.attribute_songs import AttributeSongs
from recall.long_tower import LongTower
from recall.sdm_batches import Context
from recall.short_tower import PersonVector, ShortTower, Unit


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes and unit of the network."""

    dim: int = 64
    heads: int = 4
    unit: Unit = "lstm"
    """Recurrent unit of the short side; the paper's text says LSTM, its published code runs GRU."""
    dropout: float = 0.0
    id_dropout: float = 0.1
    """Share of songs whose id is withheld in a batch, so that attributes alone serve a song that is new."""


class Mixed(NamedTuple):
    """The parts of the user vector, each `[b, dim]` or `[b, t, dim]`."""

    gate: Tensor
    """`G`, 1 where the short side alone counts; 0 in every component where there is no session, 1 where there is nothing before it."""
    long: Tensor
    """`p_u`"""
    short: Tensor
    """`s_u`"""

    def vector(self) -> Tensor:
        """`o_u = (1 - G) p_u + G s_u`."""
        return (1 - self.gate) * self.long + self.gate * self.short


class SdmNetwork(nn.Module):
    """User vectors and the separate table of item vectors."""

    def __init__(
        self, inputs: AttributeSongs, items: AttributeSongs, profile_sizes: tuple[int, ...], n_sets: int, settings: NetworkSettings
    ) -> None:
        """`inputs` gives vectors of heard songs and of attribute values, `items` those of songs to find."""
        super().__init__()
        dim = settings.dim
        self.inputs, self.items = inputs, items
        self.behaviour = nn.Embedding(len(NAMES), dim)
        nn.init.normal_(self.behaviour.weight, std=0.3 * dim**-0.5)
        self.person = PersonVector(profile_sizes, dim)
        self.short = ShortTower(dim, settings.heads, settings.unit, settings.dropout)
        self.long = LongTower(n_sets, dim, wide=False)
        self.gate_person, self.gate_short = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.gate_long = nn.Linear(dim, dim)
        self.cold = nn.Linear(dim, dim)

    def forward(self, context: Context) -> Mixed:
        """Parts of the user vectors after each prefix of the session, `[b, t + 1, dim]`."""
        person = self.person(context.profile)
        songs, place = torch.unique(context.short, return_inverse=True)
        tokens = self.inputs(songs)[place] + self.behaviour(context.behaviour)
        short = self.short(tokens, person)
        sets = [self.inputs.value(values) for values in context.values]
        long = self.long(sets, context.statistics, [values > 0 for values in context.values], person)
        empty = ~torch.stack([(values > 0).any(1) for values in context.values]).any(0)
        return self.mixed(person, short, long, empty)

    def mixed(self, person: Tensor, short: Tensor, long: Tensor, no_long: Tensor) -> Mixed:
        """The gate over every place: `short [b, t + 1, dim]`, `long [b, dim]`, `no_long [b]` where there is nothing to be long about.

        A side that does not exist gets nothing (the paper has no such users): without a session G is 0, without anything before it
        1. Where both are missing the long side is the person's own vector, so that the profile serves whoever has no history.
        """
        long = torch.where(no_long[:, None], torch.tanh(self.cold(person)), long)[:, None].expand_as(short)
        gate = torch.sigmoid(self.gate_person(person)[:, None] + self.gate_short(short) + self.gate_long(long))
        one = torch.ones_like(gate[:, 1:])
        gate = torch.cat([torch.zeros_like(gate[:, :1]), torch.where(no_long[:, None, None], one, gate[:, 1:])], dim=1)
        return Mixed(gate, long, short)
