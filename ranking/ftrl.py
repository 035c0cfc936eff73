"""Logistic regression learned online by FTRL-Proximal, per coordinate, over hashed fields and crosses (McMahan et al., KDD 2013).

With g_i = (p − y) x_i and σ_i = (√(n_i + g_i²) − √n_i) / α each example makes z_i += g_i − σ_i w_i and n_i += g_i²; a weight is not
stored but follows from them: w_i = 0 if |z_i| ≤ λ1, else −(z_i − sgn(z_i) λ1) / ((β + √n_i) / α + λ2). A feature is no larger than its
evidence: λ1 keeps weights at 0 until they have met enough of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.errors import UserError
from ranking.ftrl_kernel import Rates, count_weights, learn_codes, predict_codes, steps_of, weights_of
from ranking.ftrl_state import TouchedSlots
from ranking.hashing import HashedTerms

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FtrlSettings:
    """How the model learns.

    Raises:
        UserError: a number is out of bounds.
    """

    alpha: float = 0.1
    """Learning rate: a weight's first steps are about α / β."""
    beta: float = 1.0
    """Keeps the first steps of a rare feature from being long."""
    l1: float = 1.0
    """λ1: a weight is 0 until |z| passes it."""
    l2: float = 1.0
    """λ2: draws weights towards 0."""

    def __post_init__(self) -> None:
        for name, least in (("alpha", 1e-12), ("beta", 0.0), ("l1", 0.0), ("l2", 0.0)):
            if not least <= getattr(self, name) < float("inf"):
                raise UserError(f"ftrl: {name} = {getattr(self, name)}: give a {'positive' if least else 'non-negative'} number")

    @property
    def rates(self) -> Rates:
        """The same for kernels."""
        return Rates(np.float32(self.alpha), np.float32(self.beta), np.float32(self.l1), np.float32(self.l2))


class Contributions(NamedTuple):
    """What makes up each logit: its row sums to it."""

    names: tuple[str, ...]
    """`[n_terms]` fields and crosses."""
    weight: Floats
    """`[n, n_terms]` weight of each example's term."""
    logit: Floats
    """`[n, n_terms]` weight × value."""


class Ftrl:
    """A table of `2^bits` weights that learns from examples in the order given, and goes on learning whenever more come."""

    def __init__(self, terms: HashedTerms, settings: FtrlSettings | None = None, table: Floats | None = None) -> None:
        """A model that knows nothing, or what `table [2^bits, 2]` (z and n of each slot) knows."""
        self.terms, self.settings = terms, settings or FtrlSettings()
        self.table: Floats = np.zeros((1 << terms.bits, 2), dtype=np.float32) if table is None else table

    def learn(
        self,
        codes: npt.NDArray[np.integer],
        labels: npt.NDArray[np.generic],
        values: Floats | None = None,
        weights: npt.NDArray[np.generic] | None = None,
    ) -> Floats:
        """Learn from examples `[n]` in their order; the logit of each as it was before it was learned (progressive validation).

        Args:
            codes: `[n, n_columns]` integers; negative is absent.
            labels: `[n]` in 0 … 1.
            values: `[n, n_columns]`; a cross has the product of its fields' values. Default: 1.
            weights: `[n]` how much each example counts, as 1 / r for one of negatives of which a share r was kept. Default: 1.

        Raises:
            UserError: a column's shape or range is wrong.
        """
        plain_codes, plain_values = self.terms.checked(codes, values)
        plain_labels, plain_weights = checked_labels(len(codes), labels, weights)
        logits = np.empty(len(codes), dtype=np.float32)
        learn_codes(self.table, plain_codes, plain_values, *self.terms.layout, plain_labels, plain_weights, self.settings.rates, logits)
        return logits

    def logits(self, codes: npt.NDArray[np.integer], values: Floats | None = None) -> Floats:
        """Logit of each example `[n]`."""
        plain_codes, plain_values = self.terms.checked(codes, values)
        logits = np.empty(len(codes), dtype=np.float32)
        predict_codes(self.table, plain_codes, plain_values, *self.terms.layout, self.settings.rates, logits)
        return logits

    def explain(self, codes: npt.NDArray[np.integer], values: Floats | None = None) -> Contributions:
        """The part of each term in each logit."""
        slots, factors = self.terms.slots(codes, values)
        weight = np.empty(slots.size, dtype=np.float32)
        weights_of(self.table[slots.ravel()], self.settings.rates, weight)
        known = np.where(factors != 0, weight.reshape(slots.shape), np.float32(0.0))
        return Contributions(self.terms.names, known, known * factors)

    def uncertainty(self, codes: npt.NDArray[np.integer], values: Floats | None = None) -> Floats:
        """How far one more example could move each logit `[n]`: Σ α / (β + √n_i) |x_i| (section 5.2 of the paper)."""
        slots, factors = self.terms.slots(codes, values)
        steps = np.empty(slots.size, dtype=np.float32)
        steps_of(self.table[slots.ravel()], self.settings.rates, steps)
        result: Floats = (steps.reshape(slots.shape) * np.abs(factors)).sum(axis=1)
        return result

    @property
    def n_weights(self) -> int:
        """How many weights are not 0."""
        return int(count_weights(self.table, self.settings.rates.l1))

    @property
    def n_touched(self) -> int:
        """How many slots any example has met."""
        return int(np.count_nonzero(self.table[:, 1]))

    def save(self, folder: Path) -> None:
        """Write terms, settings and the touched slots into `folder` (exists)."""
        TouchedSlots.of(self.table).save(folder)
        head = {"terms": asdict(self.terms), "settings": asdict(self.settings)}
        (folder / "ftrl.json").write_text(json.dumps(head, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that `save` wrote; it goes on learning as if it had never stopped."""
        head = json.loads((folder / "ftrl.json").read_text(encoding="utf-8"))
        crosses = tuple(tuple(cross) for cross in head["terms"]["crosses"])
        terms = HashedTerms(tuple(head["terms"]["columns"]), crosses, head["terms"]["bits"])
        return cls(terms, FtrlSettings(**head["settings"]), TouchedSlots.load(folder).table(1 << terms.bits))


def checked_labels(n: int, labels: npt.NDArray[np.generic], weights: npt.NDArray[np.generic] | None) -> tuple[Floats, Floats]:
    """Labels and weights `[n]` as kernels want them; no weights are an empty column.

    Raises:
        UserError: a length or a range is wrong.
    """
    plain = np.ascontiguousarray(labels, dtype=np.float32)
    if plain.shape != (n,) or not ((plain >= 0) & (plain <= 1)).all():
        raise UserError(f"ftrl: labels of shape {plain.shape} for {n} examples: give one in 0 … 1 for each")
    if weights is None:
        return plain, np.empty(0, dtype=np.float32)
    factor = np.ascontiguousarray(weights, dtype=np.float32)
    if factor.shape != (n,) or not ((factor >= 0) & np.isfinite(factor)).all():
        raise UserError(f"ftrl: weights of shape {factor.shape} for {n} examples: give one of at least 0 for each")
    return plain, factor
