"""What lists keep of what they were asked to keep: a number and a verdict for each list and constraint."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled
from ranking.ranges import packed
from ranking.rerank.calibration import divergence
from ranking.rerank.order import Draw, Lists, reordered
from ranking.rerank.settings import Constraints
from ranking.rerank.shares import EDGE
from ranking.rerank.songs import Groups, Songs

Values = npt.NDArray[np.float64]


class Kept(NamedTuple):
    """One constraint on all lists."""

    name: str
    target: float
    is_most: bool
    """Whether the target is a limit from above."""
    value: Values
    """`[n_lists]` what each list has: a share, or a number of songs."""

    @property
    def holds(self) -> npt.NDArray[np.bool_]:
        """`[n_lists]` lists that keep it."""
        return np.asarray(self.value <= self.target + EDGE if self.is_most else self.value >= self.target - EDGE)


def kept(lists: Lists, songs: Songs, constraints: Constraints) -> tuple[Kept, ...]:
    """Every constraint that is on, over the first `places` of each list; in the order in which they are given up."""
    top = first_places(lists, constraints.places)
    return tuple(
        Kept(
            name,
            float(getattr(constraints, name)),
            name.startswith("max_") or name.endswith("_at_most"),
            _value(name, top, songs, constraints),
        )
        for name in constraints.declared
    )


def _value(name: str, top: Lists, songs: Songs, constraints: Constraints) -> Values:
    if name.startswith("max_"):
        return most_of_a_group(top, songs.artists if name == "max_per_artist" else songs.albums, constraints.window)
    of_kind = {"explore": songs.is_unsure[top.item], "tail_share": songs.is_tail[top.item]}.get(name, top.played)
    size = np.diff(top.first)
    number = np.bincount(np.repeat(np.arange(len(size)), size), of_kind.astype(np.float64), len(size))
    return np.asarray(number if name == "explore" else number / np.maximum(size, 1), dtype=np.float64)


def allowed(lists: Lists, songs: Songs, constraints: Constraints, name: str) -> npt.NDArray[np.bool_]:
    """`[n_lists]` lists whose candidates allow the constraint `name`, were it the only one: filled by it alone they keep it."""
    only, n_lists = constraints.only(name), len(lists.first) - 1
    rows = reordered(lists, np.zeros((n_lists, songs.styles.n_groups)), songs, only, Draw(0, 0))
    alone = kept(lists.take(rows), songs, only)
    return alone[0].holds if alone else np.ones(n_lists, dtype=bool)


def first_places(lists: Lists, places: int) -> Lists:
    """The first so many rows of each list."""
    place = np.arange(len(lists.user)) - np.repeat(lists.first[:-1], np.diff(lists.first))
    return lists.take(place < places)


def most_of_a_group(lists: Lists, groups: Groups, window: int = 0) -> Values:
    """`[n_lists]` the largest number of songs of one group in any run of `window` places of a list; 0: in the whole list."""
    return np.asarray(_most(lists.first, lists.item, groups.first, groups.group, groups.n_groups, window))


def intra_list_distance(lists: Lists, songs: Songs) -> Values:
    """`[n_lists]` mean of 1 - similarity over all pairs of a list (Ziegler et al., WWW 2005), in [0, 1]; 0 for one song."""
    owner = np.repeat(np.arange(len(lists.first) - 1), np.diff(lists.first))
    sums = np.zeros((len(lists.first) - 1, songs.units.shape[1]))
    np.add.at(sums, owner, songs.units[lists.item].astype(np.float64))
    size = np.diff(lists.first).astype(np.float64)
    own = np.bincount(owner, (songs.units[lists.item].astype(np.float64) ** 2).sum(axis=1), len(size))
    pairs = np.maximum(size * (size - 1), 1)
    return np.asarray(np.where(size > 1, (1 - ((sums**2).sum(axis=1) - own) / pairs) / 2, 0))


def distinct_groups(lists: Lists, groups: Groups) -> Values:
    """`[n_lists]` how many groups (artists, styles) the songs of a list have."""
    owner = np.repeat(np.arange(len(lists.first) - 1), np.diff(lists.first))
    row, at = packed(groups.first[lists.item], groups.first[lists.item + 1])
    cell = np.unique(owner[row].astype(np.int64) * max(groups.n_groups, 1) + groups.group[at])
    return np.bincount(cell // max(groups.n_groups, 1), minlength=len(lists.first) - 1).astype(np.float64)


def style_divergence(lists: Lists, songs: Songs, tastes: npt.NDArray[np.float64]) -> Values:
    """`[n_lists]` KL of the listeners' shares of styles and their lists', in nats."""
    n_lists, styles = len(lists.first) - 1, songs.styles
    owner = np.repeat(np.arange(n_lists), np.diff(lists.first))
    row, at = packed(styles.first[lists.item], styles.first[lists.item + 1])
    share = 1.0 / np.diff(styles.first)[lists.item][row]
    cell = owner[row].astype(np.int64) * styles.n_groups + styles.group[at]
    listed = np.bincount(cell, share, n_lists * styles.n_groups).reshape(n_lists, styles.n_groups)
    total = listed.sum(axis=1, keepdims=True)
    return divergence(tastes, listed / np.where(total > 0, total, 1))


@compiled
def _most(first: Any, item: Any, group_first: Any, group: Any, n_groups: int, window: int) -> Any:
    count, most = np.zeros(n_groups, dtype=np.int64), np.zeros(len(first) - 1)
    for one in range(len(first) - 1):
        start, end = first[one], first[one + 1]
        for row in range(start, end):
            for at in range(group_first[item[row]], group_first[item[row] + 1]):
                count[group[at]] += 1
                most[one] = max(most[one], count[group[at]])
            gone = row - window + 1
            if window > 0 and gone >= start:
                for at in range(group_first[item[gone]], group_first[item[gone] + 1]):
                    count[group[at]] -= 1
        for row in range(max(start, end - window + 1) if window > 0 else start, end):
            for at in range(group_first[item[row]], group_first[item[row] + 1]):
                count[group[at]] = 0
    return most
