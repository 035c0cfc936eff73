"""The cascade at one moment: routes → candidates → merge → ranker → ordered lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kg_recall.showable import Showable
from ranking.ranker import Ranker
from recall.candidate_table import CandidateTable, collect
from recall.merge import LearnedMerge
from recall.route import RecallRoute
from recall.snapshot import Snapshot


@dataclass(frozen=True)
class CascadeSettings:
    """Widths of the cascade."""

    route_k: int = 300
    """Songs that each route may list for a user."""
    new_k: int = 300
    """Songs new to the user that each route may list besides."""
    rank_k: int = 300
    """Best merged candidates that the ranker orders; the others follow in merged order."""
    one_of_each_work: bool = True
    """A list holds one version of a work (single, album track, live take): the best placed. Others come only where all else is used up."""
    quotas: dict[str, int] = field(default_factory=dict)
    """Songs that a route may list, and as many new ones, in place of `route_k` and `new_k`: `ease = 100`."""
    learn_users: int = 20_000
    """Users of the window, drawn by seed, from whose candidates merge and rankers learn: bounds time and memory of training."""
    users_per_chunk: int = 512
    """Users that pass the cascade at once: bounds memory."""


@dataclass(frozen=True)
class RankedLists:
    """Ordered lists as columns, grouped by user in the order asked for, best first. Arrays of `[n]`."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    rank: npt.NDArray[np.int32]
    """1 is best."""

    @classmethod
    def of(cls, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], score: npt.NDArray[np.float32]) -> RankedLists:
        """Lists from unordered rows that stand grouped by user: by falling score, ties by item id."""
        start = group_start(user)
        order = np.lexsort((item, -score, start))
        # Within its group every row moves; groups stay where they are, so `start` needs no reordering.
        rank = (np.arange(len(user)) - start + 1).astype(np.int32)
        return cls(user[order], item[order], score[order], rank)

    def take(self, rows: npt.NDArray[np.bool_]) -> RankedLists:
        """Lists without the other rows, ranks closed up."""
        user = self.user[rows]
        rank = (np.arange(len(user)) - group_start(user) + 1).astype(np.int32)
        return RankedLists(user, self.item[rows], self.score[rows], rank)


@dataclass
class Cascade:
    """Fitted routes, merge and ranker that stand at the moment of `snapshot`."""

    snapshot: Snapshot
    routes: dict[str, RecallRoute]
    settings: CascadeSettings
    merge: LearnedMerge | None = None
    ranker: Ranker | None = None
    blend: float = 0.0
    """Weight of the ranker's standardised logit beside the standardised merge score (found on validation)."""
    compared: tuple[Ranker, ...] = ()
    """Rankers that stand beside `ranker` in the report and order nothing."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """Routes that the data do not allow, each with the reason."""
    _showable: Showable | None = field(default=None, init=False, repr=False)

    def observe(self, snapshot: Snapshot) -> None:
        """Move every stage to the moment of another snapshot; nothing learned changes."""
        self.snapshot = snapshot
        for route in self.routes.values():
            route.observe(snapshot)
        for ranker in filter(None, (self.ranker, *self.compared)):
            ranker.observe(snapshot)

    def chunks(self, users: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.int32]]:
        """`users` in their order, at most `users_per_chunk` at a time."""
        size = self.settings.users_per_chunk
        for start in range(0, len(users), size):
            yield users[start : start + size]

    def candidates(self, users: npt.NDArray[np.int32]) -> CandidateTable:
        """All routes' candidates for `users`, without what may not be shown."""
        table = collect(self.routes, users, self.settings.route_k, self.settings.new_k, self.settings.quotas)
        return table.take(self.allowed(table.user, table.item))

    def allowed(self, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Pairs that may be shown: `[n]` false for refused songs, songs of refused artists and songs not yet released."""
        if self._showable is None or self._showable.snapshot is not self.snapshot:
            self._showable = Showable(self.snapshot)
        return self._showable.of(user, item)

    def later_versions(self, lists: RankedLists) -> npt.NDArray[np.bool_]:
        """Songs of a work of which the same list holds a better placed version, `[n]`; none where every song counts for itself."""
        if not self.settings.one_of_each_work:
            return np.zeros(len(lists.user), dtype=bool)
        work = self.snapshot.catalogue.works
        code = lists.user.astype(np.int64) * len(work) + work[lists.item]
        later = np.ones(len(code), dtype=bool)
        later[np.unique(code, return_index=True)[1]] = False
        return later

    def merged(self, table: CandidateTable) -> npt.NDArray[np.float32]:
        """Merge score of each candidate, `[n]`."""
        if self.merge is None:
            raise ValueError("the cascade has no merge yet")
        return self.merge.score(table, self.snapshot)

    def ranked(self, table: CandidateTable, merged: npt.NDArray[np.float32], scene: int = -1) -> npt.NDArray[np.float32]:
        """Final score of each candidate, `[n]`: the best `rank_k` of each user are re-ordered by merge and ranker together.

        A candidate beyond them keeps its merged order, below all of them.
        """
        merged = standardise(merged, table.user)
        if self.ranker is None or self.blend == 0.0:
            return merged
        top = self.top_rows(table, merged)
        logit = self.ranker.score(table.user[top], table.item[top], scene)
        score = merged.copy()
        score[top] = merged[top] + self.blend * standardise(logit, table.user[top])
        # Lift the re-ordered ones over the rest of their list, by what that list needs and no other.
        score[top] += _span(score, table.user)[top]
        return score

    def top_rows(self, table: CandidateTable, score: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """`[n]` true for the best `rank_k` candidates of each user."""
        start = group_start(table.user)
        order = np.lexsort((table.item, -score, start))
        top = np.zeros(len(table.user), dtype=bool)
        top[order] = np.arange(len(order)) - start < self.settings.rank_k
        return top


def group_start(user: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """`[n]` row at which the group of each row starts, for rows grouped by user."""
    if len(user) == 0:
        return np.zeros(0, dtype=np.int64)
    head = np.flatnonzero(np.concatenate([[True], user[1:] != user[:-1]]))
    return np.repeat(head, np.diff(np.append(head, len(user))))


def _span(values: npt.NDArray[np.float32], user: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """`[n]` one more than the distance of largest and smallest value within each user's group."""
    start = group_start(user)
    heads, group = np.unique(start, return_inverse=True)
    if len(values) == 0:
        return values
    return np.asarray((np.maximum.reduceat(values, heads) - np.minimum.reduceat(values, heads))[group] + 1, dtype=np.float32)


def standardise(values: npt.NDArray[np.float32], user: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Values `[n]` with mean 0 and deviation 1 within each user's group; a constant group becomes 0."""
    if len(values) == 0:
        return values
    start = group_start(user)
    heads, group = np.unique(start, return_inverse=True)
    size = np.diff(np.append(heads, len(values)))
    centred = values - (np.add.reduceat(values.astype(np.float64), heads) / size)[group]
    deviation = np.sqrt(np.add.reduceat(centred**2, heads) / size)[group]
    return np.asarray(centred / np.where(deviation > 0, deviation, 1), dtype=np.float32)
