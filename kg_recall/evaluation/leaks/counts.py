"""Checks of what is counted: as of the split, and never over the whole log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import PLAYED, POSITIVE
from etl.events import Events
from kg_recall.evaluation.leaks.finding import check
from recall.popular import PopularRoute
from recall.snapshot import SECONDS_PER_DAY

KNOWS: Final = 0.9
"""A profile column that hits the later count of so many listeners was counted there."""
FEWEST: Final = 10
"""Listeners whose count must have grown before anything is said of a column."""


@check
def popularity_as_of_the_split(route: PopularRoute, seen: Events, now: int, *, ordinal: bool = False) -> str | None:
    """The popularity that serves is counted anew from the events that may be seen, and is the same.

    Args:
        route: the fitted route.
        seen: events up to the split, taken from the log itself.
        now: the moment, Unix seconds.
        ordinal: True where times give order only.
    """
    n_songs = len(route.popularity)
    positive = np.isin(seen.behaviour, POSITIVE) & (seen.item < n_songs)
    weight = seen.count[positive].astype(np.float64)
    if not ordinal:
        weight *= 0.5 ** ((now - seen.ts[positive]) / (SECONDS_PER_DAY * route.settings.half_life_days))
    expected = np.bincount(seen.item[positive], weight, n_songs)
    wrong = np.flatnonzero(~np.isclose(route.popularity, expected, rtol=1e-3, atol=1e-3))
    if not len(wrong):
        return None
    return f"song {wrong[0]} has popularity {route.popularity[wrong[0]]:.4g} where the events seen give {expected[wrong[0]]:.4g}"


@check
def profile_not_counted_later(users: pl.DataFrame, log: Events, seen: npt.NDArray[np.bool_]) -> str | None:
    """No numeric profile column is a listener's number of events, plays or songs in the whole log.

    Args:
        users: row = user id.
        log: the whole log.
        seen: `[n_log]` events up to the split.
    """
    columns = [name for name in users.columns if name != "user_id" and users.schema[name].is_numeric()]
    if not columns:
        return None
    then = dict(_counts(log.take(seen), users.height))
    for what, total in _counts(log, users.height):
        grown = total > then[what]
        for name in columns if grown.sum() >= FEWEST else ():
            values = users[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            if np.mean(values[grown] == total[grown]) >= KNOWS:
                return f"the users' column {name} is their number of {what} up to the end of the log: leave it out of [source.tables] users"
    return None


def _counts(events: Events, n_users: int) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Name and count `[n_users]` of what a source may have counted of a listener."""
    plays = np.isin(events.behaviour, PLAYED)
    # Of a play and what is derived from it one row counts, whichever comes first.
    plays[1:] &= events.source[1:] != events.source[:-1]
    yield "plays", np.bincount(events.user[plays], minlength=n_users)
    yield "events", np.bincount(events.user, minlength=n_users)
    pair = np.unique(events.user[plays].astype(np.int64) << 32 | events.item[plays])
    yield "songs", np.bincount(pair >> 32, minlength=n_users)
