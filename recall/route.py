"""The protocol of a recall route."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from recall.candidates import Candidates, Paths
from recall.snapshot import Snapshot


class RecallRoute(Protocol):
    """One way to find songs for a user. `fit` learns; `observe` only looks.

    A route that only counts (popularity, repeat, CF, graph) does its counting in `observe`, so that its counts run up to the
    moment of the request; a route with learned parameters keeps them through `observe` and only takes the new histories.
    """

    name: ClassVar[str]

    def fit(self, snapshot: Snapshot) -> None:
        """Learn parameters from the snapshot, then observe it."""
        ...

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's events and facts as what is known now; learned parameters stay."""
        ...

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """At most `k` songs for each of `users`, grouped in the order given. `new_only` leaves out songs that the user has played."""
        ...

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """The route's score of each pair `[n]`, the same number that `recall` gives; 0 where the route has nothing to say.

        Pairs come grouped by user (all pairs of a user stand together).
        """
        ...

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The evidence of each pair `[n]`: how the route gets from the user's history to the item; length 0 where it cannot say."""
        ...

    def save(self, folder: Path) -> None:
        """Write learned parameters and settings into `folder` (exists, empty)."""
        ...

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        ...


@runtime_checkable
class TrainedRoute(RecallRoute, Protocol):
    """A route whose training stops by itself; its constructor takes `epochs` to train exactly so long on everything."""

    epochs_found: int
    """Epochs that `fit` took."""


@runtime_checkable
class SettlingRoute(RecallRoute, Protocol):
    """A route that finds some of its settings on a slice held back; a refit on everything is given them."""

    @property
    def settled(self) -> Any:
        """The route's settings with what `fit` found in the place of what was left open."""
        ...


@runtime_checkable
class RouteOfParts(RecallRoute, Protocol):
    """A route whose score is a sum of parts that the merge may weigh anew."""

    @property
    def offers_parts(self) -> bool:
        """Whether the merge is to be given them: they are columns of every table of candidates."""
        ...

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts; the same at every moment of a projection."""
        ...

    def parts(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Parts of each pair's score, `[n, n_parts]`; pairs come grouped by user."""
        ...
