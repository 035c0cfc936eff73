"""Logistic regression with heavy feature crosses, learned by FTRL-Proximal: the talk's first ranker, over the declared schema."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.errors import UserError
from ranking.auc import log_loss
from ranking.crossed_columns import CrossedColumns, crossed_terms
from ranking.deep_ranker import check_examples
from ranking.examples import examples_at_now
from ranking.features import Features, FeatureSchema
from ranking.ftrl import Contributions, Ftrl, FtrlSettings
from ranking.ftrl_calibration import Calibration
from ranking.ftrl_state import TouchedSlots
from ranking.places import with_places
from ranking.ranker import Examples
from recall.snapshot import Snapshot

CHUNK = 16_384
"""Examples whose columns are made at a time: bounds memory."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FtrlRankerSettings:
    """How the model with crosses learns.

    Raises:
        UserError: a number is out of bounds.
    """

    alpha: tuple[float, ...] = (0.03, 0.01, 0.1)
    """Learning rates tried with each strength; validation picks one. Small data and many passes want a small one."""
    beta: float = 1.0
    l1: tuple[float, ...] = (1.0, 4.0)
    """Strengths tried; validation picks one."""
    l2: float = 1.0
    bits: int = 22
    """The table has 2^bits weights of 8 bytes."""
    crosses: bool = True
    """Without them it is plain logistic regression, learned online."""
    max_passes: int = 8
    """Over the examples in their order; validation stops earlier."""

    def __post_init__(self) -> None:
        if self.max_passes < 1 or not self.l1 or not self.alpha:
            raise UserError(f"max_passes = {self.max_passes}, alpha = {self.alpha}, l1 = {self.l1}: give at least one of each")

    @property
    def tried(self) -> tuple[FtrlSettings, ...]:
        """Settings of the learner with each rate and strength."""
        return tuple(FtrlSettings(alpha, self.beta, l1, self.l2) for alpha, l1 in product(self.alpha, self.l1))


class _Columns(NamedTuple):
    """Examples with what is computed once for them."""

    examples: Examples
    numeric: Floats
    coded: npt.NDArray[np.int32]


class _Found(NamedTuple):
    loss: float
    settings: FtrlSettings
    passes: int
    slots: TouchedSlots


