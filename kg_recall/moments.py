"""Snapshots of the workspace's data at the moments that training, evaluation and serving stand at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import POSITIVE
from etl.events import Events
from etl.flags import Flag
from etl.lake import Lake
from etl.point_in_time import catalogue_as_of
from graph.projection import Projection
from kg_recall.context import Context
from kg_recall.evaluation.split import TEST, Split, split_events
from recall.snapshot import Snapshot


@dataclass(frozen=True)
class Window:
    """What listeners did in one part of the events: the songs that a model standing before it should have named."""

    user: npt.NDArray[np.int32]
    """`[n]` users of distinct relevant pairs, ascending."""
    item: npt.NDArray[np.int32]
    """`[n]` songs that got a positive event in the window."""

    @cached_property
    def users(self) -> npt.NDArray[np.int32]:
        """Users with at least one relevant song, ascending."""
        return np.unique(self.user)

    def of(self, users: npt.NDArray[np.int32]) -> Window:
        """The pairs of some users."""
        mine = np.isin(self.user, users)
        return Window(self.user[mine], self.item[mine])


def some_of(users: npt.NDArray[np.int32], n: int, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """All of `users` where they are at most `n`, else `n` of them drawn without replacement; ascending."""
    return users if len(users) <= n else np.sort(rng.choice(users, n, replace=False))


@dataclass(frozen=True)
class Moments:
    """The data of a workspace, cut as `[evaluate]` says."""

    lake: Lake
    projection: Projection
    events: Events
    """The lake's events up to `recommend.now`, without those that a rule flags: nothing learns from them, and nothing is judged by them."""
    split: Split
    now: int
    """Moment of recommendation, Unix seconds."""
    seed: int

    @classmethod
    def of(cls, context: Context) -> Moments:
        """Moments of a context's lake and projection, under its settings."""
        lake, settings = context.lake(), context.settings
        lake = replace(lake, catalogue=catalogue_as_of(lake.catalogue))
        last = int(lake.events.ts[-1]) if len(lake.events) else 0
        now = settings.recommend.now_ts if settings.recommend.now_ts is not None else last
        events = lake.events.take((lake.events.ts <= now) & (lake.flag == Flag.NONE))
        evaluate = settings.evaluate
        split = split_events(events, evaluate.split, test_share=evaluate.test_share, valid_share=evaluate.valid_share, seed=settings.seed)
        return cls(lake, context.projection(), events, split, now, settings.seed)

    def after(self, part: int, vectors: npt.NDArray[np.float32] | None = None) -> Snapshot:
        """What is known once the events up to and including `part` have happened: TRAIN, VALID or TEST (all of them)."""
        now = self.now if part == TEST or self.split.ordinal else (self.split.valid_from, self.split.test_from)[part]
        events = self.events if part == TEST else self.events.take(self.split.seen(part))
        # Ordinal times date nothing, so they cannot hide a fact either.
        projection = self.projection if self.split.ordinal else self.projection.as_of(now)
        # Comments of a later part have no event here, and count only with theirs.
        said = self.lake.comments if self.split.ordinal else self.lake.comments.filter(pl.col("ts") <= now)
        return Snapshot(self.lake.catalogue, events, projection, now, self.split.ordinal, vectors, self.seed, self.lake.scenes, said)

    def window(self, part: int) -> Window:
        """Relevant pairs of VALID or TEST."""
        events = self.events.take(self.split.part == part).of(*POSITIVE).of_songs(self.lake.catalogue.n_songs)
        pair = np.unique(events.user.astype(np.int64) << 32 | events.item)
        return Window((pair >> 32).astype(np.int32), (pair & 0xFFFFFFFF).astype(np.int32))

    def first_of(self, part: int) -> int:
        """Row of the first event of a part among all events; meaningful where the split is by time."""
        rows = np.flatnonzero(self.split.part == part)
        return int(rows[0]) if len(rows) else len(self.events)
