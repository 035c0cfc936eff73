"""Deep rankers without any feature but songs: what a benchmark needs to give a peer the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np
import numpy.typing as npt

from ranking import deep_ranker
from ranking.features import Features, FeatureSchema
from ranking.ranker import Examples
from recall.snapshot import Snapshot


class NoSchema(FeatureSchema):
    """No columns."""

    @classmethod
    def fit(cls, snapshot: Snapshot, examples: Examples) -> tuple[Self, Features]:
        """Nothing is learned."""
        nothing = cls(**{name: 0 if name == "n_scenes" else () for name in cls.__dataclass_fields__})
        return nothing, NoFeatures(nothing, snapshot)

    @property
    def numeric_names(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """None."""
        return ()


class NoFeatures(Features):
    """Arrays without columns."""

    def __init__(self, schema: FeatureSchema, snapshot: Snapshot) -> None:
        self.schema = schema

    def numeric(self, examples: Examples, *, fill: bool = True) -> npt.NDArray[np.float32]:
        """No column: `[n, 0]`."""
        return np.empty((len(examples), 0), np.float32)

    def codes(self, examples: Examples) -> npt.NDArray[np.int32]:
        """No column: `[n, 0]`."""
        return np.empty((len(examples), 0), np.int32)


@contextmanager
def in_place() -> Iterator[None]:
    """Inside the block deep rankers are fitted and observe without features."""
    before = deep_ranker.FeatureSchema, deep_ranker.Features
    deep_ranker.FeatureSchema, deep_ranker.Features = NoSchema, NoFeatures  # type: ignore[misc]
    try:
        yield
    finally:
        deep_ranker.FeatureSchema, deep_ranker.Features = before  # type: ignore[misc]
