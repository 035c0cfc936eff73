"""The network of the behaviour domains: one reader a domain over shared songs, one body, four tasks, and terms whose sign is given."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ranking.activation_unit import Dice, attend
from ranking.domain_events import SIGN
from ranking.domain_masses import MASS_FACETS
from ranking.domain_settings import DomainSettings
from ranking.history_pairs import N_AGES
from ranking.session_encoder import SessionEncoder, SessionInterest
from ranking.session_inputs import SessionBatch
from ranking.song_network import Bag, SongNetwork
from ranking.utility import DIRECTION, TASKS

FLOOR = 0.05
"""Least weight of a mass and of a domain's term: far from nought, so that one more refusal is never lost in rounding."""


class HistoryBatch(NamedTuple):
    """Histories of `b` examples in one domain, packed into `p` rows."""

    act: Tensor
    """`[p]` row among the songs."""
    owner: Tensor
    """`[p]` example, ascending."""
    age: Tensor
    """`[p]` age bucket."""


class NearBatch(NamedTuple):
    """`n` distinct histories in one domain, all acts of their window, packed into `p` rows."""

    act: Tensor
    """`[p]` row among the songs."""
    owner: Tensor
    """`[p]` history, ascending."""
    history: Tensor
    """`[b]` history of each example."""
    n: int


class DomainBatch(NamedTuple):
    """One batch of `b` examples over `u` distinct songs."""

    given: Tensor
    """`[u, given_dim]` vectors of the songs from the shared encoder."""
    facets: Bag
    target: Tensor
    """`[b]` row of the target among the songs."""
    read: tuple[SessionBatch | HistoryBatch, ...]
    """Of each encoded domain."""
    near: tuple[NearBatch, ...]
    """Of each domain that acts through its term alone."""
    mass: Tensor
    """`[b, n_domains, n_masses]` log of one plus each decayed count, 0 or more."""
    numeric: Tensor
    """`[b, n_numeric]`"""
    codes: Tensor
    """`[b, n_columns]` rows of the table of code embeddings."""
    label: Tensor
    """`[b]`"""
    outcome: Tensor
    """`[b, 4]`, NaN where unknown."""


class SessionReader(nn.Module):
    """A domain as sessions: what they and the Bi-LSTM's states say of the target."""

    n_vectors = 2

    def __init__(self, settings: DomainSettings) -> None:
        super().__init__()
        self.encoder, self.interest = SessionEncoder(settings.sizes), SessionInterest(settings.width)

    def forward(self, song: Tensor, target: Tensor, batch: SessionBatch) -> tuple[Tensor, ...]:
        """`[b, width]` twice, from the songs' vectors `[u, width]` as the domain sees them."""
        vectors: tuple[Tensor, ...] = self.interest(self.encoder(song.index_select(0, batch.act), batch), batch, target)
        return vectors


class AttentionReader(nn.Module):
    """A domain as its latest acts: softmax(e_jᵀ W x + age) over them, nothing where there are none."""

    n_vectors = 1

    def __init__(self, settings: DomainSettings) -> None:
        super().__init__()
        self.question = nn.Linear(settings.width, settings.width, bias=False)
        self.age = nn.Parameter(torch.zeros(N_AGES))

    def forward(self, song: Tensor, target: Tensor, batch: HistoryBatch) -> tuple[Tensor, ...]:
        """`[b, width]` once, from the songs' vectors `[u, width]` as the domain sees them."""
        likeness = (song.index_select(0, batch.act) * self.question(target).index_select(0, batch.owner)).sum(1)
        weight = likeness + self.age.index_select(0, batch.age)
        return (attend(weight, song, batch.act, batch.owner, len(target), softmax=True),)


class NearMass(nn.Module):
    """log(1 + Σ_j φ(e_j)·ψ(x)) over the acts of a window, φ and ψ above 0: grows with every act, whatever its song."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.of_act, self.of_target = nn.Linear(width, hidden), nn.Linear(width, hidden)
        for layer in (self.of_act, self.of_target):
            nn.init.constant_(layer.bias, -2.0)

    def forward(self, song: Tensor, target: Tensor, batch: NearBatch) -> Tensor:
        """`[b]` from the songs' vectors `[u, width]` as the domain sees them."""
        each = nn.functional.softplus(self.of_act(song)).index_select(0, batch.act)
        total = torch.zeros(batch.n, each.shape[1]).index_add(0, batch.owner, each)
        return torch.log1p((total.index_select(0, batch.history) * nn.functional.softplus(self.of_target(target))).sum(1))


