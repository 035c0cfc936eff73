"""Calibration of logits by two numbers (Platt 1999; the correction layer of McMahan et al., KDD 2013, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Floats = npt.NDArray[np.floating]

_STEPS: Final = 50
_HALVINGS: Final = 30


@dataclass(frozen=True)
class Calibration:
    """logit → slope · logit + offset: keeps the order of the scores (the slope is positive) and makes their mean and spread right."""

    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(cls, labels: Floats, logits: Floats, ridge: float = 1.0) -> Self:
        """The pair of least cross-entropy on predictions made before they were learned, by Newton's method.

        `ridge` holds the pair at (1, 0) with the strength of that many examples, so that a few examples or a single class change little.
        """
        label: npt.NDArray[np.float64] = labels.astype(np.float64)
        logit: npt.NDArray[np.float64] = logits.astype(np.float64)
        at: npt.NDArray[np.float64] = np.array([1.0, 0.0])
        for _ in range(_STEPS):
            p = expit(at[0] * logit + at[1])
            spread = p * (1.0 - p)
            residual = p - label
            gradient = np.array([residual @ logit, residual.sum()], dtype=np.float64) + ridge * (at - (1.0, 0.0))
            cross = spread @ logit
            hessian = np.array([[spread @ logit**2, cross], [cross, spread.sum()]]) + ridge * np.eye(2)
            step = np.linalg.solve(hessian, gradient).astype(np.float64)
            at = _descended(at, step, label, logit, ridge)
            if np.abs(step).max() < 1e-9:
                break
        return cls(float(max(at[0], 1e-3)), float(at[1]))

    def apply(self, logits: Floats) -> npt.NDArray[np.float32]:
        """Calibrated logits `[n]`."""
        return (self.slope * logits + self.offset).astype(np.float32)


def _descended(
    at: npt.NDArray[np.float64], step: npt.NDArray[np.float64], label: npt.NDArray[np.float64], logit: npt.NDArray[np.float64], ridge: float
) -> npt.NDArray[np.float64]:
    """The step taken, halved until the loss falls."""

    def loss(pair: npt.NDArray[np.float64]) -> float:
        moved = pair[0] * logit + pair[1]
        return float(np.sum(np.logaddexp(0.0, moved) - label * moved) + ridge / 2 * np.sum((pair - (1.0, 0.0)) ** 2))

    before = loss(at)
    for _ in range(_HALVINGS):
        if loss(at - step) <= before:
            return at - step
        step = step / 2
    return at


def calibration_error(labels: Floats, logits: Floats, bins: int = 20) -> float:
    """Mean |share of positives − mean prediction| over `bins` equally filled groups by prediction, in probability; NaN without examples."""
    if not len(labels):
        return float("nan")
    order = np.argsort(logits, kind="stable")
    groups = np.array_split(order, min(bins, len(order)))
    p = expit(logits.astype(np.float64))
    gaps = [abs(float(labels[group].mean()) - float(p[group].mean())) * len(group) for group in groups]
    return float(sum(gaps) / len(labels))
