"""The training loop that recall and ranking share: seeded, stopped early on a validation metric, refitted for the epochs found."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class TrainingSettings:
    """How long to train and how carefully."""

    max_epochs: int = 20
    """Upper bound of epochs where validation decides."""
    patience: int = 2
    """Epochs without a better metric before training stops."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    """Of all parameters but sparse tables."""
    decay: float = 1.0
    """Learning rate of an epoch over that of the one before."""
    clip_norm: float = 5.0
    """Gradients are scaled down to this global norm (those of sparse tables are left out); 0 leaves them as they are."""
    threads: int | None = None
    """Threads of torch while training; None leaves its setting untouched."""


@dataclass(frozen=True)
class Progress:
    """One step of training, as told to a progress callback."""

    epoch: int
    """Epoch under way, from 1."""
    epochs: int
    """Epochs at most."""
    step: int
    """Steps done in this epoch."""
    steps: int
    """Steps of this epoch."""
    loss: float
    """Mean loss of the epoch so far."""
    metric: float | None = None
    """Validation metric, told once at the end of each epoch that was validated."""


ProgressCallback = Callable[[Progress], None]


@dataclass
class TrainingResult:
    """What training found."""

    epochs_found: int
    """Epochs after which the validation metric was best; without validation, the epochs trained."""
    losses: list[float] = field(default_factory=list)
    """Mean loss of each epoch."""
    metrics: list[float] = field(default_factory=list)
    """Validation metric after each epoch; empty without validation."""


def generator(seed: int, *stream: int) -> np.random.Generator:
    """An independent random stream of `seed`, e.g. one per epoch."""
    return np.random.default_rng((seed, *stream))


@contextmanager
def deterministic(seed: int, threads: int | None = None) -> Iterator[None]:
    """Torch seeded and restricted to deterministic algorithms inside the block; its state, mode and threads are restored after it."""
    state, mode, before = torch.get_rng_state(), torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        # Nothing here reads memory that it has not written; filling it first is a fifth of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        if threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_rng_state(state)
        torch.use_deterministic_algorithms(mode)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.set_num_threads(before)


def train(
    model: nn.Module,
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[Batch], Tensor],
    *,
    seed: int,
    settings: TrainingSettings | None = None,
    epochs: int | None = None,
    validate: Callable[[], float] | None = None,
    progress: ProgressCallback | None = None,
) -> TrainingResult:
    """Train `model` in place and leave it with its best parameters, in evaluation mode.

    Args:
        model: trained parameters are those that require gradients.
        batches: batches of an epoch (numbered from 0), anything that `loss` takes; a sized iterable gives progress its total.
        loss: mean loss of one batch, a scalar.
        seed: of torch's generator (dropout); shuffling is the affair of `batches`.
        settings: learning rate, patience and the like.
        epochs: train exactly that many (a refit); `validate` is then not asked.
        validate: metric on held-out examples, higher is better; called in evaluation mode after each epoch.
        progress: told of each step.

    Raises:
        ValueError: neither `epochs` nor `validate` is given, so nothing says when to stop.
    """
    if epochs is None and validate is None:
        raise ValueError("training needs either a number of epochs or a validation metric")
    settings = settings or TrainingSettings()
    optimizers = _optimizers(model, settings)
    limit = settings.max_epochs if epochs is None else epochs
    result = TrainingResult(epochs_found=0 if epochs is None else epochs)
    best: dict[str, object] | None = None
    with deterministic(seed, settings.threads):
        for epoch in range(limit):
            _set_learning_rate(optimizers, settings.learning_rate * settings.decay**epoch)
            told = _Teller(progress, epoch + 1, limit)
            result.losses.append(_run_epoch(model, batches(epoch), loss, optimizers, settings, told))
            if epochs is not None or validate is None:
                continue
            metric = _validate(model, validate)
            told.metric(result.losses[-1], metric)
            if not result.metrics or metric > max(result.metrics):
                result.epochs_found, best = epoch + 1, copy.deepcopy(model.state_dict())
            result.metrics.append(metric)
            if epoch + 1 - result.epochs_found >= settings.patience:
                break
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return result


@dataclass
class _Teller:
    """Turns the loop's steps into `Progress`."""

    callback: ProgressCallback | None
    epoch: int
    epochs: int
    step: int = 0
    steps: int = 0

    def loss(self, step: int, steps: int, loss: float) -> None:
        self.step, self.steps = step, steps
        if self.callback is not None:
            self.callback(Progress(self.epoch, self.epochs, step, steps, loss))

    def metric(self, loss: float, metric: float) -> None:
        if self.callback is not None:
            self.callback(Progress(self.epoch, self.epochs, self.step, self.steps, loss, metric))


def _sparse(model: nn.Module) -> list[Tensor]:
    """Tables of `nn.Embedding(sparse=True)`: a step costs what it touches of them, not their whole size."""
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding) and module.sparse]
    return [table for table in tables if table.requires_grad]


def _dense(model: nn.Module) -> list[Tensor]:
    sparse = {id(table) for table in _sparse(model)}
    return [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in sparse]


def _optimizers(model: nn.Module, settings: TrainingSettings) -> list[torch.optim.Optimizer]:
    """AdamW, and for sparse tables Adam on the rows of each step (Kingma and Ba's moments, kept per row as it is met)."""
    dense, sparse = _dense(model), _sparse(model)
    found: list[torch.optim.Optimizer] = []
    if dense:
        found.append(torch.optim.AdamW(dense, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True))
    if sparse:
        found.append(torch.optim.SparseAdam(sparse, lr=settings.learning_rate))
    return found


def _set_learning_rate(optimizers: list[torch.optim.Optimizer], rate: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate


def _run_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    optimizers: list[torch.optim.Optimizer],
    settings: TrainingSettings,
    told: _Teller,
) -> float:
    """One pass over the batches; mean loss."""
    model.train()
    steps = len(batches) if isinstance(batches, Sized) else 0
    total, done = 0.0, 0
    dense = _dense(model)
    for batch in batches:
        model.zero_grad(set_to_none=True)
        value = loss(batch)
        value.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm > 0:
            nn.utils.clip_grad_norm_(dense, settings.clip_norm, foreach=True)
        for optimizer in optimizers:
            optimizer.step()
        total, done = total + value.item(), done + 1
        told.loss(done, max(steps, done), total / done)
    return total / max(done, 1)


def _validate(model: nn.Module, validate: Callable[[], float]) -> float:
    model.eval()
    with torch.no_grad():
        return float(validate())
