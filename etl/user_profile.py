"""User profile: how much of each facet a listener has liked and refused, old acts counting less.

A signal (full play, heart, download, share, comment; skip, dislike, block) puts mass on every facet value of its song: its weight in
`ProfileRules`, times the event's count, times the confidence of the fact. Liking and refusing are two masses and never cancel. At
time t an act of time s counts `0.5 ** ((t - s) / half-life)`. The facts of an act are those valid at its own time, so a profile is
a sum over acts, in whatever order they are added; `live_profile.py` keeps the same sum one act at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.domains import comment_sentiment
from etl.event_rows import compiled, rows_by_user
from etl.events import Events
from etl.facets import SongFacets
from etl.lake import Lake
from etl.profile_rules import DEFAULT_RULES, ProfileRules

BLOCK_ARTIST: Final = int(Behaviour.BLOCK_ARTIST)


class Profile(NamedTuple):
    """One listener, as columns `[n]`."""

    value: npt.NDArray[np.int32]
    """Entity ids, ascending."""
    positive: npt.NDArray[np.float64]
    negative: npt.NDArray[np.float64]


@dataclass(frozen=True)
class UserProfiles:
    """Profiles of all users at one moment, sparse: user `u` owns `offsets[u]:offsets[u + 1]`, ordered by value."""

    facets: SongFacets
    """What the values are: `facet_of` and `names`."""
    offsets: npt.NDArray[np.int64]
    """`[n_users + 1]`"""
    value: npt.NDArray[np.int32]
    """`[n]` entity ids."""
    positive: npt.NDArray[np.float64]
    """`[n]` decayed mass of liking, 0 or more."""
    negative: npt.NDArray[np.float64]
    """`[n]` decayed mass of refusal, 0 or more."""

    @classmethod
    def of(
        cls,
        events: Events,
        facets: SongFacets,
        n_users: int,
        rules: ProfileRules = DEFAULT_RULES,
        *,
        at: int | None,
        sentiment: npt.NDArray[np.floating] | None = None,
    ) -> UserProfiles:
        """Profiles made by `events`.

        Args:
            events: the log up to the moment, in time order.
            facets: facts with their dates; an event takes those of its own time.
            n_users: number of users.
            rules: weights and half-life.
            at: the moment, Unix seconds. None where time is ordinal: an act's age is then the number of the user's later events (what
                is derived from an event is one with it), and facts have no dates.
            sentiment: `[n_events]` in [-1, 1] for comments, NaN unknown.

        Raises:
            ValueError: an event is later than `at`.
        """
        facts = facets if at is not None else facets.timeless()
        age = ages(events, n_users, at)
        mass = rules.signals(events, sentiment)
        rows = np.flatnonzero(mass)
        mass = mass[rows] * np.exp2(-age[rows] / rules.half_life(ordinal=at is None))
        order, first = rows_by_user(events.user[rows], n_users)
        item = facet_item(events, facets)[rows]
        columns = _masses(
            first, order, item, mass, events.ts[rows], facts.offsets, facts.value, facts.weight, facts.valid_from, len(facts.facet_of)
        )
        return cls(facets, *columns)

    @classmethod
    def as_of(
        cls,
        lake: Lake,
        t: int,
        rules: ProfileRules = DEFAULT_RULES,
        *,
        facets: SongFacets | None = None,
        learned: npt.NDArray[np.bool_] | None = None,
    ) -> UserProfiles:
        """Profiles at time `t` (Unix seconds): of the events before it, and of the facts known at theirs.

        Args:
            lake: the lake.
            t: the moment.
            rules: weights and half-life.
            facets: `SongFacets.of` the lake, where the caller has them.
            learned: `[n_events]` events to learn from; None: all. A mask that was itself made from events after `t` (`Lake.flag` judges the
                whole log) lets them have a part.
        """
        events = lake.events.take(lake.events.ts < t if learned is None else learned & (lake.events.ts < t))
        facets = SongFacets.of(lake.catalogue, lake.triples) if facets is None else facets
        sentiment = comment_sentiment(events, lake.comments) if "sentiment" in lake.comments.columns else None
        return cls.of(events, facets, lake.catalogue.n_users, rules, at=t, sentiment=sentiment)

    @property
    def n_users(self) -> int:
        """Number of users, those without a profile included."""
        return len(self.offsets) - 1

    def user(self, user: int) -> Profile:
        """The profile of one user."""
        own = slice(self.offsets[user], self.offsets[user + 1])
        return Profile(self.value[own], self.positive[own], self.negative[own])

    def frame(self) -> pl.DataFrame:
        """All profiles: `user, facet` (name), `value` (entity id), `positive, negative, positive_share, negative_share`.

        A share is of the user's mass of that sign in that facet. Ordered by user, facet code, value.
        """
        code = self.facets.facet_of[self.value]
        named = pl.DataFrame({
            "user": np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.offsets)),
            "code": code,
            "facet": pl.Series(self.facets.names, dtype=pl.String).gather(code),
            "value": self.value,
            "positive": self.positive,
            "negative": self.negative,
        })  # fmt: skip
        shares = [_share(sign).over("user", "code").alias(f"{sign}_share") for sign in ("positive", "negative")]
        return named.with_columns(shares).sort("user", "code", "value").drop("code")

    def likes(self, k: int) -> pl.DataFrame:
        """Each user's `k` values of every facet that were liked more than refused, by the difference: `frame`'s columns and `rank`."""
        return _top(self.frame(), pl.col("positive") - pl.col("negative"), k)

    def dislikes(self, k: int) -> pl.DataFrame:
        """Each user's `k` values of every facet that were refused more than liked, by the difference: `frame`'s columns and `rank`."""
        return _top(self.frame(), pl.col("negative") - pl.col("positive"), k)


def _share(sign: str) -> pl.Expr:
    total = pl.col(sign).sum()
    return pl.when(total > 0).then(pl.col(sign) / total).otherwise(0.0)


def _top(frame: pl.DataFrame, surplus: pl.Expr, k: int) -> pl.DataFrame:
    ranked = frame.with_columns(surplus=surplus).filter(pl.col("surplus") > 0)
    ranked = ranked.sort("user", "facet", pl.col("surplus").neg(), "value").drop("surplus")
    ranked = ranked.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user", "facet"))
    return ranked.filter(pl.col("rank") <= k)


def facet_item(events: Events, facets: SongFacets) -> npt.NDArray[np.int32]:
    """`[n_events]` what an event's mass falls on: a song (all its facets), n_songs + the entity (itself), or -1 (nothing)."""
    blocked = (events.behaviour == BLOCK_ARTIST) & (facets.facet_of[events.item] >= 0)
    song = np.where(events.item < facets.n_songs, events.item, -1)
    return np.where(blocked, facets.n_songs + events.item, song).astype(np.int32)


