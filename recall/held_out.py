"""The metric that stops the training of a route: recall on a time-later slice that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from embeddings.training import generator
from recall.interest_sequences import Ints, Sequences
from recall.vector_index import Found, IndexSettings

VALIDATION_K = 100
EXACT: Final = IndexSettings(exact_below=np.iinfo(np.int64).max)
"""Of the index that validation searches: it judges the model and not its lists, and vectors of one epoch are not worth clustering."""
USERS_STREAM = 1_000_003
"""Stream of the seed that draws the validation users; epochs have the small numbers."""

Search = Callable[[tuple[Ints, Ints] | None], Found]
"""The `VALIDATION_K` best songs of every validation user (`row` is the place among `HeldOut.users`), without the pairs given."""


@dataclass(frozen=True)
class HeldOut:
    """What users did in the slice: recall@100, mean of all songs and of songs new to the user."""

    n_songs: int
    users: Ints
    """`[n_users]` validation users, ascending."""
    relevant: Ints
    """Sorted pairs `place in users * n_songs + song` of the slice's positives."""
    known: Ints
    """The same of what the users had in their sequences before."""

    @classmethod
    def of(cls, sequences: Sequences, late: npt.NDArray[np.bool_], n_songs: int, max_users: int, seed: int) -> Self:
        """Validation on the tokens `late` `[n_tokens]`; at most `max_users` users, drawn by seed."""
        owner, rows = sequences.user, np.flatnonzero(late & sequences.positive)
        users = np.sort(generator(seed, USERS_STREAM).permutation(np.unique(owner[rows]))[:max_users])

        def pairs(rows: Ints) -> Ints:
            place = np.minimum(np.searchsorted(users, owner[rows]), len(users) - 1)
            mine = users[place] == owner[rows]
            return np.unique(place[mine] * n_songs + sequences.item[rows[mine]])

        return cls(n_songs, users, pairs(rows), pairs(np.flatnonzero(~late)))

    def recall(self, search: Search) -> float:
        """Mean of recall@100 over all songs and over songs that the user had not met; the first alone where nobody met a new one."""
        new = self.new
        with_known = self._recall(search(None), self.relevant)
        if not len(new):
            return with_known
        return (with_known + self._recall(search(self.known_pairs), new)) / 2

    @property
    def new(self) -> Ints:
        """Of `relevant` the pairs that are not `known`."""
        return self.relevant[~np.isin(self.relevant, self.known)]

    @property
    def known_pairs(self) -> tuple[Ints, Ints]:
        """Places of users and songs of `known`, as a search leaves them out."""
        return self.known // self.n_songs, self.known % self.n_songs

    def hit_rate(self, row: Ints, item: Ints, relevant: Ints, k: int = VALIDATION_K) -> npt.NDArray[np.float64]:
        """Hits over min(k, relevant) of each user `[n_users]`, NaN where none is relevant; lists of at most `k` are pairs (place, song)."""
        n = len(self.users)
        hit = np.isin(row.astype(np.int64) * self.n_songs + item, relevant)
        wanted = np.bincount(relevant // self.n_songs, minlength=n)
        hits = np.bincount(row[hit], minlength=n)
        rate: npt.NDArray[np.float64] = np.divide(hits, np.minimum(k, wanted), out=np.full(n, np.nan), where=wanted > 0)
        return rate

    def _recall(self, found: Found, relevant: Ints) -> float:
        per_user = self.hit_rate(found.row.astype(np.int64), found.item.astype(np.int64), relevant)
        return float(per_user[~np.isnan(per_user)].mean())
