"""Checks of the split, and of what is known where it cuts."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.catalogue import Catalogue
from etl.events import Events
from etl.point_in_time import COUNTED_AT_EXTRACTION
from etl.sessions import Sessions
from graph.projection import Projection
from kg_recall.evaluation.leaks.finding import check, first_true
from kg_recall.evaluation.split import TEST, TRAIN, VALID, Split, SplitKind
from recall.snapshot import Snapshot

UNKNOWN_PART: Final = TEST + 1
"""Part of an event that the split does not know."""
PART_NAME: Final = {TRAIN: "train", VALID: "validation", TEST: "test", UNKNOWN_PART: "unknown"}


@check
def validation_before_test(split: Split) -> str | None:
    """Models are chosen on what came before the test part."""
    if split.valid_from <= split.test_from:
        return None
    return f"the validation part begins at {split.valid_from}, after the test part at {split.test_from}"


@check
def user_split_is_by_time(events: Events, split: Split, kind: SplitKind) -> str | None:
    """`time`: one moment cuts all users, so no user's past is another's future. `last`: each user's own order is cut."""
    if kind == "random":
        return None
    order = np.argsort(events.user, kind="stable") if kind == "last" else slice(None)
    part, user = split.part[order], events.user[order]
    wrong = part[1:] < part[:-1]
    row = first_true(wrong & (user[1:] == user[:-1]) if kind == "last" else wrong)
    if row is None:
        return None
    return (
        f"an event of user {user[row + 1]} in the {PART_NAME[int(part[row + 1])]} part follows one of the {PART_NAME[int(part[row])]} part"
    )


@check
def no_pair_on_both_sides(events: Events, split: Split, kind: SplitKind) -> str | None:
    """`random` draws pairs of user and item: all events of a pair are in one part."""
    if kind != "random" or not len(events):
        return None
    code = events.user.astype(np.int64) << 32 | events.item
    order = np.argsort(code, kind="stable")
    row = first_true((code[order][1:] == code[order][:-1]) & (split.part[order][1:] != split.part[order][:-1]))
    return None if row is None else f"user {events.user[order[row]]} and item {events.item[order[row]]} are in two parts"


@check
def no_event_after_the_split(seen: Events, log: Events, split: Split, part: int) -> str | None:
    """What is seen after `part` holds no event of a later part.

    Args:
        seen: what a model sees.
        log: `[n]` the events that the split cuts.
        split: the split.
        part: the last part that may be seen.
    """
    row = first_true(part_of(seen, log, split.part) > part)
    return None if row is None else f"an event of time {seen.ts[row]} is seen where the {PART_NAME[part]} part ends"


def part_of(seen: Events, log: Events, part: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """`[n_seen]` part of each event by its source; `UNKNOWN_PART` for what is not in the log."""
    size = int(max(log.source.max(initial=-1), seen.source.max(initial=-1))) + 1
    of_source = np.full(size, UNKNOWN_PART, dtype=np.int8)
    of_source[log.source] = part
    found: npt.NDArray[np.int8] = of_source[seen.source]
    return found


@check
def stands_at_the_split(snapshot: Snapshot, moment: int) -> str | None:
    """A model's "now" is not later than the moment of the cut: no song is out, no fact known and no event old that was not then."""
    return f"now is {snapshot.now}, and the split cuts at {moment}" if snapshot.now > moment else None


@check
def no_fact_after_the_split(projection: Projection, now: int, *, ordinal: bool = False) -> str | None:
    """Every fact held at `now` (Unix seconds). Ordinal times date nothing."""
    row = first_true(projection.valid_from > now)
    if ordinal or row is None:
        return None
    node = int(np.searchsorted(projection.indptr, row, side="right")) - 1
    step = projection.step_names[projection.step[row]]
    fact = f"{projection.keys[node]} {step} {projection.keys[projection.target[row]]}"
    return f"the fact {fact} holds from {projection.valid_from[row]} on, and is read at {now}"


@check
def no_comment_after_the_split(comments: pl.DataFrame, now: int) -> str | None:
    """Every comment was written before `now` (Unix seconds).

    No group of the gate calls it: routes, merge and rankers read no comment; `etl.point_in_time` alone gives them out, for profiles. The
    tests of planted leaks call it on that. A model that learns from comments adds it to `gate.of_snapshot`.
    """
    late = comments.filter(pl.col("ts") >= now)
    return None if late.is_empty() else f"{late.height} comments are not older than {now}, the first of time {late['ts'][0]}"


@check
def no_session_across_the_split(sessions: Sessions, part: npt.NDArray[np.int8]) -> str | None:
    """No session holds events of two parts `[n_events]`: its length, end and scene would tell of the later one.

    No group of the gate calls it: routes, merge and rankers know no sessions. The tests of planted leaks call it on the sessions of a
    cut log. A model that learns from sessions adds it to `gate.of_data`, with the sessions that it learns from.
    """
    crossing = sessions.crossing(part)
    if not len(crossing):
        return None
    return f"{len(crossing)} sessions, the first of user {sessions.user[crossing[0]]}, hold events of two parts"


@check
def no_count_of_the_extraction(catalogue: Catalogue) -> str | None:
    """What a source counts up to the day it is read is not shown at an earlier moment."""
    shown = [name for name in COUNTED_AT_EXTRACTION if name in catalogue.songs.columns and catalogue.songs[name].count()]
    return f"the songs' column {shown[0]} is of the time of the extraction" if shown else None
