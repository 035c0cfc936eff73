"""The protocol of a ranker, and the examples it learns from."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from recall.snapshot import Snapshot


@dataclass(frozen=True)
class Examples:
    """Labelled pairs of user and song, arrays of `[n]`, each to be scored as of its own moment."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    label: npt.NDArray[np.float32]
    """1 positive, 0 negative."""
    position: npt.NDArray[np.int64]
    """How many of the snapshot's events come before the example: it may see `events[:position]` and nothing later."""
    ts: npt.NDArray[np.int64]
    """Moment of the example, Unix seconds."""
    scene: npt.NDArray[np.int16]
    """Scene of the example; -1 unknown."""
    place: npt.NDArray[np.int32] = field(kw_only=True, default=None)  # type: ignore[arg-type]
    """Place from 0 in the list that it was shown in; -1 unknown, as whenever something is scored. Default: all unknown."""

    def __post_init__(self) -> None:
        if self.place is None:
            object.__setattr__(self, "place", np.full(len(self.user), -1, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Examples:
        """Examples at `rows` (mask, indices or slice), in that order."""
        return Examples(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})


class Ranker(Protocol):
    """Orders candidates: higher score first. Scores are logits of the probability of a positive."""

    name: ClassVar[str]

    def fit(self, snapshot: Snapshot, train: Examples, valid: Examples) -> None:
        """Learn from `train`, stop early on `valid`; then observe `snapshot`."""
        ...

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's events and facts as what is known now; learned parameters stay."""
        ...

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> npt.NDArray[np.float32]:
        """Logit of each pair `[n]` at the snapshot's `now`, in the given scene. Pairs come grouped by user."""
        ...

    def score_examples(self, examples: Examples) -> npt.NDArray[np.float32]:
        """Logit of each example `[n]` as of its own moment; positions refer to the observed snapshot's events."""
        ...

    def save(self, folder: Path) -> None:
        """Write learned parameters and settings into `folder` (exists, empty)."""
        ...

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The ranker saved in `folder`, having observed `snapshot`."""
        ...
