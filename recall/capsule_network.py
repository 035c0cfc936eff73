"""The multi-interest extractor of MIND (Li et al., CIKM 2019, arXiv 1904.08030): B2I dynamic routing and label-aware attention.

Behaviours `e_i` of a user become K' interests. One bilinear map S is shared by all pairs of behaviour and interest, so it is the
initial routing logits that tell interests apart; they are drawn once from a seed and never trained.

    K'   = max(1, min(K, floor(log2 n)))
    w_ij = softmax over j of b_ij              padded behaviours 0
    u_j  = squash(sum_i w_ij S e_i)
    b_ij = b_ij + u_j . S e_i                  three rounds; the gradient passes through the last sum alone
    H_j  = two ReLU layers of [u_j ; profile]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST = 1e30
"""Bound of a power: what is far beyond the exponent of a softmax stays finite, so that a difference of two is a number."""


@dataclass(frozen=True)
class CapsuleShape:
    """Sizes of the extractor."""

    dim: int = 64
    length: int = 50
    """Latest tokens of a sequence that become interests."""
    max_interests: int = 4
    """K, the most interests of a user."""
    dynamic_k: bool = True
    """Interests by length of history, as in the paper; False gives everybody with a history `max_interests`."""
    rounds: int = 3
    """Rounds of routing."""
    logit_std: float = 0.3
    """Standard deviation of the initial routing logits."""
    map_gain: float = 8.0
    """Length to which the shared map brings a vector of length 1 when training begins: larger routes harder."""
    hidden: int = 128
    """Width of the head's first layer."""
    residual: bool = True
    """The head adds to the interest, and its last layer has no ReLU; False is the paper's head, whose vectors have no negative part."""
    power: float = 2.0
    """p of the label-aware attention: 0 is the mean of the interests, `inf` the one that fits the target best."""


def active_interests(n: Tensor, shape: CapsuleShape) -> Tensor:
    """Which interests a history of `n` `[b]` tokens has, `[b, K]`: the first K', at least one."""
    # frexp gives n = m * 2^e with m in [0.5, 1): e - 1 is the exact floor of log2.
    by_length: Tensor = torch.frexp(n.double())[1].long() - 1
    count = by_length if shape.dynamic_k else torch.where(n > 0, shape.max_interests, 1)
    active: Tensor = torch.arange(shape.max_interests) < count.clamp(1, shape.max_interests)[:, None]
    return active


def squash(z: Tensor) -> Tensor:
    """|z|^2 / (1 + |z|^2) * z / |z| over the last axis; 0 at 0, with gradient 0."""
    norm: Tensor = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    return z * (norm / (1 + norm.square()))


def assignments(logits: Tensor, real: Tensor, active: Tensor) -> Tensor:
    """Routing weights `[b, t, K]`: softmax over the `active` `[b, K]` interests, 0 where a behaviour is not `real` `[b, t]`."""
    weights = logits.masked_fill(~active[:, None], -torch.inf).softmax(dim=-1)
    return weights * real[..., None].to(weights.dtype)


class Routed(NamedTuple):
    """Outcome of dynamic routing."""

    capsules: Tensor
    """`[b, K, dim]`, 0 where inactive."""
    weights: Tensor
    """`[b, t, K]` of the last round, without gradient."""
    agreed: Tensor
    """`[b, K, dim]` sum of the capsules of all rounds but the last, without gradient: logits grew by `mapped @ agreed`."""


def dynamic_routing(mapped: Tensor, logits: Tensor, real: Tensor, active: Tensor, rounds: int = 3) -> Routed:
    """Route behaviours to interests (B2I dynamic routing).

    Args:
        mapped: behaviours through the shared map, `[b, t, dim]`; padding may hold anything finite.
        logits: initial `[b, t, K]`.
        real: `[b, t]` false where padded.
        active: `[b, K]` interests that the user has.
        rounds: at least one.
    """
    with torch.no_grad():
        agreed = mapped.new_zeros(*active.shape, mapped.shape[-1])
        for _ in range(rounds - 1):
            weights = assignments(logits + mapped @ agreed.transpose(1, 2), real, active)
            agreed = agreed + squash(weights.transpose(1, 2) @ mapped)
        weights = assignments(logits + mapped @ agreed.transpose(1, 2), real, active)
    return Routed(squash(weights.transpose(1, 2) @ mapped), weights, agreed)


