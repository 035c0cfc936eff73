"""The union of the routes' candidates: each pair of user and song once, with what every route says about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from recall.candidates import Candidates
from recall.route import RecallRoute, RouteOfParts


@dataclass(frozen=True)
class CandidateTable:
    """Pairs ordered by user, then item, with one column per route."""

    routes: tuple[str, ...]
    user: npt.NDArray[np.int32]
    """`[n]`"""
    item: npt.NDArray[np.int32]
    """`[n]`"""
    score: npt.NDArray[np.float32]
    """`[n, n_routes]` the route's score of the pair, whether or not the route listed it; 0 where it has nothing to say."""
    rank: npt.NDArray[np.int32]
    """`[n, n_routes]` place in the route's own list from 1; 0 where the route did not list the pair."""
    parts: tuple[str, ...] = ()
    """Names of the parts that routes take their scores apart into."""
    part: npt.NDArray[np.float32] | None = None
    """`[n, n_parts]` what each part says of the pair; None where no route names any."""

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> CandidateTable:
        """The pairs at `rows` (mask, indices or slice)."""
        part = None if self.part is None else self.part[rows]
        return CandidateTable(self.routes, self.user[rows], self.item[rows], self.score[rows], self.rank[rows], self.parts, part)

    @classmethod
    def concat(cls, tables: Sequence[CandidateTable]) -> CandidateTable:
        """Tables of the same routes below each other; their users ascend from one table to the next."""
        user, item, score, rank = (np.concatenate([getattr(table, name) for table in tables]) for name in ("user", "item", "score", "rank"))
        parts = [table.part for table in tables if table.part is not None]
        return cls(tables[0].routes, user, item, score, rank, tables[0].parts, np.concatenate(parts) if parts else None)

    def contains(self, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """`[n]` true for the table's pairs that are among the given pairs: the labels of a later window."""
        given = np.unique(_pair(user, item))
        place = np.searchsorted(given, _pair(self.user, self.item))
        found = np.zeros(len(self), dtype=bool)
        inside = place < len(given)
        found[inside] = given[place[inside]] == _pair(self.user, self.item)[inside]
        return found

    def find(self, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
        """Row of each given pair, `[m]`; -1 where the table does not hold it."""
        own, wanted = _pair(self.user, self.item), _pair(user, item)
        place = np.searchsorted(own, wanted)
        inside = np.minimum(place, max(len(own) - 1, 0))
        held = own[inside] == wanted if len(own) else np.zeros(len(wanted), dtype=bool)
        return np.where(held, inside, -1)

    def rank_of(self, user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """Every route's rank of each given pair, `[m, n_routes]`; 0 where the table does not hold it."""
        return np.concatenate([self.rank, np.zeros((1, len(self.routes)), dtype=np.int32)])[self.find(user, item)]

    def with_pairs(self, routes: Mapping[str, RecallRoute], user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> CandidateTable:
        """The table and the given pairs: those that no route listed come with every route's score, and rank 0."""
        pairs = np.unique(_pair(user, item))
        pairs = pairs[~np.isin(pairs, _pair(self.user, self.item))]
        users, items = _unpair(pairs)
        score = np.column_stack([route.score(users, items) for route in routes.values()]).astype(np.float32)
        rank = np.zeros_like(score, dtype=np.int32)
        both = CandidateTable.concat([self, CandidateTable(self.routes, users, items, score, rank, *_parts(routes, users, items))])
        return both.take(np.argsort(_pair(both.user, both.item), kind="stable"))

    def best(self, score: npt.NDArray[np.floating], k: int) -> Candidates:
        """The `k` pairs of largest `score` `[n]` for each user, best first, ties by item id."""
        order = np.lexsort((self.item, -score, self.user))
        user = self.user[order]
        place = np.arange(len(order)) - np.searchsorted(user, user, side="left")
        rows = order[place < k]
        return Candidates(self.user[rows], self.item[rows], score[rows].astype(np.float32))


NO_QUOTAS: Final[Mapping[str, int]] = MappingProxyType({})


class _List(NamedTuple):
    """One route's list: pairs ascending, and the place of each."""

    pair: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int32]


def collect(
    routes: Mapping[str, RecallRoute],
    users: npt.NDArray[np.int32],
    k: int,
    new_k: int = 0,
    quotas: Mapping[str, int] = NO_QUOTAS,
) -> CandidateTable:
    """The union over `routes` of their `k` best songs and their `new_k` best songs new to the user, for each of `users`.

    A route's list is both together in the order of its scores, so that its `k` best come first. A route named in `quotas` lists so many
    in place of each (no new ones where `new_k` is 0). Work and memory grow with
    `len(users) * len(routes) * (k + new_k)`: give users in chunks.
    """
    users = np.unique(users).astype(np.int32)
    widths = {name: (quotas.get(name, k), quotas.get(name, new_k) if new_k else 0) for name in routes}
    lists = [_list(route, users, *widths[name]) for name, route in routes.items()]
    pairs = np.unique(np.concatenate([listed.pair for listed in lists])) if lists else np.empty(0, np.int64)
    user, item = _unpair(pairs)
    rank = np.zeros((len(pairs), len(lists)), dtype=np.int32)
    score = np.zeros((len(pairs), len(lists)), dtype=np.float32)
    for column, (listed, route) in enumerate(zip(lists, routes.values(), strict=True)):
        rank[np.searchsorted(pairs, listed.pair), column] = listed.rank
        score[:, column] = route.score(user, item)
    return CandidateTable(tuple(routes), user, item, score, rank, *_parts(routes, user, item))


def _parts(
    routes: Mapping[str, RecallRoute], user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]
) -> tuple[tuple[str, ...], npt.NDArray[np.float32] | None]:
    """Names and columns `[n, n_parts]` of the routes that take their score apart."""
    apart = {name: route for name, route in routes.items() if isinstance(route, RouteOfParts) and route.offers_parts}
    names = tuple(f"{name} {part}" for name, route in apart.items() for part in route.part_names)
    return names, np.column_stack([route.parts(user, item) for route in apart.values()]) if names else None


def _list(route: RecallRoute, users: npt.NDArray[np.int32], k: int, new_k: int) -> _List:
    found = [route.recall(users, k)] + ([route.recall(users, new_k, new_only=True)] if new_k else [])
    pair = np.concatenate([_pair(part.user, part.item) for part in found])
    score = np.concatenate([part.score for part in found])
    pair, first = np.unique(pair, return_index=True)
    order = np.lexsort((pair, -score[first], pair >> 32))
    user = (pair >> 32)[order]
    rank = np.empty(len(pair), dtype=np.int32)
    rank[order] = 1 + np.arange(len(pair)) - np.searchsorted(user, user, side="left")
    return _List(pair, rank)


def _pair(user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """One integer for user and item, in their order."""
    return (user.astype(np.int64) << 32) | item.astype(np.int64)


def _unpair(pairs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    return (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
