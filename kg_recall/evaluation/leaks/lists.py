"""Checks of lists, of the paths that explain them, and of how they are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from etl.behaviours import BLOCKING, POSITIVE, Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from etl.point_in_time import released
from graph.projection import Projection
from kg_recall.cascade import RankedLists
from kg_recall.evaluation.leaks.finding import Finding, check, first_true
from kg_recall.evaluation.metrics import Judged, PerUser
from kg_recall.evaluation.tally import Truth
from recall.candidates import Paths
from recall.snapshot import Snapshot

Ints = npt.NDArray[np.integer]


def codes(user: Ints, item: Ints) -> npt.NDArray[np.int64]:
    """One integer `[n]` for each pair."""
    return user.astype(np.int64) << 32 | item.astype(np.int64)


@check
def no_song_listed_twice(lists: RankedLists) -> str | None:
    """A user's list holds a song once: a second time would be a second hit."""
    pair = np.sort(codes(lists.user, lists.item))
    row = first_true(pair[1:] == pair[:-1])
    return None if row is None else f"song {pair[row] & 0xFFFFFFFF} stands twice in the list of user {pair[row] >> 32}"


@check
def unreleased_not_recommended(lists: RankedLists, catalogue: Catalogue, now: int, *, ordinal: bool = False) -> str | None:
    """Nobody is offered a song before its release."""
    if ordinal:
        return None
    row = first_true(~released(catalogue, now)[lists.item])
    return None if row is None else f"user {lists.user[row]} is offered song {lists.item[row]} before its release"


@check
def blocked_not_recommended(lists: RankedLists, refused: npt.NDArray[np.int64]) -> str | None:
    """Nobody is offered what they have refused: pairs of `refused_pairs`."""
    row = first_true(np.isin(codes(lists.user, lists.item), refused))
    return None if row is None else f"user {lists.user[row]} is offered song {lists.item[row]} after having refused it"


def refused_pairs(events: Events, projection: Projection) -> npt.NDArray[np.int64]:
    """Codes of refused pairs: refused songs, and all songs that a blocked artist sings."""
    refused = events.take(np.isin(events.behaviour, BLOCKING))
    by_artist = refused.take(refused.behaviour == Behaviour.BLOCK_ARTIST)
    facts = projection.facts
    sung = facts.take(facts.relation == projection.relations.index("SUNG_BY")) if "SUNG_BY" in projection.relations else None
    direct = codes(refused.user, refused.item)
    if sung is None or not len(by_artist):
        return np.unique(direct)
    order = np.argsort(sung.tail, kind="stable")
    first, last = (np.searchsorted(sung.tail[order], by_artist.item, side=side) for side in ("left", "right"))  # type: ignore[call-overload]
    count = last - first
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    songs = sung.head[order][np.repeat(first, count) + place]
    return np.unique(np.concatenate((direct, codes(np.repeat(by_artist.user, count), songs))))


@check
def new_means_never_played(new_lists: RankedLists, played: npt.NDArray[np.int64]) -> str | None:
    """A list of new songs holds none that its user has played: codes of pairs, ascending."""
    row = first_true(np.isin(codes(new_lists.user, new_lists.item), played))
    return None if row is None else f"song {new_lists.item[row]} counts as new for user {new_lists.user[row]}, who has played it"


@check
def no_chance_in_lists(lists: RankedLists, again: RankedLists) -> str | None:
    """The same request gives the same list."""
    if len(lists.item) == len(again.item) and np.array_equal(codes(lists.user, lists.item), codes(again.user, again.item)):
        return None
    return f"the same request gave {len(lists.item)} rows, then {len(again.item)}, not all the same"


@check
def truth_is_the_test_part(truth: Truth, test: Events, n_songs: int) -> str | None:
    """Relevant is exactly what got a positive event in the test part."""
    liked = np.isin(test.behaviour, POSITIVE) & (test.item < n_songs)
    expected = np.unique(codes(test.user[liked], test.item[liked]))
    given = codes(truth.user, truth.item)
    strange = np.setxor1d(given, expected)
    if not len(strange):
        return None
    where = "is relevant without a positive event" if np.isin(strange[0], given) else "has a positive event, but is not relevant"
    return f"song {strange[0] & 0xFFFFFFFF} {where} of user {strange[0] >> 32} in the test part"


