"""Checks of examples: what is learned from, what labels it, and what it may know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.events import Events
from etl.sequences import BehaviourSequences
from kg_recall.evaluation.leaks.finding import check, first_true
from kg_recall.evaluation.leaks.parts import PART_NAME, part_of
from kg_recall.evaluation.split import Split
from kg_recall.moments import Window
from ranking.examples import exposure_examples
from ranking.ranker import Examples, Ranker
from recall.candidate_table import CandidateTable
from recall.snapshot import Snapshot

SAMPLE = 64
"""Examples that are looked at one by one."""
EARLY = 0.05
"""Share of the log whose exposures are scored with and without what follows them."""
CLOCK_SHIFT = 2 * 86_400 + 7 * 3_600
"""Moves every example to another hour and weekday."""


@check
def merge_trained_on_later_window(snapshot: Snapshot, log: Events, split: Split, part: int) -> str | None:
    """Merge and ranker learn from candidates of models that have seen nothing of the part that labels them."""
    row = first_true(part_of(snapshot.events, log, split.part) >= part)
    if row is None:
        return None
    return f"candidates labelled by the {PART_NAME[part]} part come from models that have seen its event of time {snapshot.events.ts[row]}"


@check
def labels_of_their_window(table: CandidateTable, label: npt.NDArray[np.bool_], window: Window) -> str | None:
    """A candidate is positive exactly where its listener got to like it in the window."""
    row = first_true(table.contains(window.user, window.item) != label)
    return None if row is None else f"the candidate of user {table.user[row]} and song {table.item[row]} is labelled {bool(label[row])}"


@check
def held_out_by_user(user: npt.NDArray[np.integer], held_out: npt.NDArray[np.bool_]) -> str | None:
    """Who chooses the blend has not taught the merge: a user's rows `[n]` are all held out, or none."""
    both = np.intersect1d(user[held_out], user[~held_out])
    return f"user {both[0]} is held out and learned from" if len(both) else None


@check
def no_later_example_trained_on(examples: Examples, seen: Events, log: Events, split: Split, part: int) -> str | None:
    """Training examples that are events of `seen` lie before `part`; one that stands at the end of them is a pair at "now"."""
    rows = examples.position[examples.position < len(seen)]
    of = part_of(seen.take(rows), log, split.part)
    row = first_true(of >= part)
    return None if row is None else f"event {rows[row]}, of the {PART_NAME[int(of[row])]} part, is a training example"


@check
def no_test_song_among_negatives(
    user: npt.NDArray[np.integer], item: npt.NDArray[np.integer], label: npt.NDArray[np.floating], window: Window
) -> str | None:
    """No pair `[n]` that is labelled negative is one of the window's positive pairs."""
    negative = label <= 0
    code = user[negative].astype(np.int64) << 32 | item[negative]
    row = first_true(np.isin(code, window.user.astype(np.int64) << 32 | window.item))
    return None if row is None else f"user {code[row] >> 32} likes song {code[row] & 0xFFFFFFFF} in the test part, and it is a negative"


@check
def target_not_in_its_own_history(
    sequences: BehaviourSequences, events: Events, behaviours: tuple[Behaviour, ...], examples: Examples, n_songs: int
) -> str | None:
    """The history of an example ends strictly before it: it has as many entries as the log has rows of its user before its position."""
    few = examples.take(_spread(len(examples)))
    own = np.flatnonzero(np.isin(events.user, few.user) & np.isin(events.behaviour, behaviours) & (events.item < n_songs))
    # Ascending by user, then row: one search counts a user's rows before a position.
    key = np.sort(events.user[own].astype(np.int64) * (len(events) + 1) + own)
    span = len(events) + 1
    user = few.user.astype(np.int64)
    expected = np.searchsorted(key, user * span + few.position) - np.searchsorted(key, user * span)
    found = sequences.end(few.user, few.position) - sequences.offsets[few.user]
    row = first_true(found != expected)
    if row is None:
        return None
    return f"the history of user {few.user[row]} at event {few.position[row]} has {found[row]} entries where {expected[row]} came before"


@check
def features_as_of_their_event(examples: Examples, score: npt.NDArray[np.floating], without_future: npt.NDArray[np.floating]) -> str | None:
    """A ranker that has observed nothing after the examples scores them `[n]` as one that has observed everything."""
    row = first_true(~np.isclose(score, without_future, rtol=1e-3, atol=1e-3))
    if row is None:
        return None
    example = f"user {examples.user[row]} and song {examples.item[row]} at event {examples.position[row]}"
    return f"{example} score {score[row]:.4g}, and {without_future[row]:.4g} where later events are gone"


def early_examples(snapshot: Snapshot) -> Examples:
    """Exposures of the first part of the log: nearly all of it is their future, and a model of what came before them is quickly made."""
    examples = exposure_examples(snapshot, 0, int(len(snapshot.events) * EARLY))
    return examples.take(slice(max(len(examples) - SAMPLE, 0), len(examples)))


def without_future(snapshot: Snapshot, examples: Examples) -> Snapshot:
    """The snapshot without all that comes at or after the last of the examples `[n]`, n > 0."""
    last = int(examples.position.max())
    return replace(snapshot, events=snapshot.events.take(slice(0, last)), now=int(examples.ts.max()))


@check
def ordinal_has_no_clock_features(ranker: Ranker, examples: Examples, *, ordinal: bool) -> str | None:
    """Where times give order only, the hour and weekday of an example move no score."""
    if not ordinal or not len(examples):
        return None
    few = examples.take(_spread(len(examples)))
    moved = replace(few, ts=few.ts + CLOCK_SHIFT)
    row = first_true(~np.isclose(ranker.score_examples(few), ranker.score_examples(moved), rtol=1e-3, atol=1e-3))
    return None if row is None else f"{ranker.name} scores song {few.item[row]} differently at another hour"


def _spread(n: int) -> npt.NDArray[np.intp]:
    """At most `SAMPLE` of `n` rows, evenly spread."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, SAMPLE)).astype(np.intp))
