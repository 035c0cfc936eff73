"""Training of the long-and-short models: batches to loss, and the metric that stops it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from embeddings.training import ProgressCallback, TrainingResult, TrainingSettings
from recall.attributes import Attributes, Ints
from recall.held_out import Search
from recall.sampled_softmax import sampled_softmax_loss
from recall.sdm_batches import Batch, Batches, LongExamples, SdmExamples, Targets
from recall.sittings import Sittings
from recall.stopped_training import fit_stopped


def space_loss(users: Tensor, targets: Targets, items: Callable[[Tensor], Tensor], temperature: float, log_q: Tensor) -> Tensor:
    """Log-Q-corrected sampled softmax of one space, a scalar.

    Args:
        users: `[b, n, dim]`, one for each target.
        targets: `[b, n]`.
        items: from songs `[m]` to vectors `[m, dim]`.
        temperature: inner products are divided by it.
        log_q: `[n_songs]` of the negatives' distribution.
    """
    counts = targets.weight > 0
    target, negatives = targets.song[counts], targets.negatives
    songs, place = torch.unique(torch.cat([target, negatives]), return_inverse=True)
    vectors = items(songs)
    chosen = users[counts] / temperature
    positive = (chosen * vectors[place[: len(target)]]).sum(-1)
    return sampled_softmax_loss(
        positive, chosen @ vectors[place[len(target) :]].T, target, negatives, log_q.to(positive.dtype), targets.weight[counts]
    )


def fit_sdm(
    model: nn.Module,
    sittings: Sittings,
    attributes: Attributes,
    profile: Ints,
    *,
    examples: SdmExamples,
    long: LongExamples | None,
    training: TrainingSettings,
    epochs: int | None,
    seed: int,
    loss: Callable[[Batch, Tensor], Tensor],
    search: Callable[[Sittings, Ints], Search],
    progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Train in place: on everything for `epochs`, or before a time-later slice until recall on the slice stops growing.

    Args:
        model: trained in place.
        sittings: histories.
        attributes: of the songs.
        profile: codes `[n_users, n_columns]`.
        examples: which examples a user gives.
        long: targets of the long space; None where there is none.
        training: how long and how carefully.
        epochs: exactly so many, without a slice.
        seed: of examples and dropout.
        loss: of a batch, given `log_q` `[n_songs]` of the negatives.
        search: from histories and users `[n]` to the search of what the model finds for them.
        progress: told of every step.
    """
    return fit_stopped(
        model,
        sittings,
        sittings.sequences,
        attributes.n_songs,
        ordinal=sittings.ordinal,
        settings=examples,
        training=training,
        epochs=epochs,
        seed=seed,
        batches=lambda seen, sampler, epoch: Batches(seen, attributes, profile, sampler, examples, long, seed, epoch),
        loss=loss,
        search=search,
        progress=progress,
    )
