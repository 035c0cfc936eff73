"""Batches of the sequence network: windows of like length together, so that hardly a place is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from embeddings.training import generator
from recall.interest_sequences import Ints, Sequences, Windows, token_rows, training_windows
from recall.sequence_losses import LossName
from recall.stopped_training import StoppedSettings

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class SequenceExamples(StoppedSettings):
    """Which examples a user gives, and against what."""

    loss: Literal["auto"] | LossName = "auto"
    """`full_softmax`, `sampled_softmax` or `gbce`; `auto` is the full softmax up to `full_softmax_songs` songs, and sampled beyond."""
    full_softmax_songs: int = 10_000
    n_negatives: int = 512
    """Negatives that a batch shares."""
    calibration: float = 0.75
    """gBCE's t: from plain BCE at 0 to calibrated probabilities at 1."""
    max_examples_per_user: int = 2000
    """Latest tokens of a user that are examples of an epoch."""
    batch_tokens: int = 4096
    """Places of a batch, padding included."""
    start_span: int = 10
    """The table of items begins at vectors of what stands at most so many places apart (`recall/cooccurrence.py`); 0 begins at random."""
    averaging: float = 0.998
    """Decay of the running mean of the weights, a step; 0 keeps the weights themselves."""
    precision: Precision = "auto"
    """Type of the products while training; `auto` is bfloat16 where the processor has tiles for it (AMX), else float32."""


def dtype_of(precision: Precision) -> torch.dtype:
    """The type that a precision stands for on this processor."""
    tiles = precision == "auto" and torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if tiles or precision == "bfloat16" else torch.float32


@dataclass(frozen=True)
class Batch:
    """B windows of at most T tokens."""

    tokens: Tensor
    """`[B, T - 1]` items of all tokens but the last, padded at the end."""
    target: Tensor
    """`[n]` item of each real token that may be a target."""
    place: Tensor
    """`[n]` its place in the flat `[B * T]`: the vector there has seen what came before it."""


class Batches:
    """Batches of one epoch: windows sorted by length, so that a batch holds some of like length, in random order."""

    def __init__(self, sequences: Sequences, examples: SequenceExamples, length: int, seed: int, epoch: int) -> None:
        self.sequences = sequences
        rng = generator(seed, epoch)
        windows = training_windows(sequences, length + 1, max(1, examples.max_examples_per_user // (length + 1)), rng)
        tokens = windows.end - windows.start
        windows = windows.take(np.lexsort((rng.random(len(windows)), -tokens)))
        self.parts = length_cuts(windows.end - windows.start, examples.batch_tokens)
        rng.shuffle(self.parts)
        self.windows = windows

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[Batch]:
        for start, end in self.parts:
            yield batch(self.sequences, self.windows.take(np.arange(start, end)))


def length_cuts(tokens: Ints, batch_tokens: int) -> list[tuple[int, int]]:
    """Where to cut windows sorted by falling length `[n]`, so that a batch padded to its longest has at most `batch_tokens` places."""
    cuts, start = [], 0
    while start < len(tokens):
        end = min(len(tokens), start + max(1, batch_tokens // int(tokens[start])))
        cuts.append((start, end))
        start = end
    return cuts


def batch(sequences: Sequences, windows: Windows) -> Batch:
    """The windows (none empty) as a batch."""
    rows, real = token_rows(windows, int((windows.end - windows.start).max()))
    item = sequences.item[rows]
    place = np.flatnonzero(real & sequences.positive[rows])
    columns = (item[:, :-1], item.ravel()[place], place)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(column)) for column in columns))