def label_aware_attention(scores: Tensor, active: Tensor, power: float) -> Tensor:
    """softmax(pow(score, p)) over the active interests, `[b, m, K]`.

    The paper's form, with scores below 0 taken as 0 (a power of a negative number is none). The limits are its own: p = 0 weighs
    all active interests the same, p = `inf` is the interest with the largest score, the first of equals. A large finite p tends to it
    where the largest score is above 1; that is why scores come divided by the temperature and not as cosines, which would tend to the mean.

    Args:
        scores: inner products of each interest with each target, `[b, m, K]`.
        active: `[b, K]`.
        power: p, at least 0.
    """
    masked = scores.masked_fill(~active[:, None], -torch.inf)
    if power == math.inf:
        return functional.one_hot(masked.argmax(dim=-1), scores.shape[-1]).to(scores.dtype)
    # log of the power, so that nothing overflows: x^p - m^p = m^p (exp(p (log x - log m)) - 1) with m the largest.
    log = masked.clamp_min(torch.finfo(scores.dtype).tiny).log()
    most = log.amax(dim=-1, keepdim=True).detach()
    height = (power * most).clamp_max(math.log(LARGEST)).exp()
    return (height * torch.expm1(power * (log - most))).masked_fill(~active[:, None], -torch.inf).softmax(dim=-1)


def routing_penalty(weights: Tensor, real: Tensor, active: Tensor) -> Tensor:
    """REMI's regulariser (Xie et al., RecSys 2023): squared norm of the variances of each interest's routing weights, mean over users.

    It is large where an interest is made of a single song; the mean and the variance of `weights` `[b, t, K]` run over `real` tokens.
    """
    count = real.sum(dim=1).clamp_min(1)[:, None, None].to(weights.dtype)
    kept = real[..., None].to(weights.dtype)
    deviation = (weights - (weights * kept).sum(dim=1, keepdim=True) / count) * kept
    variance = deviation.square().sum(dim=1) / count[..., 0] * active
    return variance.square().sum(dim=-1).mean()


class Interests(NamedTuple):
    """Interests of a batch of users."""

    vectors: Tensor
    """`[b, K, dim]` of length 1; meaningless where inactive."""
    active: Tensor
    """`[b, K]`"""
    weights: Tensor
    """`[b, t, K]` routing weights of the last round; their gradient is that of the last round's logits, for the regulariser."""


class CapsuleNetwork(nn.Module):
    """Interests from the songs of a history and the profile."""

    def __init__(self, shape: CapsuleShape, profile_sizes: tuple[int, ...]) -> None:
        super().__init__()
        dim = shape.dim
        self.shape = shape
        self.map = nn.Linear(dim, dim, bias=False)
        nn.init.normal_(self.map.weight, std=shape.map_gain * dim**-0.5)
        # The row is the place from the end: what was heard last has the same logits however long the history is.
        self.register_buffer("logits", torch.randn(shape.length, shape.max_interests) * shape.logit_std)
        self.start = nn.Parameter(torch.randn(dim) * dim**-0.5)
        tables = [nn.Embedding(size, dim) for size in profile_sizes]
        for table in tables:
            nn.init.normal_(table.weight, std=0.3 * dim**-0.5)
        self.profile = nn.ModuleList(tables)
        self.head = nn.Sequential(nn.Linear(2 * dim, shape.hidden), nn.ReLU(), nn.Linear(shape.hidden, dim))

    logits: Tensor

    def forward(self, songs: Tensor, count: Tensor, profile: Tensor) -> Interests:
        """Interests of each user; without history one, from the profile alone.

        Args:
            songs: vectors `[b, t, dim]` of the history in time order, padded at the end; t at most `length`.
            count: `[b]` real tokens of each.
            profile: codes `[b, n_columns]`.
        """
        place = count[:, None] - 1 - torch.arange(songs.shape[1])
        real, active = place >= 0, active_interests(count, self.shape)
        logits, mapped = self.logits[place.clamp_min(0)], self.map(songs)
        routed = dynamic_routing(mapped, logits, real, active, self.shape.rounds)
        person = self.start + sum((table(profile[:, column]) for column, table in enumerate(self.profile)), torch.zeros(1))
        person = person.expand(len(songs), -1)[:, None].expand_as(routed.capsules)
        told = self.head(torch.cat([routed.capsules, person], dim=-1))
        vectors = functional.normalize(routed.capsules + told if self.shape.residual else told.relu(), dim=-1)
        weights = assignments(logits + mapped @ routed.agreed.transpose(1, 2), real, active)
        return Interests(vectors, active, weights)
