"""Examples that rankers learn from: exposures with what followed, or candidates where a source has no exposures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events
from ranking.ranker import Examples
from recall.snapshot import Snapshot

ANSWERS: Final = (Behaviour.CLICK, Behaviour.PLAY, Behaviour.FULL_PLAY)
"""What answers an exposure."""


@dataclass(frozen=True)
class ExposureSettings:
    """How exposures are labelled."""

    window_seconds: int = 1_800
    """An answer later than this after the exposure is not its doing."""
    skip_is_negative: bool = True
    """A song that was skipped is no success: where songs start by themselves (a radio), a play alone says nothing."""


def exposure_examples(snapshot: Snapshot, since: int, until: int, settings: ExposureSettings | None = None) -> Examples:
    """Every exposure of a song among `snapshot.events[since:until]`, labelled 1 if the listener clicked or played it and did not skip it.

    An answer or a skip is credited to the latest exposure of that song to that listener before it, if it comes in the window and before
    `until`. An exposure whose window is still open at the end of the range is left out, since its label is not known yet. Where the
    snapshot's time is ordinal there is no window. `position` is the exposure's own row, so features see only what came before.
    """
    settings = settings or ExposureSettings()
    events = snapshot.events
    until = min(until, len(events))
    pair = events.user.astype(np.int64) * max(snapshot.catalogue.n_songs, 1) + events.item
    is_song = events.item < snapshot.catalogue.n_songs
    rows = np.arange(since, until)[is_song[since:until]]
    exposed = rows[events.behaviour[rows] == Behaviour.EXPOSURE]
    label = np.zeros(len(exposed), dtype=np.float32)
    for acts, value in ((ANSWERS, 1.0), ((Behaviour.SKIP,) if settings.skip_is_negative else (), 0.0)):
        done = rows[np.isin(events.behaviour[rows], acts)]
        credited = _latest_before(pair[exposed], exposed, pair[done], done)
        found = credited >= 0
        if not snapshot.ordinal and len(exposed):
            found &= events.ts[done] - events.ts[exposed[credited]] <= settings.window_seconds
        label[credited[found]] = value
    end_ts = snapshot.now if until == len(events) else int(events.ts[until])
    closed = np.ones(len(exposed), bool) if snapshot.ordinal else events.ts[exposed] + settings.window_seconds <= end_ts
    return _at_rows(events, exposed[closed], label[closed])


def _latest_before(
    key: npt.NDArray[np.int64], position: npt.NDArray[np.int64], of_key: npt.NDArray[np.int64], at: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each (`of_key`, `at`) the index of the row with that key and the greatest position below `at`, -1 without one."""
    if not len(key) or not len(of_key):
        return np.full(len(of_key), -1, dtype=np.int64)
    distinct, rank = np.unique(key, return_inverse=True)
    span = int(max(position[-1], at[-1])) + 1
    composite = rank * np.int64(span) + position
    order = np.argsort(composite)
    wanted = np.minimum(np.searchsorted(distinct, of_key), len(distinct) - 1)
    row = np.searchsorted(composite[order], wanted * np.int64(span) + at) - 1
    candidate = order[np.maximum(row, 0)]
    found = (row >= 0) & (distinct[wanted] == of_key) & (key[candidate] == of_key)
    return np.where(found, candidate, -1)


def _at_rows(events: Events, rows: npt.NDArray[np.int64], label: npt.NDArray[np.float32]) -> Examples:
    return Examples(events.user[rows], events.item[rows], label, rows.astype(np.int64), events.ts[rows], events.scene[rows])


def examples_at_now(
    snapshot: Snapshot,
    users: npt.NDArray[np.integer],
    items: npt.NDArray[np.integer],
    labels: npt.NDArray[np.floating] | None = None,
    scene: int = -1,
) -> Examples:
    """Pairs `[n]` as of the snapshot's `now`, with all of its events behind them; labels 0 where none are given."""
    n = len(users)
    return Examples(
        user=users.astype(np.int32),
        item=items.astype(np.int32),
        label=np.zeros(n, np.float32) if labels is None else labels.astype(np.float32),
        position=np.full(n, len(snapshot.events), dtype=np.int64),
        ts=np.full(n, snapshot.now, dtype=np.int64),
        scene=np.full(n, scene, dtype=np.int16),
    )


def candidate_examples(
    snapshot: Snapshot,
    users: npt.NDArray[np.integer],
    items: npt.NDArray[np.integer],
    labels: npt.NDArray[np.floating],
    *,
    negatives_per_positive: int = 4,
    seed: int = 0,
) -> Examples:
    """Labelled candidates `[n]` of routes as examples at the snapshot's `now`: all positives, and negatives drawn among each user's own.

    `snapshot` must end before the events that gave the labels. A user without a positive candidate gives no examples. Rows stay in
    the order given; the same seed and columns draw the same negatives.
    """
    positive = labels > 0
    quota = negatives_per_positive * np.bincount(users[positive], minlength=snapshot.catalogue.n_users)
    negative_rows = np.flatnonzero(~positive)
    draw = np.random.default_rng(seed).random(len(negative_rows))
    order = negative_rows[np.lexsort((draw, users[negative_rows]))]
    owner = users[order]
    place = np.arange(len(order)) - np.searchsorted(owner, owner, side="left")
    rows = np.sort(np.concatenate((np.flatnonzero(positive), order[place < quota[owner]])))
    return examples_at_now(snapshot, users[rows], items[rows], labels[rows])
