"""Training of the capsules: histories and what came next to batches, batches to loss, and the metric that stops it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from embeddings.song_encoder import EncodedSongs, SongEncoder
from embeddings.training import ProgressCallback, TrainingResult, TrainingSettings, generator
from recall.capsule_network import CapsuleNetwork, label_aware_attention, routing_penalty
from recall.held_out import EXACT, VALIDATION_K, Search
from recall.interest_sequences import Ints, Sequences, Windows, last_windows, token_rows, training_windows
from recall.interest_vectors import InterestVectors, search
from recall.sampled_softmax import NegativeSampler, sampled_softmax_loss
from recall.stopped_training import StoppedSettings, fit_stopped
from recall.vector_index import VectorIndex

WINDOW = 50
"""Consecutive tokens that are targets of one batch together: their histories overlap, so that few songs are encoded for many examples."""


@dataclass(frozen=True)
class CapsuleExamples(StoppedSettings):
    """Which examples a user gives, and against what."""

    max_examples_per_user: int = 400
    """Latest positives of a user that are targets of an epoch."""
    horizon: int = 5
    """Tokens after a history that are its targets: what comes soon, and not only what comes next."""
    repeat_weight: float = 0.1
    """Weight of a target that the user has heard before, beside 1 for a new one."""
    history_dropout: float = 0.1
    """Share of histories that are withheld, so that the profile alone serves a user who is new."""
    batch_windows: int = 24
    """Windows of 50 targets in a batch."""
    n_negatives: int = 1024
    hard_negatives: float = 0.0
    """REMI's beta: a negative weighs in proportion to exp(beta * score); 0 weighs all the same."""
    routing_penalty: float = 0.0
    """REMI's lambda: weight of the routing regulariser."""


class CapsuleModel(EncodedSongs):
    """The shared song encoder and the capsule network."""

    def __init__(self, encoder: SongEncoder, network: CapsuleNetwork, temperature: float) -> None:
        super().__init__(encoder)
        self.network, self.temperature = network, temperature


@dataclass(frozen=True)
class Batch:
    """Songs by place in `songs`; B histories of T tokens with M targets each."""

    songs: Tensor
    """`[n]` distinct songs of the batch."""
    tokens: Tensor
    """`[B, T]` place of each token of the history."""
    count: Tensor
    """`[B]` tokens of each history."""
    profile: Tensor
    """`[B, n_columns]`"""
    target: Tensor
    """`[B, M]` place of each target."""
    weight: Tensor
    """`[B, M]` of the example: 0 beyond the window's end and where the target is no positive."""
    negatives: Tensor
    """`[n_negatives]` places."""


