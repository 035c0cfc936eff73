"""Logistic regression over the declared schema: the baseline that every other ranker has to beat."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import expit

from etl.errors import UserError
from ranking.auc import log_loss
from ranking.examples import examples_at_now
from ranking.facets import FacetVocabulary, song_facets
from ranking.features import Features, FeatureSchema
from ranking.places import with_places
from ranking.ranker import Examples
from recall.snapshot import Snapshot

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LogisticSettings:
    """How the baseline is fitted."""

    l2: tuple[float, ...] = (1.0, 10.0, 100.0)
    """Strengths tried, as half the squared norm's factor beside the *summed* cross-entropy; validation picks one."""
    max_iterations: int = 200


class _Design(NamedTuple):
    """The design matrix in its parts, since one-hot columns need no matrix: numbers, codes and songs' facets."""

    numeric: Floats
    """`[n, n_numeric]`"""
    codes: sp.csr_matrix
    """`[n, n_codes]`: 1 at the code of each coded column."""
    item: npt.NDArray[np.int32]
    """`[n]` row of `facets`."""
    facets: sp.csr_matrix
    """`[n_songs, n_facets]`: each song's own id and facets."""

    @property
    def width(self) -> int:
        """Number of weights: intercept, numbers, codes, facets."""
        return int(1 + self.numeric.shape[1] + self.codes.shape[1] + self.facets.shape[1])

    def logits(self, weights: Floats) -> Floats:
        """`[n]` X w."""
        intercept, numeric, codes, facets = self._split(weights)
        of_song = self.facets @ facets
        result: Floats = intercept + self.numeric @ numeric + self.codes @ codes + of_song[self.item]
        return result

    def gradient(self, residual: Floats) -> Floats:
        """`[width]` Xᵀ r."""
        of_song = np.bincount(self.item, weights=residual, minlength=self.facets.shape[0])
        return np.concatenate(([residual.sum()], self.numeric.T @ residual, self.codes.T @ residual, self.facets.T @ of_song))

    def _split(self, weights: Floats) -> tuple[float, Floats, Floats, Floats]:
        numeric, codes, facets = np.split(weights[1:], np.cumsum((self.numeric.shape[1], self.codes.shape[1])))
        return float(weights[0]), numeric, codes, facets


class Logistic:
    """Logit = w · [1, numbers, one-hot profile and context, the song's id and facets], fitted by L-BFGS with an L2 penalty."""

    name: ClassVar[str] = "logistic"

    def __init__(self, settings: LogisticSettings | None = None, seed: int = 0) -> None:
        """`seed` draws the examples that are learned from without their place."""
        self.settings = settings or LogisticSettings()
        self.seed = seed
        self.l2_found = 0.0
        self._schema: FeatureSchema
        self._vocabulary: FacetVocabulary
        self._weights: Floats
        self._snapshot: Snapshot
        self._features: Features
        self._facets: sp.csr_matrix

    def fit(self, snapshot: Snapshot, train: Examples, valid: Examples) -> None:
        """Learn from `train` with the penalty that is best on `valid`; then observe `snapshot`.

        Raises:
            UserError: there are no examples of both kinds to learn from.
        """
        positives = int(train.label.sum())
        if positives == 0 or positives == len(train):
            raise UserError(
                f"ranking: {len(train)} training examples with {positives} positives, both kinds are needed: "
                "add exposures with clicks or plays, or widen [evaluate] valid_share"
            )
        self._schema, self._features = FeatureSchema.fit(snapshot, train)
        self._vocabulary = FacetVocabulary.of(snapshot.projection, np.unique(train.item))
        self._snapshot, self._facets = snapshot, song_facets(snapshot.projection, self._vocabulary)
        learn, held_out = self._design(with_places(snapshot, train, self.seed)), self._design(valid)
        weights = np.zeros(learn.width)
        losses, found = [], []
        for l2 in sorted(self.settings.l2, reverse=True):  # from the strongest on, each from the last one's weights
            weights = _fitted(learn, train.label, l2, weights, self.settings.max_iterations)
            found.append(weights)
            losses.append(log_loss(valid.label, held_out.logits(weights)))
        best = int(np.nanargmin(losses)) if len(valid) else 0
        self._weights, self.l2_found = found[best], sorted(self.settings.l2, reverse=True)[best]

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's events and facts as what is known now; learned parameters stay."""
        self._snapshot, self._features = snapshot, Features(self._schema, snapshot)
        self._facets = song_facets(snapshot.projection, self._vocabulary)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> npt.NDArray[np.float32]:
        """Logit of each pair `[n]` at the snapshot's `now`, in the given scene."""
        return self.score_examples(examples_at_now(self._snapshot, users, items, scene=scene))

    def score_examples(self, examples: Examples) -> npt.NDArray[np.float32]:
        """Logit of each example `[n]` as of its own moment; positions refer to the observed snapshot's events."""
        return self._design(examples).logits(self._weights).astype(np.float32)

    @property
    def n_parameters(self) -> int:
        """Weights, the intercept among them."""
        return len(self._weights)

    def save(self, folder: Path) -> None:
        """Write weights, schema, vocabulary and settings into `folder`."""
        self._schema.save(folder / "schema.json")
        pl.DataFrame({"key": self._vocabulary.keys}).write_parquet(folder / "vocabulary.parquet")
        (folder / "logistic.json").write_text(json.dumps(asdict(self.settings) | {"l2_found": self.l2_found}), encoding="utf-8")
        np.save(folder / "weights.npy", self._weights)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The ranker saved in `folder`, having observed `snapshot`."""
        head = json.loads((folder / "logistic.json").read_text(encoding="utf-8"))
        ranker = cls(LogisticSettings(tuple(head["l2"]), head["max_iterations"]))
        ranker.l2_found = head["l2_found"]
        ranker._schema = FeatureSchema.load(folder / "schema.json")
        ranker._vocabulary = FacetVocabulary(pl.read_parquet(folder / "vocabulary.parquet")["key"])
        ranker._weights = np.load(folder / "weights.npy")
        ranker.observe(snapshot)
        return ranker

    def _design(self, examples: Examples) -> _Design:
        sizes = np.array(self._schema.code_sizes)
        codes = self._features.codes(examples) + np.cumsum(sizes) - sizes
        ends = np.arange(0, codes.size + 1, len(sizes))
        one_hot = sp.csr_matrix((np.ones(codes.size), codes.ravel(), ends), shape=(len(examples), int(sizes.sum())))
        return _Design(self._features.numeric(examples).astype(np.float64), one_hot, examples.item, self._facets)


def _fitted(design: _Design, label: npt.NDArray[np.float32], l2: float, start: Floats, max_iterations: int) -> Floats:
    """Weights `[width]` that minimise the mean over examples of cross-entropy + l2/2 |w|²; the intercept is not penalised."""
    n = len(label)
    penalised = np.ones(design.width)
    penalised[0] = 0.0

    def objective(weights: Floats) -> tuple[float, Floats]:
        logits = design.logits(weights)
        loss = np.sum(np.logaddexp(0.0, logits) - label * logits) + l2 / 2 * np.sum(penalised * weights**2)
        return loss / n, (design.gradient(expit(logits) - label) + l2 * penalised * weights) / n

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": max_iterations, "ftol": 1e-7})
    weights: Floats = found.x
    return weights
