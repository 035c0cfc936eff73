"""Training of the interest model: windows to batches, batches to loss, and the metric that stops it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from embeddings.training import ProgressCallback, TrainingResult, TrainingSettings, generator
from recall.held_out import EXACT, VALIDATION_K, Search
from recall.interest_sequences import Ints, Sequences, Windows, last_windows, token_rows, training_windows
from recall.interest_tower import InterestModel
from recall.sampled_softmax import NegativeSampler, sampled_softmax_loss
from recall.sequence_losses import LossName, full_softmax_loss, gbce_loss
from recall.stopped_training import StoppedSettings, fit_stopped
from recall.vector_index import VectorIndex


@dataclass(frozen=True)
class ExampleSettings(StoppedSettings):
    """Which examples a user gives, and against what."""

    max_examples_per_user: int = 400
    """Latest positives of a user that are targets of an epoch (Covington et al.: a fixed number of examples per user)."""
    horizon: int = 5
    """A target is drawn from the next so many tokens: what comes soon, and not only what comes next."""
    repeat_weight: float = 0.1
    """Weight of a target that the user has heard before, beside 1 for a new one: repeats are easily told, and have a route of their own."""
    batch_windows: int = 24
    """Windows of a batch; each gives up to `length + 1` examples."""
    loss: LossName = "sampled_softmax"
    """Against drawn negatives (`sampled_softmax`, `gbce`), or against all songs (`full_softmax`, where the catalogue allows)."""
    gbce_t: float = 0.75
    """Calibration of gBCE, whose negatives are drawn uniformly."""
    n_negatives: int = 1024


@dataclass(frozen=True)
class Batch:
    """Songs by place in `songs`; B windows of T examples."""

    songs: Tensor
    """`[n]` distinct songs of the batch."""
    tokens: Tensor
    """`[B, T - 1]` place of each token of the history."""
    behaviour: Tensor
    """`[B, T - 1]`"""
    profile: Tensor
    """`[B, n_columns]`"""
    age: Tensor
    """`[B, T]` of the targets."""
    target: Tensor
    """`[B, T]` place of each target."""
    weight: Tensor
    """`[B, T]` of the example: 0 beyond the window's end and where the target is no positive."""
    negatives: Tensor
    """`[n_negatives]` places."""
    searched: Tensor
    """`[B, T - 1]` tokens that came from a search."""


