"""Progressive validation (Blum et al., COLT 1999): each example is predicted before it is learned, so every prediction is a test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from ranking.auc import auc, log_loss


class Progress(NamedTuple):
    """How well each window of examples was foreseen, columns `[n_windows]` in the order of learning."""

    n: npt.NDArray[np.int64]
    log_loss: npt.NDArray[np.float64]
    auc: npt.NDArray[np.float64]
    """NaN in a window of one class."""
    rate: npt.NDArray[np.float64]
    """Share of positives."""
    predicted: npt.NDArray[np.float64]
    """Mean of the predicted probabilities."""


def progressive(labels: npt.NDArray[np.floating], logits: npt.NDArray[np.floating], window: int) -> Progress:
    """Windows of `window` examples each, the last one shorter; `logits [n]` as `learn` returns them."""
    parts = [slice(start, start + window) for start in range(0, len(labels), window)]
    return Progress(
        np.array([len(labels[part]) for part in parts], dtype=np.int64),
        np.array([log_loss(labels[part], logits[part]) for part in parts]),
        np.array([auc(labels[part], logits[part]) for part in parts]),
        np.array([float(np.mean(labels[part])) for part in parts]),
        np.array([float(np.mean(expit(logits[part].astype(np.float64)))) for part in parts]),
    )