class SignedTerms(nn.Module):
    """What each domain adds to each task: ±(softplus(c) + floor)·m, m = Σ_f (softplus(w_f) + floor)·mass_f, all masses from 0 up.

    The sign is the domain's times the task's, so another act on the target's artist moves the logit to its own side whatever has been
    learned: c, the body's say in how much a domain matters, and w are free.
    """

    sign: Tensor

    def __init__(self, settings: DomainSettings) -> None:
        super().__init__()
        n_domains = len(settings.domains)
        n_masses = len(MASS_FACETS) * len(settings.half_lives_days)
        self.near = nn.ModuleList(NearMass(settings.width, settings.near_width) for _ in settings.near)
        self.of_near = nn.Parameter(torch.full((len(settings.near),), -1.0))
        self.of_mass = nn.Parameter(torch.full((n_domains, n_masses), -1.0))
        self.gate = nn.Linear(settings.hidden[1], n_domains * len(TASKS))
        nn.init.constant_(self.gate.bias, -2.0)
        self.places = settings.places(settings.near)
        self.register_buffer("sign", torch.tensor([SIGN[name] for name in settings.domains])[:, None] * torch.tensor(DIRECTION))

    def forward(self, song: list[Tensor], target: Tensor, hidden: Tensor, batch: DomainBatch) -> Tensor:
        """`[b, 4]`; `song` holds the vectors `[u, width]` as each of the near domains sees them, `hidden` `[b, …]` is the body's end."""
        mass = (_above_floor(self.of_mass) * batch.mass).sum(2)
        for place, vectors, near, module, weight in zip(
            self.places, song, batch.near, self.near, nn.functional.softplus(self.of_near), strict=True
        ):
            added = torch.zeros_like(mass).index_copy(1, torch.tensor([place]), (weight * module(vectors, target, near)).unsqueeze(1))
            mass = mass + added
        strength = _above_floor(self.gate(hidden)).view(len(mass), -1, len(TASKS))
        return (self.sign * strength * mass.unsqueeze(2)).sum(1)


class DomainNetwork(SongNetwork):
    """logits of the tasks = heads(MLP([readers, e_t, readers ⊙ e_t, profile and context, numbers])) + signed terms."""

    learned: Tensor
    """`[4]` true for the tasks that there was something to learn of."""

    def __init__(self, given_dim: int, n_facets: int, code_sizes: tuple[int, ...], n_numeric: int, settings: DomainSettings) -> None:
        """`given_dim` is the shared encoder's width (0 without one), `n_facets` the size of the facet vocabulary."""
        super().__init__(given_dim, n_facets, code_sizes, settings)
        self.settings = settings
        self.register_buffer("learned", torch.ones(len(TASKS), dtype=torch.bool))
        reader = SessionReader if settings.encoder == "sessions" else AttentionReader
        self.domain = nn.Embedding(max(len(settings.domains), 1), settings.width)
        nn.init.normal_(self.domain.weight, std=0.1)
        self.readers = nn.ModuleList(reader(settings) for _ in settings.encoded)
        self.terms = SignedTerms(settings) if settings.constrained and settings.domains else None
        masses = 0 if settings.constrained else len(settings.domains) * len(MASS_FACETS) * len(settings.half_lives_days)
        vectors = (1 + 2 * len(settings.encoded) * reader.n_vectors) * settings.width
        first, second = settings.hidden
        self.body = nn.Sequential(
            nn.Linear(vectors + len(code_sizes) * settings.code_width + n_numeric + masses, first),
            Dice(first),
            nn.Dropout(settings.dropout),
            nn.Linear(first, second),
            Dice(second),
        )
        self.heads = nn.Linear(second, len(TASKS))
        self.spread = nn.Parameter(torch.zeros(len(TASKS)), requires_grad=settings.uncertainty)

    def forward(self, batch: DomainBatch) -> Tensor:
        """Logits `[b, 4]`."""
        return self.logits(self.songs(batch.given, batch.facets), batch)

    def logits(self, song: Tensor, batch: DomainBatch) -> Tensor:
        """Logits `[b, 4]` where the songs' vectors `[u, width]` are at hand."""
        target = song.index_select(0, batch.target)
        hidden = self.body(self._inputs(song, target, batch))
        logits: Tensor = self.heads(hidden)
        if self.terms is None:
            return logits
        seen = [song + self.domain.weight[place] for place in self.settings.places(self.settings.near)]
        terms: Tensor = self.terms(seen, target, hidden, batch)
        return logits + terms

    def loss(self, logits: Tensor, outcome: Tensor) -> Tensor:
        """Σ_k w_k (e^(−s_k) L_k + s_k / 2), L_k the mean cross-entropy of the task's outcomes `[b, 4]` that are known.

        s is 0 unless it is learned.
        """
        known = ~torch.isnan(outcome)
        each = nn.functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(outcome), reduction="none")
        of_task = torch.where(known, each, 0.0).sum(0) / known.sum(0).clamp(min=1)
        weighed = torch.tensor(self.settings.task_weights) * (torch.exp(-self.spread) * of_task + self.spread / 2)
        total: Tensor = weighed.sum()
        return total

    def _inputs(self, song: Tensor, target: Tensor, batch: DomainBatch) -> Tensor:
        parts = [target, self.code(batch.codes).flatten(1), batch.numeric]
        for place, reader, look in zip(self.settings.places(self.settings.encoded), self.readers, batch.read, strict=True):
            for vector in reader(song + self.domain.weight[place], target, look):
                parts += [vector, vector * target]
        if not self.settings.constrained:
            parts.append(batch.mass.flatten(1))
        return torch.cat(parts, dim=1)


def _above_floor(free: Tensor) -> Tensor:
    return nn.functional.softplus(free) + FLOOR
