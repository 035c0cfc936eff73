"""Song vectors lifted to attributes: a map of each attribute's values, plus a share of the song's own vector.

    v_i = b + sum over f of W_f mean over values a of attribute f of i of E[a]  +  gamma E[i]

What is said of a song (who sings it, which style and language it has) carries its vector, and the song's own part is learned on top
of that; a song that is new has none, and stands where its attributes put it. Every part is a sum, so that a score can be taken apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from recall.attributes import SONG, Attributes

BASE: Final = "base"
"""The part of a song's vector that is no attribute's."""


class AttributeSongs(nn.Module):
    """Vectors of songs, `[b] -> [b, dim]`, from chosen attributes."""

    base: Tensor
    """`[dim]` what all songs share."""

    def __init__(self, attributes: Attributes, names: Sequence[str], dim: int, seed: int, *, id_dropout: float = 0.0) -> None:
        """Parameters from `seed`; of `attributes` those in `names` count.

        Args:
            attributes: codes of the songs.
            names: attributes used; with `song` alone this is a plain table, which starts at random and not at 0.
            dim: width of the vectors.
            seed: of the initial parameters.
            id_dropout: share of songs whose own vector is withheld in a training batch, so that attributes alone must serve too.
        """
        super().__init__()
        self.names, self.dim, self.id_dropout = tuple(names), dim, id_dropout
        self.n_songs = attributes.n_songs
        for name, codes in zip(attributes.names, attributes.codes, strict=True):
            self.register_buffer(f"codes_{name}", torch.from_numpy(codes), persistent=False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.value = nn.Embedding(attributes.size, dim, padding_idx=0, sparse=True)
            nn.init.normal_(self.value.weight, std=dim**-0.5)
            # Fixed and faint: a song whose only part is withheld still has a direction; learned, it grows until all songs point its way.
            self.register_buffer("base", torch.randn(dim) * 0.1 * dim**-0.5)
            maps = {name: nn.Linear(dim, dim, bias=False) for name in names if name != SONG}
        self.maps = nn.ModuleDict(maps)
        for linear in maps.values():
            # As the plain sum of its values a song begins where a taste for those values is.
            nn.init.eye_(linear.weight)
        self.own = nn.Parameter(torch.ones(()))
        with torch.no_grad():
            self.value.weight[0] = 0
            if self.maps:
                self._quieten(attributes)

    def _quieten(self, attributes: Attributes) -> None:
        """Songs begin as their attributes alone; one without any begins anywhere, or all such would learn as one."""
        described = np.any([(codes > 0).any(1) for codes in attributes.codes[1:]], axis=0)
        rows = attributes.codes[0][:, 0]
        self.value.weight[rows[described]] = 0
        self.value.weight[0] = 0

    def codes(self, name: str) -> Tensor:
        """`[n_songs, width]` codes of an attribute."""
        codes: Tensor = getattr(self, f"codes_{name}")
        return codes

    def parts(self, songs: Tensor) -> dict[str, Tensor]:
        """What each attribute adds to the vectors of `songs` `[b]`: `[b, dim]` by name, and under `BASE` what all songs share."""
        return {name: self._part(name, songs) for name in self.names} | {BASE: self.base.expand(len(songs), -1)}

    def forward(self, songs: Tensor) -> Tensor:
        """Vectors `[b, dim]`."""
        parts = self.parts(songs)
        if self.training and self.id_dropout > 0 and SONG in parts and self.maps:
            parts[SONG] = parts[SONG] * (torch.rand(len(songs), 1) >= self.id_dropout)
        return torch.stack(tuple(parts.values())).sum(0)

    @torch.no_grad()
    def table(self, chunk: int = 65_536) -> Tensor:
        """Vectors of all songs, `[n_songs, dim]`, without gradient and without dropout."""
        training = self.training
        self.eval()
        parts = [self(torch.arange(start, min(start + chunk, self.n_songs))) for start in range(0, self.n_songs, chunk)]
        self.train(training)
        return torch.cat(parts) if parts else torch.zeros(0, self.dim)

    def _part(self, name: str, songs: Tensor) -> Tensor:
        codes = self.codes(name)[songs]
        if name == SONG:
            own: Tensor = self.own * self.value(codes[:, 0])
            return own
        real = (codes > 0).sum(1, keepdim=True).clamp_min(1)
        mean: Tensor = self.maps[name](self.value(codes).sum(1) / real)
        return mean
