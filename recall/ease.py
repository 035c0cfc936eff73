"""EASE^R: the linear item-item model with a closed form (Steck, WWW 2019).

`B = I - P diag(1 / diag(P))` with `P = (X'X + lambda I)^-1`: the ridge regression of every song on all others, its own weight held
at 0. A score is `x_u B`. Dense in the number of songs, so only catalogues up to a named size have this route.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.linalg import lapack
from scipy.sparse import csr_array

from etl.errors import UserError
from recall.candidates import Candidates, Paths
from recall.histories import half_life_decay, played_songs, user_song
from recall.snapshot import Snapshot
from recall.top_k import Ranked, candidates, csr, dense_argmax, dense_top_k

USERS_PER_BLOCK = 256


@dataclass(frozen=True)
class EaseSettings:
    """Size and regularisation."""

    max_songs: int = 20_000
    """Largest number of songs with positive events: memory is 8 bytes, time a few operations for its square and cube."""
    l2: float = 200.0
    """lambda, in users."""
    half_life_days: float = 30.0
    """A song of the history counts half after so many days (when recalling; learning sees plain 0 and 1)."""
    half_life_plays: float = 50.0
    """The same where time is ordinal, in later plays of the user."""


class EaseRoute:
    """Scores may be negative; only positive ones are recalled."""

    name: ClassVar[str] = "ease"

    def __init__(self, settings: EaseSettings = EaseSettings()) -> None:
        self.settings = settings
        self.weights: npt.NDArray[np.float32] = np.empty((0, 0), np.float32)
        """`[n_known, n_known]` B: row = song of the history, column = song recommended."""
        self.songs: npt.NDArray[np.int32] = np.empty(0, np.int32)
        """`[n_known]` song id of each row of B, ascending, in the observed catalogue."""

    def obstacle(self, snapshot: Snapshot) -> str | None:
        """Why the route cannot be fitted on this snapshot, in one line; None where it can."""
        n = len(np.unique(snapshot.positives.item))
        if n <= self.settings.max_songs:
            return None
        return (
            f"ease: {n:,} songs with positive events are more than the {self.settings.max_songs:,} of max_songs; "
            "leave the route out, or raise the limit where memory allows 8 bytes for each pair of songs"
        )

    def fit(self, snapshot: Snapshot) -> None:
        """Solve for B on all positive pairs, then observe.

        Raises:
            UserError: the catalogue is larger than `max_songs`.
        """
        if (why := self.obstacle(snapshot)) is not None:
            raise UserError(why)
        events = snapshot.positives
        self.songs = np.unique(events.item).astype(np.int32)
        pairs = user_song(snapshot, events, np.ones(len(events)))[:, self.songs]
        pairs.data[:] = 1
        self.weights = ease_weights(pairs, self.settings.l2)
        self._keys = snapshot.catalogue.song_keys[self.songs].tolist()
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the histories; songs that B does not know add nothing."""
        self._place(snapshot)
        half_life = self.settings.half_life_plays if snapshot.ordinal else self.settings.half_life_days
        events = snapshot.positives
        weight = half_life_decay(snapshot.age(events), half_life) * events.count
        self._history: csr_array = csr(user_song(snapshot, events, weight)[:, self.songs])
        self._played = csr(played_songs(snapshot)[:, self.songs])

    def recall(self, users: npt.NDArray[np.int32], k: int, *, new_only: bool = False) -> Candidates:
        """The `k` songs of largest positive `x_u B`."""
        exclude = self._played if new_only else None
        parts = [(start, dense_top_k(block, rows, k, exclude)) for start, rows, block in self._blocks(users)]
        row = np.concatenate([np.empty(0, np.int32), *(part.row + np.int32(start) for start, part in parts)])
        col = np.concatenate([np.empty(0, np.int32), *(part.col for _, part in parts)])
        score = np.concatenate([np.empty(0, np.float32), *(part.score for _, part in parts)])
        return candidates(users, Ranked(row, self.songs[col], score))

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """`x_u B` at each pair `[n]`; 0 for songs that B does not know."""
        column = self._column[items]
        score = np.zeros(len(users), dtype=np.float32)
        distinct, row = np.unique(users, return_inverse=True)
        order = np.argsort(row, kind="stable")
        for start, rows, block in self._blocks(distinct):
            low, high = np.searchsorted(row[order], (start, start + len(rows)))
            here = order[low:high]
            score[here] = np.where(column[here] >= 0, block[row[here] - start, column[here]], 0)
        return score

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The song of the history that adds most to the score."""
        best = dense_argmax(self._history, self.weights, users, self._column[items])
        evidence = np.where(best >= 0, self.songs[best] if len(self.songs) else -1, -1).astype(np.int32)
        return Paths.one_hop(evidence, items, "HEARD_WITH")

    def save(self, folder: Path) -> None:
        """Write B, the keys of its songs and the settings."""
        (folder / "settings.json").write_text(json.dumps(asdict(self.settings)))
        np.save(folder / "weights.npy", self.weights)
        pl.DataFrame({"key": self._keys}, schema={"key": pl.String}).write_parquet(folder / "songs.parquet")

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route saved in `folder`, having observed `snapshot`."""
        route = cls(EaseSettings(**json.loads((folder / "settings.json").read_text())))
        route.weights = np.asarray(np.load(folder / "weights.npy", mmap_mode="r"))
        route._keys = pl.read_parquet(folder / "songs.parquet")["key"].to_list()
        route.observe(snapshot)
        return route

    def _place(self, snapshot: Snapshot) -> None:
        """Find B's songs in the snapshot's catalogue; songs that have left it are dropped."""
        known = pl.DataFrame({"key": snapshot.catalogue.song_keys.tolist()}, schema={"key": pl.String}).with_row_index("song")
        at = pl.DataFrame({"key": self._keys}, schema={"key": pl.String}).join(known, on="key", how="left", maintain_order="left")["song"]
        kept = np.flatnonzero(at.is_not_null().to_numpy())
        songs = at.drop_nulls().to_numpy().astype(np.int32)
        order = np.argsort(songs)
        kept, self.songs = kept[order], songs[order]
        if not np.array_equal(kept, np.arange(len(self.weights))):
            self.weights = self.weights[np.ix_(kept, kept)]
            self._keys = [self._keys[row] for row in kept]
        self._column = np.full(snapshot.catalogue.n_songs, -1, dtype=np.int64)
        self._column[self.songs] = np.arange(len(self.songs))

    def _blocks(self, users: npt.NDArray[np.int32]) -> Iterator[tuple[int, npt.NDArray[np.int32], npt.NDArray[np.float32]]]:
        """Position of the first user, the users, and their scores `[n, n_known]`, a bounded number of users at a time."""
        for start in range(0, len(users), USERS_PER_BLOCK):
            rows = users[start : start + USERS_PER_BLOCK]
            yield start, rows, self._history[rows] @ self.weights


def ease_weights(pairs: csr_array, l2: float) -> npt.NDArray[np.float32]:
    """B of the 0/1 matrix `pairs` `[n_users, n_songs]` (Steck 2019, equation 8), by Cholesky in 32 bits."""
    gram = (pairs.T @ pairs).toarray(order="F").astype(np.float32, copy=False)
    gram[np.diag_indices_from(gram)] += l2
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise UserError(f"ease: the songs' co-occurrences are not positive definite with l2 = {l2}; give l2 a value above 0")
    lower, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(lower) + np.tril(lower, -1).T
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights, dtype=np.float32)
