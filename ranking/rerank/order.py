"""Lists in the order that constraints and soft aims give them: a permutation of the rows that come in, so nothing enters a list here."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled
from ranking.rerank.exploration import draw
from ranking.rerank.greedy import Pool, choose
from ranking.rerank.rules import IN_TAIL, PLAYED, UNSURE, Rules
from ranking.rerank.settings import Constraints
from ranking.rerank.songs import Songs

SPARE_FACTOR: Final = 3
"""Candidates of a kind that join the pool for each place, so that caps leave some of them."""


class Lists(NamedTuple):
    """Candidates of listeners, columns `[n]`, grouped by listener and best first."""

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    played: npt.NDArray[np.bool_]
    """Whether the listener has played the song."""
    last: npt.NDArray[np.bool_]
    """Songs that are to come after all others (other versions of a listed work)."""

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """`[n_lists + 1]` start of each listener's rows."""
        heads = np.flatnonzero(np.concatenate([[True], self.user[1:] != self.user[:-1]])) if len(self.user) else np.empty(0, np.int64)
        return np.append(heads, len(self.user)).astype(np.int64)

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Lists:
        """The rows at `rows` (mask, or indices that keep listeners together)."""
        return Lists(self.user[rows], self.item[rows], self.score[rows], self.played[rows], self.last[rows])


class Draw(NamedTuple):
    """What a draw of songs depends on besides the listener."""

    seed: int
    now: int


def reordered(
    lists: Lists, tastes: npt.NDArray[np.float64], songs: Songs, constraints: Constraints, drawn_by: Draw
) -> npt.NDArray[np.intp]:
    """Rows of `lists` in their new order, `[n]`: grouped as they were, first the chosen places, then the others as they stood.

    Args:
        lists: the candidates.
        tastes: `[n_lists, n_styles]` each listener's shares of styles.
        songs: what is known of the songs.
        constraints: what the places keep.
        drawn_by: seed and moment of the songs that are drawn.
    """
    first = lists.first
    owner = np.repeat(np.arange(len(first) - 1), np.diff(first))
    kinds = np.column_stack([songs.is_unsure[lists.item], lists.played, songs.is_tail[lists.item]])
    drawn = draw(drawn_by.seed, drawn_by.now, lists.user, lists.item) if constraints.explore else np.zeros(len(lists.user))
    rows = np.flatnonzero(_in_pool(lists, first, owner, kinds, drawn, constraints))
    sizes = np.bincount(owner[rows], minlength=len(first) - 1)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    gain = _standardised(lists.score[rows].astype(np.float64), starts, constraints.pool)
    pool = Pool(starts, lists.item[rows], gain, kinds[rows], drawn[rows])
    chosen = rows[choose(pool, tastes, songs, Rules.of(constraints))]
    return _chosen_first(owner, chosen)


def falling(score: npt.NDArray[np.float32], first: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Scores `[n]` of lists in their new order, lowered where needed so that they fall strictly within each list.

    A song keeps its score unless one of lower score stands before it: the score stays what the list is ordered by.
    """
    return np.asarray(_falling(score, first))


def _in_pool(
    lists: Lists,
    first: npt.NDArray[np.int64],
    owner: npt.NDArray[np.intp],
    kinds: npt.NDArray[np.bool_],
    drawn: npt.NDArray[np.float64],
    constraints: Constraints,
) -> npt.NDArray[np.bool_]:
    """`[n]` the best of each list, and the best (of little known songs: the first drawn) of each kind that is asked for."""
    open_row, none = ~lists.last, np.zeros(len(lists.user))
    in_pool = _first_of(open_row, none, first, owner, constraints.pool)
    spare = SPARE_FACTOR * constraints.places
    # A share at most wants songs that are not of the kind.
    wanted = (
        (constraints.explore > 0, kinds[:, UNSURE], drawn),
        (constraints.repeats_at_least > 0, kinds[:, PLAYED], none),
        (constraints.repeats_at_most < 1, ~kinds[:, PLAYED], none),
        (constraints.tail_share > 0, kinds[:, IN_TAIL], none),
    )
    for is_wanted, of_kind, key in wanted:
        if is_wanted:
            in_pool |= _first_of(open_row & of_kind, key, first, owner, spare)
    return in_pool


def _first_of(
    rows: npt.NDArray[np.bool_], key: npt.NDArray[np.float64], first: npt.NDArray[np.int64], owner: npt.NDArray[np.intp], k: int
) -> npt.NDArray[np.bool_]:
    """`[n]` of the given rows the `k` of smallest key in each list, equals in their order."""
    given = np.flatnonzero(rows)
    order = given[np.lexsort((given, key[given], owner[given]))]
    starts = np.searchsorted(owner[order], np.arange(len(first) - 1))
    place = np.arange(len(order)) - starts[owner[order]]
    found = np.zeros(len(rows), dtype=bool)
    found[order[place < k]] = True
    return found


def _chosen_first(owner: npt.NDArray[np.intp], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Rows `[n]` of each list: the chosen in their order, then the others in theirs."""
    key = np.arange(len(owner), dtype=np.int64)
    key[chosen] = np.arange(len(chosen)) - len(owner)
    return np.lexsort((key, owner))


@compiled
def _standardised(score: Any, first: Any, depth: int) -> Any:
    """Scores with deviation 1 and mean 0 over the best `depth` of each list; a list of equal scores becomes 0."""
    out = np.empty(len(score))
    for one in range(len(first) - 1):
        start, end = first[one], first[one + 1]
        n = min(end - start, depth)
        total, squares = 0.0, 0.0
        for row in range(start, start + n):
            total += score[row]
        mean = total / max(n, 1)
        for row in range(start, start + n):
            squares += (score[row] - mean) ** 2
        deviation = np.sqrt(squares / max(n, 1))
        for row in range(start, end):
            out[row] = (score[row] - mean) / (deviation if deviation > 0 else 1.0)
    return out


@compiled
def _falling(score: Any, first: Any) -> Any:
    out = score.copy()
    for one in range(len(first) - 1):
        for row in range(first[one] + 1, first[one + 1]):
            if out[row] >= out[row - 1]:
                out[row] = np.nextafter(out[row - 1], np.float32(-np.inf))
    return out