def ages(events: Events, n_users: int, at: int | None) -> npt.NDArray[np.int64]:
    """`[n_events]` ages of events at the moment `at`: seconds, or the number of the user's later events where time is ordinal (None).

    Raises:
        ValueError: an event is later than `at`.
    """
    if at is not None and len(events) and events.ts.max() > at:
        raise ValueError(f"an event of {events.ts.max()} cannot be part of a profile of {at}")
    age: npt.NDArray[np.int64] = own_later_events(events.user, events.source, n_users) if at is None else at - events.ts
    return age


@compiled
def own_later_events(user: Any, source: Any, n_users: int) -> Any:
    """`[n_events]` how many later events each event's user has; a derived event is one with the event that it comes from."""
    clock = np.zeros(n_users, dtype=np.int64)
    last = np.full(n_users, -1, dtype=np.int64)
    at = np.empty(len(user), dtype=np.int64)
    for row in range(len(user)):
        owner = user[row]
        clock[owner] += source[row] != last[owner]
        last[owner] = source[row]
        at[row] = clock[owner]
    for row in range(len(user)):
        at[row] = clock[user[row]] - at[row]
    return at


@compiled
def grown(array: Any, size: int) -> Any:
    """`array` at the beginning of a new one of `size`; the rest is not set."""
    longer = np.empty(size, dtype=array.dtype)
    longer[: len(array)] = array
    return longer


@compiled
def _masses(
    first: Any, order: Any, item: Any, mass: Any, ts: Any, offsets: Any, values: Any, weight: Any, valid_from: Any, n_entities: int
) -> Any:
    """Offsets, values, positive and negative mass of the users' signals `order[first[u]:first[u + 1]]`.

    One user at a time sums into dense scratch rows over the entities, of which only the touched places are read and cleared.
    """
    n_users, n_songs = len(first) - 1, len(offsets) - 1
    positive, negative = np.zeros(n_entities), np.zeros(n_entities)
    seen, touched = np.zeros(n_entities, dtype=np.bool_), np.empty(n_entities, dtype=np.int32)
    size, capacity = 0, 1024
    ends, value = np.zeros(n_users + 1, dtype=np.int64), np.empty(capacity, dtype=np.int32)
    liked, refused = np.empty(capacity), np.empty(capacity)
    for user in range(n_users):
        n = 0
        for place in range(first[user], first[user + 1]):
            row = order[place]
            thing = item[row]
            direct = thing >= n_songs
            start, end = (0, 1) if direct else (0, 0) if thing < 0 else (offsets[thing], offsets[thing + 1])
            for fact in range(start, end):
                if not direct and valid_from[fact] > ts[row]:
                    continue
                target = thing - n_songs if direct else values[fact]
                if not seen[target]:
                    seen[target] = True
                    touched[n] = target
                    n += 1
                added = mass[row] if direct else mass[row] * weight[fact]
                if added > 0:
                    positive[target] += added
                else:
                    negative[target] -= added
        if size + n > capacity:
            capacity = max(2 * capacity, size + n)
            value, liked, refused = grown(value, capacity), grown(liked, capacity), grown(refused, capacity)
        own = touched[:n]
        own.sort()
        for target in own:
            value[size], liked[size], refused[size] = target, positive[target], negative[target]
            positive[target], negative[target], seen[target] = 0.0, 0.0, False
            size += 1
        ends[user + 1] = size
    return ends, value[:size].copy(), liked[:size].copy(), refused[:size].copy()
