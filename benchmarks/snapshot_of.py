"""Histories as the house sees them: a snapshot without facts, its times giving order only."""

from __future__ import annotations

import numpy as np
import polars as pl
from leave_last import Histories

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from graph.projection import Projection
from recall.snapshot import Snapshot


def snapshot_of(histories: Histories, n_items: int, seed: int = 0) -> Snapshot:
    """Every item of the histories is a full play, a minute after the one before."""
    n = len(histories.item)
    place = np.arange(n) - np.repeat(histories.offsets[:-1], np.diff(histories.offsets))
    order = np.argsort(place, kind="stable")
    events = Events(
        user=histories.user[order].astype(np.int32),
        item=histories.item[order].astype(np.int32),
        behaviour=np.full(n, Behaviour.FULL_PLAY, np.int8),
        ts=place[order] * 60,
        scene=np.full(n, -1, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=np.arange(n),
    )
    keys = [f"song:{item}" for item in range(n_items)]
    catalogue = Catalogue(
        entities=pl.DataFrame({"key": keys, "kind": ["song"] * n_items, "name": keys}),
        songs=pl.DataFrame({"song_id": [key[5:] for key in keys], "release_ts": pl.Series([None] * n_items, dtype=pl.Int64)}),
        users=pl.DataFrame({"user_id": [str(user) for user in range(histories.n_users)]}),
    )
    projection = Projection.build(keys, keys, n_items, [], [], [])
    return Snapshot(catalogue, events, projection, int(place.max(initial=0)) * 60 + 60, ordinal=True, seed=seed)
