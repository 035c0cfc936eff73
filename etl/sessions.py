"""Sessions: where one sitting of a listener ends and the next begins, by three rules that can each be switched off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.event_rows import compiled, listens, rows_by_user
from etl.events import Events
from etl.session_rules import SessionRules

UNKNOWN_SCENE: Final = -1
OFF: Final = np.iinfo(np.int64).max
Mask = npt.NDArray[np.bool_]
Part = npt.NDArray[np.integer] | Mask
Times = npt.NDArray[np.int64]


def session_starts(
    user: npt.NDArray[np.int32],
    ts: Times,
    scene: npt.NDArray[np.int16],
    rules: SessionRules,
    *,
    act: Mask | None = None,
    part: Part | None = None,
    clock: bool = True,
) -> Mask:
    """Which events begin a session.

    A second is one moment: no session begins inside it, and the order of its events says nothing. A moment whose events name no
    scene, or several, has no scene of its own, and only a known scene can differ from the session's. So the sessions are the fewest
    that keep the rules, and no event changes those before it.

    Args:
        user: `[n]` user ids, ascending.
        ts: `[n]` Unix seconds, ascending within a user.
        scene: `[n]` scene codes, -1 unknown.
        rules: the rules.
        act: `[n]` what the listener did, as against what was only shown: an exposure may open a session (the talk's chain begins
            with it) but keeps none alive. None: everything is an act.
        part: `[n]` part of a split that each event is in; a new part is a new session, whatever the rules. None: all is one part.
        clock: False where times give order only: `gap` and `max_duration` are off.

    Returns:
        `[n]` true at the first event of each session.
    """
    return _cut(user, ts, scene, act, part, rules, clock)[0]


def _cut(
    user: npt.NDArray[np.int32],
    ts: Times,
    scene: npt.NDArray[np.int16],
    act: Mask | None,
    part: Part | None,
    rules: SessionRules,
    clock: bool,
) -> tuple[Mask, npt.NDArray[np.int16]]:
    """`session_starts`, and `[n]` the scene so far of the session that each event is in, -1 unknown."""
    gap = rules.gap if clock and rules.gap else OFF
    duration = rules.max_duration if clock and rules.max_duration else OFF
    acts = np.ones(len(user), dtype=np.bool_) if act is None else act
    parts = np.zeros(len(user), dtype=np.int8) if part is None else part.astype(np.int8)
    return _starts(user, ts, scene, acts, parts, gap, duration, rules.scene_change)


@compiled
def _starts(
    user: npt.NDArray[np.int32],
    ts: Times,
    scene: npt.NDArray[np.int16],
    act: Mask,
    part: npt.NDArray[np.int8],
    gap: int,
    duration: int,
    by_scene: bool,
) -> tuple[Mask, npt.NDArray[np.int16]]:
    starts, scenes = np.zeros(len(user), dtype=np.bool_), np.empty(len(user), dtype=np.int16)
    began, alive, current = np.int64(0), np.int64(0), np.int16(UNKNOWN_SCENE)
    first = 0
    while first < len(user):
        now, seen, acted, several = ts[first], scene[first], act[first], False
        end = first + 1
        while end < len(user) and user[end] == user[first] and ts[end] == now and part[end] == part[first]:
            if scene[end] >= 0:
                several |= seen >= 0 and scene[end] != seen
                seen = scene[end]
            acted |= act[end]
            end += 1
        if several:
            seen = np.int16(UNKNOWN_SCENE)
        fresh = first == 0 or user[first] != user[first - 1] or part[first] != part[first - 1]
        changed = by_scene and seen >= 0 and current >= 0 and seen != current
        if fresh or changed or now - alive > gap or now - began > duration:
            starts[first] = True
            began, alive, current = now, now, seen
        if acted:
            alive = now
        if current < 0:
            current = seen
        scenes[first:end] = current
        first = end
    return starts, scenes


@dataclass(frozen=True)
class Sessions:
    """The sessions of all users, numbered by user and then by time: user `u` owns `offsets[u]:offsets[u + 1]`."""

    of_event: npt.NDArray[np.int32]
    """`[n_events]` session number of every event."""
    offsets: npt.NDArray[np.int64]
    """`[n_users + 1]`"""
    user: npt.NDArray[np.int32]
    """`[n_sessions]` user ids, ascending."""
    start: Times
    """`[n_sessions]` Unix seconds of the first event."""
    end: Times
    """`[n_sessions]` Unix seconds of the last event."""
    scene: npt.NDArray[np.int16]
    """`[n_sessions]` the one scene that the session's moments have (the first, with `scene_change` off), -1 where none has one."""
    first: npt.NDArray[np.int64]
    """`[n_sessions]` row of the first event."""
    last: npt.NDArray[np.int64]
    """`[n_sessions]` row of the last event."""
    n_events: npt.NDArray[np.int32]
    """`[n_sessions]`"""
    n_plays: npt.NDArray[np.int32]
    """`[n_sessions]` listens: a play and what is derived from it count once."""

    @classmethod
    def of(
        cls,
        events: Events,
        rules: SessionRules,
        n_users: int,
        *,
        clock: bool = True,
        part: Part | None = None,
    ) -> Sessions:
        """The sessions of `events`.

        Args:
            events: events in time order.
            rules: what ends a session.
            n_users: number of users, those without events included.
            clock: False where times give order only.
            part: `[n_events]` part of the split that each event is in: no session holds events of two parts. `events.ts >= t` cuts at
                time t; the sessions of either side are then those of its events alone.
        """
        rows, user_offsets = rows_by_user(events.user, n_users)
        starts, scene = _cut(
            np.repeat(np.arange(n_users, dtype=np.int32), np.diff(user_offsets)),
            events.ts[rows],
            events.scene[rows],
            events.behaviour[rows] != Behaviour.EXPOSURE,
            None if part is None else part[rows],
            rules,
            clock,
        )
        return _table(events, rows, user_offsets, starts, scene)

    def __len__(self) -> int:
        return len(self.user)

    def crossing(self, part: Part) -> npt.NDArray[np.int64]:
        """Numbers of the sessions that hold events of more than one part `[n_events]`; none after `of(…, part=part)`."""
        crosses = np.zeros(len(self), dtype=bool)
        crosses[self.of_event[part != part[self.first[self.of_event]]]] = True
        return np.flatnonzero(crosses)

    def frame(self) -> pl.DataFrame:
        """One row a session: `user, start, end, scene, first, last, n_events, n_plays`."""
        names = ("user", "start", "end", "scene", "first", "last", "n_events", "n_plays")
        return pl.DataFrame({name: getattr(self, name) for name in names})


def _table(
    events: Events, rows: npt.NDArray[np.int64], user_offsets: npt.NDArray[np.int64], starts: Mask, scene: npt.NDArray[np.int16]
) -> Sessions:
    """The sessions that begin at `starts` `[n_events]` of `rows` (events by user)."""
    bounds = np.append(np.flatnonzero(starts), len(rows))
    of_event = np.empty(len(rows), dtype=np.int32)
    of_event[rows] = np.cumsum(starts, dtype=np.int32) - np.int32(1)
    first, last = rows[bounds[:-1]], rows[bounds[1:] - 1]
    return Sessions(
        of_event=of_event,
        offsets=np.searchsorted(bounds[:-1], user_offsets).astype(np.int64),
        user=events.user[first],
        start=events.ts[first],
        end=events.ts[last],
        scene=scene[bounds[1:] - 1],
        first=first,
        last=last,
        n_events=np.diff(bounds).astype(np.int32),
        n_plays=np.bincount(of_event[listens(events)], minlength=len(first)).astype(np.int32),
    )