class Batches:
    """Batches of one epoch."""

    def __init__(
        self, sequences: Sequences, profile: Ints, sampler: NegativeSampler, settings: CapsuleExamples, length: int, seed: int, epoch: int
    ) -> None:
        self.sequences, self.profile, self.sampler, self.settings, self.length = sequences, profile, sampler, settings, length
        self.rng = generator(seed, epoch)
        self.weight = (sequences.positive * np.where(sequences.repeat, settings.repeat_weight, 1.0)).astype(np.float32)
        windows = training_windows(sequences, WINDOW, max(1, settings.max_examples_per_user // WINDOW), self.rng)
        self.windows = windows.take(self.rng.permutation(len(windows)))

    def __len__(self) -> int:
        return -(-len(self.windows) // self.settings.batch_windows)

    def __iter__(self) -> Iterator[Batch]:
        size = self.settings.batch_windows
        for start in range(0, len(self.windows), size):
            yield self._batch(self.windows.take(np.arange(start, min(start + size, len(self.windows)))))

    def _batch(self, windows: Windows) -> Batch:
        sequences, horizon = self.sequences, self.settings.horizon
        ahead = _steps(windows, horizon)
        first = np.maximum(sequences.offsets[ahead.user], ahead.start - self.length)
        withheld = self.rng.random(len(ahead)) < self.settings.history_dropout
        rows, _ = token_rows(Windows(ahead.user, first, ahead.start), self.length)
        target, real = token_rows(ahead, horizon)
        negatives = self.sampler.sample(self.settings.n_negatives, self.rng)
        parts = (sequences.item[rows], sequences.item[target], negatives)
        songs, place = np.unique(np.concatenate([part.ravel() for part in parts]), return_inverse=True)
        tokens, targets, drawn = np.split(place, np.cumsum([part.size for part in parts])[:-1])
        columns = (
            songs,
            tokens.reshape(rows.shape),
            np.where(withheld, 0, ahead.start - first),
            self.profile[ahead.user],
            targets.reshape(target.shape),
            self.weight[target] * real,
            drawn,
        )
        return Batch(*(torch.from_numpy(np.ascontiguousarray(column)) for column in columns))


def _steps(windows: Windows, horizon: int) -> Windows:
    """Each window cut into steps of `horizon` tokens: what comes before a step is the history of its tokens."""
    count = -(-(windows.end - windows.start) // horizon)
    window = np.repeat(np.arange(len(windows)), count)
    place = np.arange(len(window)) - np.repeat(np.cumsum(count) - count, count)
    start = windows.start[window] + place * horizon
    return Windows(windows.user[window], start, np.minimum(start + horizon, windows.end[window]))


def harder(negative: Tensor, beta: float) -> Tensor:
    """Logits `[n, n_negatives]` of negatives that weigh in proportion to exp(beta * logit), mean weight 1 (REMI).

    The weights stand for another distribution of the negatives, so no gradient passes through them.
    """
    tilt = beta * negative.detach()
    mean: Tensor = tilt.logsumexp(dim=1, keepdim=True) - float(np.log(max(negative.shape[1], 1)))
    return negative + tilt - mean


def batch_loss(model: CapsuleModel, batch: Batch, log_q: Tensor, settings: CapsuleExamples) -> Tensor:
    """Log-Q-corrected sampled softmax over the batch's examples and the routing regulariser, a scalar."""
    vectors = model.songs(batch.songs)
    interests = model.network(vectors[batch.tokens], batch.count, batch.profile)
    fits = vectors[batch.target] @ interests.vectors.transpose(1, 2) / model.temperature
    attention = label_aware_attention(fits, interests.active, model.network.shape.power)
    counts = batch.weight > 0
    users = (attention @ interests.vectors)[counts] / model.temperature
    target = batch.target[counts]
    negative = users @ vectors[batch.negatives].T
    loss = sampled_softmax_loss(
        (users * vectors[target]).sum(-1),
        harder(negative, settings.hard_negatives) if settings.hard_negatives else negative,
        batch.songs[target],
        batch.songs[batch.negatives],
        log_q,
        batch.weight[counts],
    )
    if settings.routing_penalty:
        real = torch.arange(batch.tokens.shape[1]) < batch.count[:, None]
        loss = loss + settings.routing_penalty * routing_penalty(interests.weights, real, interests.active)
    return loss


def fit_capsules(
    model: CapsuleModel,
    sequences: Sequences,
    profile: Ints,
    *,
    ordinal: bool,
    examples: CapsuleExamples,
    training: TrainingSettings,
    epochs: int | None,
    seed: int,
    progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Train in place: on everything for `epochs`, or before a time-later slice until recall on the slice stops growing."""
    return fit_stopped(
        model,
        sequences,
        sequences,
        model.encoder.n_songs,
        ordinal=ordinal,
        settings=examples,
        training=training,
        epochs=epochs,
        seed=seed,
        batches=lambda seen, sampler, epoch: Batches(seen, profile, sampler, examples, model.network.shape.length, seed, epoch),
        loss=lambda batch, log_q: batch_loss(model, batch, log_q, examples),
        search=lambda seen, users: _search(model, seen, profile, users),
        progress=progress,
    )


def _search(model: CapsuleModel, sequences: Sequences, profile: Ints, users: Ints) -> Search:
    table = model.table()
    index, interests = VectorIndex(table.numpy(), settings=EXACT), capsules_of(model, table, sequences, profile, users)
    return lambda exclude: search(index, interests, VALIDATION_K, exclude)


@torch.no_grad()
def capsules_of(model: CapsuleModel, table: Tensor, sequences: Sequences, profile: Ints, users: Ints) -> InterestVectors:
    """Active capsules of users as their sequences stand; without history one, from the profile alone.

    Args:
        model: in evaluation mode.
        table: item vectors of all songs, `[n_songs, dim]`.
        sequences: histories.
        profile: codes `[n_users, n_columns]`.
        users: `[n]`
    """
    shape = model.network.shape
    vectors, sizes = [np.zeros((0, shape.dim), np.float32)], [np.zeros(0, np.int64)]
    for start in range(0, len(users), 512):
        part = users[start : start + 512]
        songs, count = history_songs(sequences, part, shape.length)
        found = model.network(table[torch.from_numpy(songs)], torch.from_numpy(count), torch.from_numpy(profile[part]))
        vectors.append(found.vectors[found.active].numpy())
        sizes.append(found.active.sum(dim=1).numpy())
    return InterestVectors.of_sizes(np.concatenate(sizes), np.concatenate(vectors))


def history_songs(sequences: Sequences, users: Ints, length: int) -> tuple[Ints, Ints]:
    """Songs `[n, length]` of the latest tokens of `users` in time order, padded at the end, and how many are real `[n]`."""
    windows = last_windows(sequences, users, length)
    rows, real = token_rows(windows, length)
    songs: npt.NDArray[np.int64] = np.where(real, sequences.item[rows] if len(sequences) else 0, 0)
    return songs, windows.end - windows.start
