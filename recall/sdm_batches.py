"""Examples of the long-and-short models: sessions with what came before them, and what came after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from embeddings.training import generator
from etl.session_rules import SessionRules
from recall.attribute_sets import AttributeSet, attribute_sets
from recall.attributes import Attributes, Ints
from recall.interest_sequences import Windows, token_rows
from recall.sampled_softmax import NegativeSampler
from recall.sittings import Sides, Sittings
from recall.stopped_training import StoppedSettings

LONG_STREAM = 77
"""Stream of the seed for what only the long space draws: whether it learns or not, the short one sees the same batches."""
LongTarget = Literal["window", "next"]


@dataclass(frozen=True)
class SideSettings(SessionRules):
    """How much of a listener either side sees, and by which rules a session ends (they default to those of `[etl.sessions]`)."""

    short_length: int = 50
    """Latest tokens of the session (the paper's 50); of a source without a clock, the user's latest tokens."""
    long_length: int = 300
    """Tokens before the session of which the long side is made; the paper takes seven days."""
    set_size: int = 32
    """Values kept of each attribute, the most often heard ones."""
    live_only: bool = False
    """Short is only a session that still goes on at the request; otherwise the latest one, however long ago it ended."""


@dataclass(frozen=True)
class SdmExamples(SideSettings, StoppedSettings):
    """Which examples a user gives, and against what."""

    max_examples_per_user: int = 400
    """Latest tokens of a user that are targets of an epoch."""
    repeat_weight: float = 0.1
    """Weight of a target that the user has heard before, beside 1 for a new one."""
    batch_sessions: int = 64
    n_negatives: int = 1024


@dataclass(frozen=True)
class LongExamples:
    """Targets of the long space alone."""

    target: LongTarget = "window"
    """`window`: songs drawn from the next `horizon` tokens; `next`: the tokens of the session itself, what the short space learns from."""
    horizon: int = 100
    """Tokens from the beginning of the session on."""
    n_targets: int = 8
    """Targets of a session."""


@dataclass(frozen=True)
class Context:
    """What both sides of B requests see."""

    short: Tensor
    """`[B, T]` songs of the session, padded at the end with 0; after `n_short` tokens nothing is read."""
    behaviour: Tensor
    """`[B, T]`"""
    n_short: Tensor
    """`[B]`"""
    values: tuple[Tensor, ...]
    """Of each attribute `[B, m]` codes of the long side, 0 for padding."""
    statistics: tuple[Tensor, ...]
    """Of each attribute `[B, m, N_STATISTICS]`."""
    profile: Tensor
    """`[B, n_columns]`"""


@dataclass(frozen=True)
class Targets:
    """What was heard, and what stands against it."""

    song: Tensor
    """`[B, n]` songs."""
    weight: Tensor
    """`[B, n]`; 0 where there is no target."""
    negatives: Tensor
    """`[n_negatives]` songs."""


@dataclass(frozen=True)
class Batch:
    """One step."""

    context: Context
    next: Targets
    """Place `t` of `[B, T + 1]` is what came after the session's first `t` tokens."""
    later: Targets | None
    """`[B, n_targets]` of the longer window from the session on."""


def context_of(sittings: Sittings, attributes: Attributes, profile: Ints, sides: Sides, settings: SideSettings) -> Context:
    """Columns of both sides of `sides`."""
    sequences = sittings.sequences
    t = max(1, int((sides.short_end - sides.short_start).max(initial=0)))
    rows, real = token_rows(Windows(sides.user, sides.short_start, sides.short_end), t)
    short, behaviour = (np.where(real, column[rows] if len(column) else 0, 0) for column in (sequences.item, sequences.behaviour))
    sets: tuple[AttributeSet, ...] = attribute_sets(
        sequences, attributes, sides.long_start, sides.long_end, size=settings.set_size, ordinal=sittings.ordinal
    )
    return Context(
        _tensor(short),
        _tensor(behaviour),
        _tensor(sides.short_end - sides.short_start),
        tuple(_tensor(one.values) for one in sets),
        tuple(_tensor(one.statistics) for one in sets),
        _tensor(profile[sides.user]),
    )


class Batches:
    """Batches of one epoch."""

    def __init__(
        self,
        sittings: Sittings,
        attributes: Attributes,
        profile: Ints,
        sampler: NegativeSampler,
        settings: SdmExamples,
        long: LongExamples | None,
        seed: int,
        epoch: int,
    ) -> None:
        """`long` None leaves out the long space's targets."""
        self.sittings, self.attributes, self.profile, self.sampler = sittings, attributes, profile, sampler
        self.settings, self.long = settings, long
        self.rng, self.long_rng = generator(seed, epoch), generator(seed, epoch, LONG_STREAM)
        sequences = sittings.sequences
        self.weight = (sequences.positive * np.where(sequences.repeat, settings.repeat_weight, 1.0)).astype(np.float32)
        sides = sittings.training(settings.short_length, settings.long_length, settings.max_examples_per_user, self.rng)
        self.sides = sides.take(self.rng.permutation(len(sides)))

    def __len__(self) -> int:
        return -(-len(self.sides) // self.settings.batch_sessions)

    def __iter__(self) -> Iterator[Batch]:
        size = self.settings.batch_sessions
        for start in range(0, len(self.sides), size):
            sides = self.sides.take(np.arange(start, min(start + size, len(self.sides))))
            context = context_of(self.sittings, self.attributes, self.profile, sides, self.settings)
            following = self._next(sides, context.short.shape[1])
            yield Batch(context, following, None if self.long is None else self._later(sides, self.long))

    def _next(self, sides: Sides, t: int) -> Targets:
        """Token `t` of a piece is the target of its first `t` tokens; after the last stands the user's next token, of whatever session."""
        rows = sides.short_start[:, None] + np.arange(t + 1)
        limit = np.minimum(sides.short_end, self.sittings.sequences.offsets[sides.user + 1] - 1)
        return self._targets(rows, rows <= limit[:, None], self.rng)

    def _later(self, sides: Sides, long: LongExamples) -> Targets:
        """Tokens drawn from what follows the long side; the same one may be drawn twice."""
        end = self.sittings.sequences.offsets[sides.user + 1]
        end = np.minimum(end, sides.short_start + long.horizon if long.target == "window" else sides.short_end)
        width = (end - sides.short_start)[:, None]
        rows = sides.short_start[:, None] + (self.long_rng.random((len(sides), long.n_targets)) * width).astype(np.int64)
        return self._targets(rows, rows < end[:, None], self.long_rng)

    def _targets(self, rows: Ints, real: npt.NDArray[np.bool_], rng: np.random.Generator) -> Targets:
        rows = np.where(real, rows, 0)
        negatives = self.sampler.sample(self.settings.n_negatives, rng)
        return Targets(_tensor(self.sittings.sequences.item[rows]), _tensor(self.weight[rows] * real), _tensor(negatives))


def _tensor(column: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(column))
