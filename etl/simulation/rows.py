"""The events of one service day as columns, in order of time: what the source's `events` table says of them, but for the song."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.simulation.choosing import ALBUM_SCENE, LIBRARY, LIST, PAGE_OF_MLOGS, PAGE_OF_MVS, PLAYLIST, SEARCH, STREAM
from etl.simulation.draws import Floats, Ints, Mask
from etl.simulation.outcomes import CROSS, PROMPT
from etl.simulation.robots import Looped
from etl.simulation.schedule import DayPlan

Column = Ints | Floats | Mask | int | float
"""Values `[n]`, or one for all."""
KINDS: Final = ("song", "mv", "mlog", "artist")
BEHAVIOURS: Final = ("exposure", "click", "play", "collect", "download", "share", "comment", "dislike", "block_song", "block_artist")
SCENES: Final = ("daily", "fm", "mv", "playlist", "album", "search", "library")
SCENE_OF: Final = {
    LIBRARY: "library", PLAYLIST: "playlist", ALBUM_SCENE: "album", SEARCH: "search", STREAM: "fm", LIST: "daily", PAGE_OF_MVS: "mv",
    PAGE_OF_MLOGS: "mv",
}  # fmt: skip
_SCENES: Final = np.array([SCENES.index(SCENE_OF[kind]) for kind in range(len(SCENE_OF))])
_KINDS: Final = np.array([0] * 6 + [1, 2])
PLAY: Final = BEHAVIOURS.index("play")
COMMENT: Final = BEHAVIOURS.index("comment")


@dataclass(frozen=True)
class Rows:
    """Events, `[n]` each."""

    step: Ints
    """Row of the day's steps that the event belongs to; -1 for a robot's."""
    item: Ints
    """A robot's song; -1 where the step's song is meant."""
    user: Ints
    behaviour: Ints
    kind: Ints
    scene: Ints
    ts: Ints
    """Seconds since the start of the period."""
    share: Floats
    """Share of the song heard by a play that follows the song's length."""
    ms: Ints
    """Milliseconds heard where they do not follow the share, or at most; -1 else."""
    organic: Ints
    position: Ints
    mood: Ints
    """Of a comment."""
    robot: Ints

    def in_time(self) -> Rows:
        """The same events by `ts`, those of one second in the order of making."""
        order = np.argsort(self.ts, kind="stable")
        return Rows(*(getattr(self, column.name)[order] for column in fields(self)))


def rows_of(plan: DayPlan, loops: list[Looped]) -> Rows:
    """Events of a day's sessions and of its robots, in order of time."""
    parts = [*_of_sessions(plan), *(rows for looped in loops for rows in _of_loops(looped))]
    return Rows(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Rows))).in_time()


def _of_sessions(plan: DayPlan) -> Iterator[Rows]:
    sessions, heard = plan.sessions, plan.heard
    n_steps = np.diff(sessions.first)
    kind, user = np.repeat(sessions.kind, n_steps), np.repeat(sessions.user, n_steps)
    place = np.arange(len(kind)) - np.repeat(sessions.first[:-1], n_steps) + 1

    def rows(behaviour: str, at: Ints, ts: Ints, **more: Column) -> Rows:
        of_song = behaviour == "block_artist"
        kinds = np.full(len(at), KINDS.index("artist")) if of_song else _KINDS[kind[at]]
        return _rows(behaviour, user[at], _SCENES[kind[at]], ts, step=at, kind=kinds, organic=kind[at] < STREAM, **more)

    shown = np.flatnonzero(~heard.played | (kind == STREAM))
    yield rows("exposure", shown, heard.ts[shown], position=place[shown])
    clicked = np.flatnonzero(heard.played & ((kind == SEARCH) | (kind >= LIST)))
    yield rows("click", clicked, heard.ts[clicked])
    played = np.flatnonzero(heard.played)
    yield rows("play", played, heard.ts[played] + 1, share=heard.share[played], ms=heard.ms[played])
    for name, mask in (("collect", heard.collect), ("download", heard.download), ("share", heard.share_it), ("comment", heard.comment)):
        acted = np.flatnonzero(mask)
        yield rows(name, acted, heard.end[acted] - PROMPT + 1, mood=heard.mood[acted])
    for number, name in enumerate(CROSS, start=1):
        acted = np.flatnonzero(heard.refusal == number)
        yield rows(name, acted, heard.end[acted] - PROMPT + 1)


def _of_loops(looped: Looped) -> Iterator[Rows]:
    scene = _SCENES[looped.kind]
    at_most = np.where(looped.ms >= 0, looped.ms, looped.seconds * 1000)
    for behaviour, at in (
        ("click", np.flatnonzero(looped.searched)),
        ("play", np.arange(len(scene))),
        ("collect", np.flatnonzero(looped.heart)),
    ):
        more: dict[str, Column] = {"share": np.ones(len(at)), "ms": at_most[at]} if behaviour == "play" else {}
        yield _rows(behaviour, looped.user[at], scene[at], looped.ts[at], item=looped.item[at], organic=1, robot=1, **more)


def _rows(behaviour: str, user: Ints, scene: Ints, ts: Ints, **more: Column) -> Rows:
    """Rows of one behaviour; what is not given is absent."""
    n = len(user)
    absent = {"step": -1, "item": -1, "kind": 0, "share": 0.0, "ms": -1, "organic": 0, "position": -1, "mood": 0, "robot": 0}
    columns: dict[str, Column] = {"user": user, "scene": scene, "ts": ts, "behaviour": BEHAVIOURS.index(behaviour), **{**absent, **more}}
    types = {"share": np.float32, "ts": np.int64, "step": np.int64, "user": np.int32, "item": np.int32, "ms": np.int32, "position": np.int8}
    return Rows(*(_column(columns[column.name], n, types.get(column.name, np.int8)) for column in fields(Rows)))


def _column(values: Column, n: int, dtype: type) -> npt.NDArray[Any]:
    return np.broadcast_to(np.asarray(values, dtype=dtype), n)
