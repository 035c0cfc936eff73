"""Events that stay in the lake and out of learning: each flagged by the named rule that says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from etl.behaviours import BLOCKING, Behaviour
from etl.chunks import blocks_of
from etl.events import SECONDS_PER_DAY, Events
from etl.lake import EVENTS, day_of, events_of_frame, label_of, write_flags
from etl.prefetch import prefetched
from etl.rules import CleaningRules

_IS_BLOCKING: Final = np.isin(np.arange(len(Behaviour)), BLOCKING)
Codes = npt.NDArray[np.int8]


class Flag(IntEnum):
    """Why an event is not learned from; the value is its code in the lake. Of several reasons the smallest code is given."""

    NONE = 0
    SHORT_EXPOSURE = 1
    """Shown for less than `short_exposure_ms`: nobody can have looked."""
    CLOCK_SKEW = 2
    """Older than the source's log by `skew_days`: a device whose clock was reset."""
    ROBOT = 3
    """Of an account that a machine plays (`etl.robots`)."""
    BACKGROUND = 4
    """Of a stretch that nobody listened to (`etl.robots`)."""
    OVER_CAP = 5
    """Older than the user's last `user_cap` events."""


OF_KIND: Final = {"robot": Flag.ROBOT, "background": Flag.BACKGROUND}
SKEW_QUANTILE: Final = 0.01
"""A log begins where this share of its events lies behind: what is far older than that is no part of it."""


@dataclass(frozen=True)
class Flagging:
    """What flags depend on beside the events themselves."""

    rules: CleaningRules
    robots: pl.DataFrame
    """`user, since, until, kind` by user and time, as `etl.robots.find_robots` gives them."""
    first_ts: int | None
    """Unix seconds before which a clock must have been wrong; None: never."""
    capped: npt.NDArray[np.bool_]
    """`[n_users]` users who have more events than `rules.user_cap`."""

    def codes(self, events: Events, later: npt.NDArray[np.int64]) -> Codes:
        """Flags of some whole days of events.

        Args:
            events: in time order.
            later: `[n_users]` events that each capped user has after these days; grows by those of these days.

        Returns:
            `[n_events]` codes of `Flag`.
        """
        flag = self._over_cap(events, later)
        for code, rows in reversed(self._intervals(events)):
            flag[rows] = code
        if self.first_ts is not None:
            flag[events.ts < self.first_ts] = Flag.CLOCK_SKEW
        exposed = events.behaviour == Behaviour.EXPOSURE
        flag[exposed & (events.play_ms >= 0) & (events.play_ms < self.rules.short_exposure_ms)] = Flag.SHORT_EXPOSURE
        # A refusal is obeyed whoever says it, and whenever it was said.
        flag[_IS_BLOCKING[events.behaviour]] = Flag.NONE
        return flag

    def _over_cap(self, events: Events, later: npt.NDArray[np.int64]) -> Codes:
        """Rank of each event from its user's last one; later days have been counted."""
        rows = np.flatnonzero(self.capped[events.user])[::-1]
        if not len(rows):
            return np.zeros(len(events), dtype=np.int8)
        order = np.argsort(events.user[rows], kind="stable")
        users = events.user[rows][order]
        rank = np.arange(len(users)) - np.searchsorted(users, users) + later[users]
        later += np.bincount(users, minlength=len(later))
        over = np.zeros(len(events), dtype=np.bool_)
        over[rows[order]] = rank >= self.rules.user_cap
        # What is derived from a play goes with it.
        over[1:] |= over[:-1] & (events.source[1:] == events.source[:-1])
        return np.where(over, Flag.OVER_CAP, Flag.NONE).astype(np.int8)

    def _intervals(self, events: Events) -> list[tuple[Flag, npt.NDArray[np.intp]]]:
        """Rows of events within the intervals of the robots table, by flag in the order of the codes."""
        found = []
        for kind, code in OF_KIND.items():
            spans = self.robots.filter(pl.col("kind") == kind).sort("user", "since")
            if spans.is_empty():
                continue
            rows = np.flatnonzero(np.isin(events.user, spans["user"].to_numpy()))
            # One number a moment of a user: spans of a user do not overlap, so the last that begins before is the only candidate.
            starts = _moment(spans["user"].to_numpy(), spans["since"].to_numpy())
            at = np.searchsorted(starts, _moment(events.user[rows], events.ts[rows]), side="right") - 1
            same = (at >= 0) & (spans["user"].to_numpy()[at] == events.user[rows])
            inside = same & (events.ts[rows] <= spans["until"].to_numpy()[at])
            found.append((code, rows[inside]))
        return found


def _moment(user: npt.NDArray[np.int32], ts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return user.astype(np.int64) << 38 | np.clip(ts + 2**37, 0, 2**38 - 1)


def first_ts(rows_of_day: dict[int, int], rules: CleaningRules) -> int | None:
    """Unix seconds before which a clock must have been wrong, by how many events each day (counted from 1970) has."""
    days = sorted(rows_of_day)
    if not days or not rules.skew_days:
        return None
    running = np.cumsum([rows_of_day[day] for day in days])
    begin = days[int(np.searchsorted(running, SKEW_QUANTILE * running[-1]))]
    return (begin - rules.skew_days) * SECONDS_PER_DAY


def flag_lake(lake: Path, flagging: Flagging, n_users: int) -> dict[str, int]:
    """Write `flags/` beside the events of a lake's folder, the last days first.

    Returns:
        Events by name of flag; those without are left out.
    """
    later = np.zeros(n_users, dtype=np.int64)
    counts = np.zeros(len(Flag), dtype=np.int64)
    for events in prefetched(_last_days_first(lake / EVENTS)):
        flags = flagging.codes(events, later)
        counts += np.bincount(flags, minlength=len(Flag))
        write_flags(lake, events.ts, flags)
    return {flag.name.lower(): int(counts[flag]) for flag in Flag if flag}


def _last_days_first(folder: Path) -> Iterator[Events]:
    """Events of a lake, some days at a time."""
    sizes = {day_of(path.stem): pq.read_metadata(path).num_rows for path in folder.glob("*.parquet")}
    for days in reversed(list(blocks_of(sizes))):
        yield events_of_frame(pl.read_parquet([folder / f"{label_of(day)}.parquet" for day in days]))
