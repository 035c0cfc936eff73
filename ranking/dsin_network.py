"""The network of DSIN: sessions as vectors, a Bi-LSTM across them, two activation units, and the layers that end in a logit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from etl.errors import UserError
from etl.session_rules import NAMED_RULES
from ranking.session_encoder import SessionEncoder, SessionInterest, SessionSizes
from ranking.session_inputs import SessionBatch
from ranking.song_network import Bag, DeepSettings, SongNetwork, tower


@dataclass(frozen=True)
class SessionSettings(DeepSettings):
    """Sizes of what looks back on sessions."""

    session_rules: str = "all"
    """What ends a session: `all` (scene, maximum duration and gap), `scene_duration` (the talk's two), `scene`, `gap` (DSIN's own)."""
    sessions: int = 5
    """Latest sessions that it looks back on."""
    acts: int = 10
    """Latest acts of each session."""
    heads: int = 4

    def __post_init__(self) -> None:
        if self.session_rules not in NAMED_RULES:
            raise UserError(f"session_rules = {self.session_rules!r}: give one of {', '.join(NAMED_RULES)}")
        if self.width % self.heads or self.width % 2:
            raise UserError(f"width = {self.width}: give an even number that heads = {self.heads} divides")
        if min(self.sessions, self.acts) < 1:
            raise UserError(f"sessions = {self.sessions}, acts = {self.acts}: give numbers from 1 up")

    @property
    def sizes(self) -> SessionSizes:
        """Of a session encoder."""
        return SessionSizes(self.width, self.sessions, self.acts, self.heads, self.dropout)


@dataclass(frozen=True)
class DsinSettings(SessionSettings):
    """Sizes and training of DSIN."""


class DsinBatch(NamedTuple):
    """One batch of `b` examples over `u` distinct songs."""

    given: Tensor
    """`[u, given_dim]` vectors of the songs from the shared encoder."""
    facets: Bag
    target: Tensor
    """`[b]` row of the target among the songs."""
    sessions: SessionBatch
    numeric: Tensor
    """`[b, n_numeric]`"""
    codes: Tensor
    """`[b, n_columns]` rows of the table of code embeddings."""
    label: Tensor
    """`[b]`"""


class DsinNetwork(SongNetwork):
    """logit = MLP([U^I, U^H, U^I ⊙ e_t, U^H ⊙ e_t, e_t, profile and context, numbers]); U^I and U^H as in `SessionInterest`."""

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: DsinSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the facet vocabulary."""
        super().__init__(given_dim, n_facets, code_sizes, settings)
        self.encoder = SessionEncoder(settings.sizes)
        self.interest = SessionInterest(settings.width)
        self.mlp = tower(5 * settings.width + len(code_sizes) * settings.code_width + n_numeric, settings)

    def forward(self, batch: DsinBatch) -> Tensor:
        """Logits `[b]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def logits(self, song: Tensor, batch: DsinBatch) -> Tensor:
        """Logits `[b]` where the songs' vectors `[u, width]` are at hand."""
        return self.judged(song, batch, self.encoded(song, batch))

    def encoded(self, song: Tensor, batch: DsinBatch) -> Tensor:
        """`[f, width]` vectors of the sessions that are not kept."""
        vectors: Tensor = self.encoder(song.index_select(0, batch.sessions.act), batch.sessions)
        return vectors

    def judged(self, song: Tensor, batch: DsinBatch, session: Tensor) -> Tensor:
        """Logits `[b]` where the vectors of all sessions `[n, width]` are at hand."""
        target = song.index_select(0, batch.target)
        within, across = self.interest(session, batch.sessions, target)
        codes = self.code(batch.codes).flatten(1)
        inputs = (within, across, within * target, across * target, target, codes, batch.numeric)
        logit: Tensor = self.mlp(torch.cat(inputs, dim=1))
        return logit.squeeze(1)
