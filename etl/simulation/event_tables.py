"""A day's events and comments as tables of the source contract."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from etl.simulation.comments import write
from etl.simulation.draws import Ints
from etl.simulation.engine import Day, Engine
from etl.simulation.keys import ids, labels, numbered
from etl.simulation.rows import BEHAVIOURS, COMMENT, KINDS, SCENES
from etl.simulation.settings import START_TS

AFTER: Final = "p"
"""Ends the id of an event on a playlist, which is else that of the play that it stands after."""


class EventTables:
    """Turns days into tables; every id is made once."""

    def __init__(self, engine: Engine) -> None:
        counts = (engine.world.n_songs, len(engine.facts.mv_song), len(engine.facts.mlog_song), engine.world.n_artists)
        self._items = pl.concat([ids(kind, np.arange(n)) for kind, n in zip(KINDS, counts, strict=True)])
        self._first_item = np.cumsum([0, *counts])
        self._playlists = ids("playlist", np.arange(engine.facts.n_playlists))
        self._users = ids("user", np.arange(engine.listeners.n_users))
        self._words = engine.of_words

    def events(self, day: Day) -> pl.DataFrame:
        """`events`, in order of time; `position` is where an exposure stood in its list, from 1."""
        rows, acts = day.rows, day.playlists
        table = pl.DataFrame(
            {
                "event_id": numbered("event", day.first_event, len(rows.ts)),
                "user_id": self._users.gather(rows.user),
                "item_id": self._items.gather(self._first_item[rows.kind] + day.item),
                "behaviour": labels(BEHAVIOURS, rows.behaviour),
                "ts": START_TS + rows.ts,
                "item_kind": labels(KINDS, rows.kind),
                "scene": labels(SCENES, rows.scene),
                "play_ms": _known(day.play_ms),
                "is_organic": rows.organic.astype(np.bool_),
                "position": _known(rows.position.astype(np.int64)),
            }
        )
        opened = table[acts.row].with_columns(
            event_id=pl.col("event_id") + AFTER,
            item_id=self._playlists.gather(acts.playlist),
            behaviour=labels(BEHAVIOURS, acts.behaviour),
            item_kind=pl.lit("playlist"),
            play_ms=pl.lit(None, dtype=table.schema["play_ms"]),
        )
        place = np.argsort(np.concatenate([np.arange(len(table)), acts.row]), kind="stable")
        return pl.concat([table, opened])[place]

    def comments(self, day: Day) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The text of each comment event (same user, song and time), and its truth: `event_id, mood, is_ironic`."""
        at = np.flatnonzero(day.rows.behaviour == COMMENT)
        mood = day.rows.mood[at]
        text, ironic = write(self._words, mood.astype(np.int8))
        texts = pl.DataFrame(
            {
                "user_id": self._users.gather(day.rows.user[at]),
                "song_id": self._items.gather(day.item[at]),
                "ts": START_TS + day.rows.ts[at],
                "text": text,
            }
        )
        return texts, pl.DataFrame({"event_id": ids("event", day.first_event + at), "mood": mood, "is_ironic": ironic})


def _known(values: Ints) -> pl.Series:
    """Null where a value is negative."""
    return pl.select(pl.when(pl.Series(values) >= 0).then(pl.Series(values))).to_series()