@check
def ndcg_counts_all_relevant(judged: Judged, ndcg: PerUser, k: int, truth: Truth) -> str | None:
    """The ideal list of NDCG holds all that is relevant to a user, not only what was found (5 relevant, 1 hit at rank 1: 0.339)."""
    relevant = np.bincount(truth.user, minlength=int(judged.user.max(initial=0)) + 1)[judged.user]
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    found = judged.hit_rank <= k
    gain = np.bincount(judged.hit_row[found], discount[judged.hit_rank[found] - 1], len(judged.user))
    expected = gain / np.cumsum(discount)[np.minimum(relevant, k) - 1]
    row = first_true(~np.isclose(ndcg.value, expected))
    return None if row is None else f"user {judged.user[row]} has NDCG {ndcg.value[row]:.3f} where all relevant give {expected[row]:.3f}"


@check
def no_path_over_held_out_edge(paths: Paths, users: Ints, items: Ints, snapshot: Snapshot) -> str | None:
    """A reason starts at a song that the user had met by then, walks facts known by then, and ends at its song."""
    length = paths.length.astype(np.int64)
    told = length > 0
    profile = np.zeros(len(told), dtype=bool) if paths.from_profile is None else paths.from_profile
    row = first_true(told & (paths.nodes[np.arange(len(told)), np.maximum(length - 1, 0)] != items))
    if row is not None:
        return f"the path of user {users[row]} to song {items[row]} ends elsewhere"
    own = snapshot.events.take(np.isin(snapshot.events.user, users))
    row = first_true(told & ~profile & ~np.isin(codes(users, paths.nodes[:, 0]), codes(own.user, own.item)))
    if row is not None:
        return f"the path of user {users[row]} to song {items[row]} starts at node {paths.nodes[row, 0]}, which the user had not met"
    missing = _missing_fact(paths, snapshot.projection)
    return None if missing is None else f"the path of user {users[missing]} to song {items[missing]} walks a fact that was not known"


def _missing_fact(paths: Paths, projection: Projection) -> int | None:
    """Row of a path with a hop along a relation of the graph that the projection does not hold."""
    n_steps, n_nodes = len(projection.step_names), projection.n_nodes
    code_of = {name: code for code, name in enumerate(projection.step_names)}
    code = np.array([*(code_of.get(name, -1) for name in paths.step_names), -1])
    step = code[paths.steps]
    row, place = np.nonzero(step >= 0)
    if not len(row):
        return None
    head = np.unique(paths.nodes[row, place])
    count = projection.indptr[head + 1] - projection.indptr[head]
    at = np.arange(count.sum()) + np.repeat(projection.indptr[head] - (np.cumsum(count) - count), count)
    node = np.repeat(head.astype(np.int64), count)
    # Ascending, as the projection is laid out.
    edges = (node * n_steps + projection.step[at]) * n_nodes + projection.target[at]
    wanted = (paths.nodes[row, place].astype(np.int64) * n_steps + step[row, place]) * n_nodes + paths.nodes[row, place + 1]
    at = np.minimum(np.searchsorted(edges, wanted), max(len(edges) - 1, 0))
    wrong = first_true(edges[at] != wanted if len(edges) else np.ones(len(wanted), dtype=bool))
    return None if wrong is None else int(row[wrong])


@dataclass(frozen=True)
class ListChecks:
    """The checks of lists at one snapshot; what they compare with is made once."""

    snapshot: Snapshot

    def of(self, lists: RankedLists, new_lists: RankedLists) -> Iterator[Finding | None]:
        """Findings of lists, and of the same without what their users had played."""
        for each in (lists, new_lists):
            yield no_song_listed_twice(each)
            yield unreleased_not_recommended(each, self.snapshot.catalogue, self.snapshot.now, ordinal=self.snapshot.ordinal)
            yield blocked_not_recommended(each, self._refused)
        yield new_means_never_played(new_lists, self._played)

    @cached_property
    def _refused(self) -> npt.NDArray[np.int64]:
        return refused_pairs(self.snapshot.events, self.snapshot.projection)

    @cached_property
    def _played(self) -> npt.NDArray[np.int64]:
        plays = self.snapshot.plays
        return np.unique(codes(plays.user, plays.item))
