"""Train, validation and test parts of the events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from etl.events import Events

SplitKind = Literal["time", "last", "random"]

TRAIN, VALID, TEST = 0, 1, 2


@dataclass(frozen=True)
class Split:
    """The part of every event, and the two moments at which a model stands to predict the next part."""

    part: npt.NDArray[np.int8]
    """`[n_events]` TRAIN, VALID or TEST; a derived event is in the part of the event it comes from."""
    ordinal: bool
    """True where times give order only: every moment is then the time of the last event."""
    valid_from: int
    """Unix seconds: "now" of models that have seen the train part."""
    test_from: int
    """Unix seconds: "now" of models that have seen the train and validation parts."""

    def seen(self, last_part: int) -> npt.NDArray[np.bool_]:
        """`[n_events]` events up to and including a part."""
        return self.part <= last_part


def split_events(events: Events, kind: SplitKind, *, test_share: float, valid_share: float, seed: int) -> Split:
    """Cut the events as `evaluate.split` says.

    `time` cuts at quantiles of event time, ties in source order. `last` takes each user's last `max(1, n // 10)` events as test
    and as many before them as validation, neither where n < 3. `random` draws pairs of user and item. Events are counted
    as the source gives them: what is derived from an event goes with it.
    """
    _, first, group = np.unique(events.source, return_index=True, return_inverse=True)
    # Group ids follow source ids, not time: bring them into time order first.
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    head, group = first[order], rank[group]
    if kind == "time":
        part = _by_time(len(head), test_share, valid_share)
    elif kind == "last":
        part = _by_last(events.user[head])
    else:
        part = _by_pair(events.user[head], events.item[head], test_share, valid_share, seed)
    parts = part[group]
    end = int(events.ts[-1]) + 1 if len(events) else 0
    if kind != "time":
        return Split(parts, True, end, end)
    return Split(parts, False, _start(events, parts, VALID, end), _start(events, parts, TEST, end))


def _start(events: Events, part: npt.NDArray[np.int8], which: int, end: int) -> int:
    rows = np.flatnonzero(part == which)
    return int(events.ts[rows[0]]) if len(rows) else end


def _by_time(n: int, test_share: float, valid_share: float) -> npt.NDArray[np.int8]:
    part = np.full(n, TRAIN, dtype=np.int8)
    test = int(np.floor(n * (1 - test_share)))
    part[int(np.floor(n * (1 - test_share - valid_share))) : test] = VALID
    part[test:] = TEST
    return part


def _by_last(user: npt.NDArray[np.int32]) -> npt.NDArray[np.int8]:
    order = np.argsort(user, kind="stable")
    sorted_user = user[order]
    start = np.searchsorted(sorted_user, sorted_user, side="left")
    end = np.searchsorted(sorted_user, sorted_user, side="right")
    n = end - start
    from_end = end - 1 - np.arange(len(user))
    size = np.where(n < 3, 0, np.maximum(1, n // 10))
    part = np.empty(len(user), dtype=np.int8)
    part[order] = np.where(from_end < size, TEST, np.where(from_end < 2 * size, VALID, TRAIN))
    return part


def _by_pair(
    user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], test_share: float, valid_share: float, seed: int
) -> npt.NDArray[np.int8]:
    pair = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    distinct, inverse = np.unique(pair, return_inverse=True)
    n = len(distinct)
    n_test, n_valid = round(n * test_share), round(n * valid_share)
    drawn = np.full(n, TRAIN, dtype=np.int8)
    order = np.random.default_rng(seed).permutation(n)
    drawn[order[:n_test]] = TEST
    drawn[order[n_test : n_test + n_valid]] = VALID
    return drawn[inverse]