class FtrlRanker:
    """Logit = calibrated w · x over hashed fields and crosses; goes on learning from `learn` as events come in."""

    name: ClassVar[str] = "ftrl"

    def __init__(self, settings: FtrlRankerSettings | None = None, seed: int = 0) -> None:
        self.settings = settings or FtrlRankerSettings()
        self.seed = seed
        self.passes_found = 0
        self.epochs_run = 0
        self.calibration = Calibration()
        self.model: Ftrl
        self._schema: FeatureSchema
        self._snapshot: Snapshot
        self._columns: CrossedColumns

    def fit(self, snapshot: Snapshot, train: Examples, valid: Examples, *, passes: int | None = None) -> None:
        """Learn from `train` in its order, with the rate, strength and number of passes that are best on `valid`; then observe `snapshot`.

        Args:
            snapshot: holds the events of both.
            train: examples to learn from, in time order.
            valid: examples that choose and calibrate.
            passes: how many to make with the first rate and strength, where nothing is to be chosen.

        Raises:
            UserError: there are no examples of both kinds to learn from, or none to choose on.
        """
        check_examples(train, valid, passes)
        self.epochs_run = 0
        self._schema, features = FeatureSchema.fit(snapshot, train)
        self._snapshot, self._columns = snapshot, CrossedColumns(features, snapshot)
        learn = self._computed(features, with_places(snapshot, train, self.seed))
        held_out = self._computed(features, valid)
        tried = self.settings.tried if passes is None else self.settings.tried[:1]
        found = min((self._best(learn, held_out, settings, passes) for settings in tried), key=lambda one: one.loss)
        self.passes_found = found.passes
        self.model = self._new_model(found.settings)
        self.model.table = found.slots.table(len(self.model.table))
        if len(valid):
            self.calibration = Calibration.fit(valid.label, self._raw(held_out))

    def learn(self, examples: Examples) -> Floats:
        """Learn from more examples of the observed snapshot, in their order; the logit of each as it was before it was learned."""
        logits = self._learned(self.model, self._computed(self._columns.features, with_places(self._snapshot, examples, self.seed)))
        return self.calibration.apply(logits)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's events and facts as what is known now; learned parameters stay."""
        self._snapshot, self._columns = snapshot, CrossedColumns(Features(self._schema, snapshot), snapshot)

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> Floats:
        """Logit of each pair `[n]` at the snapshot's `now`, in the given scene."""
        return self.score_examples(examples_at_now(self._snapshot, users, items, scene=scene))

    def score_examples(self, examples: Examples) -> Floats:
        """Logit of each example `[n]` as of its own moment; positions refer to the observed snapshot's events."""
        parts = [self.model.logits(*self._columns.of(examples.take(part))) for part in _parts(len(examples))]
        return self.calibration.apply(np.concatenate(parts)) if parts else np.zeros(0, np.float32)

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> Contributions:
        """What each field and cross adds to the logit of each pair, before calibration."""
        return self.model.explain(*self._columns.of(examples_at_now(self._snapshot, users, items, scene=scene)))

    @property
    def n_parameters(self) -> int:
        """Weights that are not 0."""
        return self.model.n_weights

    def save(self, folder: Path) -> None:
        """Write schema, settings and the touched weights into `folder`."""
        self._schema.save(folder / "schema.json")
        self.model.save(folder)
        head = {"settings": asdict(self.settings), "seed": self.seed, "passes_found": self.passes_found}
        (folder / "ranker.json").write_text(json.dumps(head | {"calibration": asdict(self.calibration)}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The ranker saved in `folder`, having observed `snapshot`."""
        head = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
        plain = head["settings"]
        tried = {name: tuple(plain[name]) for name in ("alpha", "l1")}
        ranker = cls(FtrlRankerSettings(**(plain | tried)), head["seed"])
        ranker.passes_found = head["passes_found"]
        ranker.calibration = Calibration(**head["calibration"])
        ranker._schema = FeatureSchema.load(folder / "schema.json")
        ranker.model = Ftrl.load(folder)
        ranker.observe(snapshot)
        return ranker

    def _best(self, learn: _Columns, held_out: _Columns, settings: FtrlSettings, passes: int | None) -> _Found:
        """The state after the pass that is best on validation (or after `passes`), with one rate and strength."""
        model = self._new_model(settings)
        best = _Found(np.inf, settings, 0, TouchedSlots.of(model.table))
        for done in range(1, (passes or self.settings.max_passes) + 1):
            self._learned(model, learn)
            self.epochs_run += 1
            if passes is not None:
                best = _Found(0.0, settings, done, TouchedSlots.of(model.table)) if done == passes else best
                continue
            loss = log_loss(held_out.examples.label, self._raw(held_out, model))
            if loss >= best.loss:
                break
            best = _Found(loss, settings, done, TouchedSlots.of(model.table))
        return best

    def _new_model(self, settings: FtrlSettings) -> Ftrl:
        return Ftrl(crossed_terms(self._schema, self.settings.bits, crosses=self.settings.crosses), settings)

    def _computed(self, features: Features, examples: Examples) -> _Columns:
        return _Columns(examples, features.numeric(examples), features.codes(examples))

    def _learned(self, model: Ftrl, columns: _Columns) -> Floats:
        logits = np.empty(len(columns.examples), np.float32)
        for part in _parts(len(logits)):
            codes, values = self._part(columns, part)
            logits[part] = model.learn(codes, columns.examples.label[part], values)
        return logits

    def _raw(self, columns: _Columns, model: Ftrl | None = None) -> Floats:
        """Logits `[n]` before calibration."""
        logits = np.empty(len(columns.examples), np.float32)
        for part in _parts(len(logits)):
            logits[part] = (model or self.model).logits(*self._part(columns, part))
        return logits

    def _part(self, columns: _Columns, part: slice) -> tuple[npt.NDArray[np.int64], Floats]:
        return self._columns.of(columns.examples.take(part), columns.numeric[part], columns.coded[part])


def _parts(n: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]
