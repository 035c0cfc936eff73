"""Training of a route until recall on a time-later slice stops growing: what is held back, and what negatives are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from embeddings.training import ProgressCallback, TrainingResult, TrainingSettings, train
from recall.held_out import HeldOut, Search
from recall.interest_sequences import Ints, Sequences
from recall.sampled_softmax import NegativeSampler


class Takes(Protocol):
    """Histories of which some tokens can be kept."""

    def take(self, keep: npt.NDArray[np.bool_]) -> Self:
        """Only the tokens of a mask `[n_tokens]`."""
        ...


@dataclass(frozen=True)
class StoppedSettings:
    """What every route that trains on sequences says of its negatives, and of the slice that stops it."""

    negative_power: float = 0.75
    """A song is drawn as a negative in proportion to its positives to this power."""
    uniform_share: float = 0.1
    """Share of negatives drawn from all songs alike."""
    valid_share: float = 0.1
    """Time-later slice that says when to stop."""
    valid_users: int = 2000
    """Users of the slice whose recall is measured."""


Histories = TypeVar("Histories", bound=Takes)
Batch = TypeVar("Batch")


class HeldBack(NamedTuple):
    """What a training is stopped by."""

    late: npt.NDArray[np.bool_] | None
    """`[n_tokens]` the slice; None where everything is learned from."""
    epochs: int | None
    """Epochs to train where there is no slice."""

    @classmethod
    def of(cls, sequences: Sequences, ordinal: bool, share: float, epochs: int | None, max_epochs: int) -> Self:
        """A slice of about `share`, unless `epochs` are given or too few events are there to hold any back."""
        late = None if epochs is not None else sequences.late(ordinal, share)
        # Without a positive in the slice nothing says when to stop.
        return cls(None, max_epochs) if late is not None and not (late & sequences.positive).any() else cls(late, epochs)


def fit_stopped(
    model: nn.Module,
    histories: Histories,
    sequences: Sequences,
    n_songs: int,
    *,
    ordinal: bool,
    settings: StoppedSettings,
    training: TrainingSettings,
    epochs: int | None,
    seed: int,
    batches: Callable[[Histories, NegativeSampler, int], Iterable[Batch]],
    loss: Callable[[Batch, Tensor], Tensor],
    search: Callable[[Histories, Ints], Search],
    progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Train in place: on everything for `epochs`, or before a time-later slice until recall on the slice stops growing.

    Args:
        model: trained in place.
        histories: what batches are made of and users are served from.
        sequences: their tokens.
        n_songs: songs there are.
        ordinal: time gives order only.
        settings: of negatives and slice.
        training: how long and how carefully.
        epochs: exactly so many, without a slice.
        seed: of examples and dropout.
        batches: of the histories learned from, with the negatives' distribution, the batches of an epoch.
        loss: of a batch, given `log_q` `[n_songs]` of the negatives.
        search: from histories and users `[n]` to the search of what the model finds for them.
        progress: told of every step.
    """
    late, epochs = HeldBack.of(sequences, ordinal, settings.valid_share, epochs, training.max_epochs)
    learned = sequences.positive if late is None else sequences.positive & ~late
    if not learned.any():
        return TrainingResult(epochs_found=0)
    seen = histories if late is None else histories.take(~late)
    sampler = NegativeSampler(np.bincount(sequences.item[learned], minlength=n_songs), settings.negative_power, settings.uniform_share)
    held = None if late is None else HeldOut.of(sequences, late, n_songs, settings.valid_users, seed)
    return train(
        model,
        lambda epoch: batches(seen, sampler, epoch),
        lambda batch: loss(batch, sampler.log_q),
        seed=seed,
        settings=training,
        epochs=epochs,
        validate=None if held is None else lambda: held.recall(search(seen, held.users)),
        progress=progress,
    )
