"""How cold is cold: listeners told apart by what was known of them, and songs of which facts alone speak.

The slices of `evaluation.json` are a fixed list, so these groups are metrics of their own within them: `recall_one_event` and so on,
recall@K over the pairs of the group. A group without a relevant pair has no row.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.point_in_time import released
from kg_recall.evaluation.report import ColdGroup
from kg_recall.moments import Window
from recall.snapshot import Snapshot

FEW: Final = 5
"""Events of a listener of whom a little is known, at most."""
NOTHING: Final = ColdGroup("cold_user", "recall_nothing_known", "no event, empty profile")
PROFILE: Final = ColdGroup("cold_user", "recall_profile_only", "no event, a profile")
ONE: Final = ColdGroup("all", "recall_one_event", "one event")
SOME: Final = ColdGroup("all", "recall_few_events", f"2–{FEW} events")
FACTS: Final = ColdGroup("cold_song", "recall_facts_only", "songs of facts alone")
"""Out at the moment of the lists, with a fact and without a play in the train part."""


def cold_groups(pairs: Window, before: Snapshot, training_plays: npt.NDArray[np.int64]) -> dict[ColdGroup, npt.NDArray[np.bool_]]:
    """Mask `[n]` of each group that has a pair; of users no two groups share one.

    Args:
        pairs: what was relevant, `[n]`.
        before: what was known when the lists were made.
        training_plays: `[n_songs]` plays of each song in the train part.
    """
    n_events, filled = source_events(before), has_profile(before.catalogue.users)
    # A song that came out later may not be listed by anybody: of it no route could be told well or ill.
    out = released(before.catalogue, before.now) | before.ordinal
    n, facts_only = n_events[pairs.user], has_facts(before) & (training_plays == 0) & out
    groups = {
        NOTHING: (n == 0) & ~filled[pairs.user],
        PROFILE: (n == 0) & filled[pairs.user],
        ONE: n == 1,
        SOME: (n > 1) & (n <= FEW),
        FACTS: facts_only[pairs.item],
    }
    return {group: mask for group, mask in groups.items() if mask.any()}


def source_events(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """`[n_users]` events of each user as the source gave them: what is derived from an event does not count again."""
    events = snapshot.events
    _, first = np.unique(events.source, return_index=True)
    return np.bincount(events.user[first], minlength=snapshot.catalogue.n_users)


def has_profile(users: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """`[n_users]` whether any column beside the id says something; blank text says nothing."""
    columns = [name for name in users.columns if name != "user_id"]
    if not columns:
        return np.zeros(users.height, dtype=bool)
    filled = [
        (pl.col(name).str.strip_chars() != "").fill_null(False) if users.schema[name] == pl.String else pl.col(name).is_not_null()
        for name in columns
    ]
    return users.select(pl.any_horizontal(filled)).to_series().to_numpy()


def has_facts(snapshot: Snapshot) -> npt.NDArray[np.bool_]:
    """`[n_songs]` whether any fact that is known at the snapshot's moment speaks of the song."""
    return np.asarray(np.diff(snapshot.projection.indptr[: snapshot.catalogue.n_songs + 1]) > 0)