class Batches:
    """Batches of one epoch."""

    def __init__(
        self, sequences: Sequences, profile: Ints, sampler: NegativeSampler, settings: ExampleSettings, length: int, seed: int, epoch: int
    ) -> None:
        self.sequences, self.profile, self.sampler, self.settings, self.length = sequences, profile, sampler, settings, length
        self.rng = generator(seed, epoch)
        self.weight = (sequences.positive * np.where(sequences.repeat, settings.repeat_weight, 1.0)).astype(np.float32)
        max_windows = max(1, settings.max_examples_per_user // (length + 1))
        windows = training_windows(sequences, length + 1, max_windows, self.rng)
        self.windows = windows.take(self.rng.permutation(len(windows)))

    def __len__(self) -> int:
        return -(-len(self.windows) // self.settings.batch_windows)

    def __iter__(self) -> Iterator[Batch]:
        size = self.settings.batch_windows
        for start in range(0, len(self.windows), size):
            yield self._batch(self.windows.take(np.arange(start, min(start + size, len(self.windows)))))

    def _batch(self, windows: Windows) -> Batch:
        sequences = self.sequences
        rows, real = token_rows(windows, self.length + 1)
        # The target of place t, which has seen tokens before t, is token t or one of the few after it: strictly later than its history.
        ahead = self.rng.integers(0, self.settings.horizon, rows.shape)
        target = np.where(real, np.minimum(rows + ahead, sequences.offsets[windows.user + 1][:, None] - 1), 0)
        negatives = self.sampler.sample(self.settings.n_negatives, self.rng)
        parts = (sequences.item[rows[:, :-1]], sequences.item[target], negatives)
        songs, place = np.unique(np.concatenate([part.ravel() for part in parts]), return_inverse=True)
        tokens, targets, drawn = np.split(place, np.cumsum([part.size for part in parts])[:-1])
        columns = (
            songs,
            tokens.reshape(parts[0].shape),
            sequences.behaviour[rows[:, :-1]],
            self.profile[windows.user],
            sequences.age[target],
            targets.reshape(rows.shape),
            self.weight[target] * real,
            drawn,
            sequences.searched[rows[:, :-1]],
        )
        return Batch(*(torch.from_numpy(np.ascontiguousarray(column)) for column in columns))


def batch_loss(model: InterestModel, batch: Batch, log_q: Tensor, settings: ExampleSettings) -> Tensor:
    """Loss of the batch's examples by the name in the settings, a scalar."""
    vectors = model.songs(batch.songs)
    counts = batch.weight > 0
    users = model.tower(vectors[batch.tokens], batch.behaviour, batch.profile, batch.age, batch.searched)[counts]
    target, negatives = batch.target[counts], batch.negatives
    users, weight = users / model.temperature, batch.weight[counts]
    if settings.loss == "full_softmax":
        return full_softmax_loss(users, model.songs(torch.arange(model.encoder.n_songs)), batch.songs[target], weight)
    positive, negative = (users * vectors[target]).sum(-1), users @ vectors[negatives].T
    target, negatives = batch.songs[target], batch.songs[negatives]
    if settings.loss == "gbce":
        return gbce_loss(positive, negative, target, negatives, model.encoder.n_songs, settings.gbce_t, weight)
    return sampled_softmax_loss(positive, negative, target, negatives, log_q, weight)


def fit_interest(
    model: InterestModel,
    sequences: Sequences,
    profile: Ints,
    *,
    ordinal: bool,
    examples: ExampleSettings,
    training: TrainingSettings,
    epochs: int | None,
    seed: int,
    progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Train in place: on everything for `epochs`, or before a time-later slice until recall on the slice stops growing."""
    settings = replace(examples, uniform_share=1.0) if examples.loss == "gbce" else examples
    return fit_stopped(
        model,
        sequences,
        sequences,
        model.encoder.n_songs,
        ordinal=ordinal,
        settings=settings,
        training=training,
        epochs=epochs,
        seed=seed,
        batches=lambda seen, sampler, epoch: Batches(seen, profile, sampler, examples, model.tower.shape.length, seed, epoch),
        loss=lambda batch, log_q: batch_loss(model, batch, log_q, examples),
        search=lambda seen, users: _search(model, seen, profile, users),
        progress=progress,
    )


def _search(model: InterestModel, sequences: Sequences, profile: Ints, users: Ints) -> Search:
    table = model.table()
    index, vectors = VectorIndex(table.numpy(), settings=EXACT), user_vectors(model, table, sequences, profile, users)
    return lambda exclude: index.search(vectors, VALIDATION_K, exclude)


@torch.no_grad()
def user_vectors(model: InterestModel, table: Tensor, sequences: Sequences, profile: Ints, users: Ints) -> npt.NDArray[np.float32]:
    """Vectors `[n, dim]` of users as their sequences stand, at example age 0; without history, from the profile alone.

    Args:
        model: in evaluation mode.
        table: item vectors of all songs, `[n_songs, dim]`.
        sequences: histories.
        profile: codes `[n_users, n_columns]`.
        users: `[n]`
    """
    length = model.tower.shape.length
    parts = []
    for start in range(0, len(users), 512):
        windows = last_windows(sequences, users[start : start + 512], length)
        rows, real = token_rows(windows, length)
        columns = (sequences.item, sequences.behaviour, sequences.searched)
        songs, behaviour, searched = (torch.from_numpy(np.where(real, column[rows] if len(sequences) else 0, 0)) for column in columns)
        out = model.tower(table[songs], behaviour, torch.from_numpy(profile[windows.user]), searched=searched.bool())
        parts.append(out[torch.arange(len(out)), torch.from_numpy(windows.end - windows.start)].numpy())
    return np.concatenate(parts) if parts else np.zeros((0, model.tower.shape.dim), np.float32)
