"""A few songs with facets and random logs of them, for the tests of profiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from etl.lake import COMMENT_SCHEMA, REJECTED_SCHEMA, TRIPLE_SCHEMA, Lake

DAY = 86_400
START = 1_600_000_000
KEYS = (
    "song:1", "song:2", "song:3", "album:b", "artist:x", "artist:y", "mv:m", "style:folk", "language:en", "era:2010s",
    "tag:emotion/calm", "tag:scene/night", "tag:tempo/slow",
)  # fmt: skip
FACTS = (
    ("song:1", "SUNG_BY", "artist:x", 1.0, None),
    ("song:1", "SUNG_BY", "artist:y", 1.0, None),
    ("song:1", "IN_ALBUM", "album:b", 1.0, None),
    ("song:1", "HAS_STYLE", "style:folk", 0.5, None),
    ("song:1", "TAGGED", "tag:scene/night", 0.25, START + 5 * DAY),
    ("song:2", "SUNG_BY", "artist:y", 1.0, START - DAY),
    ("song:2", "IN_LANGUAGE", "language:en", 1.0, None),
    ("song:2", "FROM_ERA", "era:2010s", 1.0, None),
    ("song:2", "TAGGED", "tag:emotion/calm", 1.0, None),
    ("song:2", "TAGGED", "tag:tempo/slow", 0.75, None),
    ("song:1", "SUNG_BY", "album:b", 1.0, None),
    ("artist:x", "INFLUENCED_BY", "artist:y", 1.0, None),
    ("album:b", "RELEASED_BY", "artist:x", 1.0, None),
)
"""Facts of the first two songs; the third has none. The last three are no facets of a song."""
N_SONGS, N_USERS = 3, 4
ARTIST_X, MV = KEYS.index("artist:x"), KEYS.index("mv:m")


def catalogue() -> Catalogue:
    kinds, names = zip(*((key.split(":")[0], key.split(":")[1].split("/")[-1]) for key in KEYS), strict=True)
    entities = pl.DataFrame({"key": KEYS, "kind": kinds, "name": names})
    songs = pl.DataFrame({"song_id": ["1", "2", "3"], "title": ["One", "Two", "Three"], "artist": ["X, Y", "Y", None], "popularity": 9.0})
    return Catalogue(entities, songs, pl.DataFrame({"user_id": [f"u{user}" for user in range(N_USERS)]}))


def triples() -> pl.DataFrame:
    rows = [(head, relation, tail, "songs", confidence, since) for head, relation, tail, confidence, since in FACTS]
    return pl.DataFrame(rows, schema=TRIPLE_SCHEMA, orient="row")


def log(rows: Sequence[tuple[Any, ...]]) -> Events:
    """Events of rows `user, item, behaviour, ts[, count[, source]]`, in the order given."""
    n = len(rows)
    whole = [(*row, *(1.0, place)[len(row) - 4 :]) for place, row in enumerate(rows)]
    user, item, behaviour, ts, count, source = zip(*whole, strict=True) if n else ((),) * 6
    return Events(
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(behaviour, np.int8),
        np.array(ts, np.int64),
        np.full(n, -1, np.int16),
        np.full(n, -1, np.int32),
        np.full(n, -1, np.int8),
        np.array(count, np.float32),
        np.array(source, np.int64),
    )


def lake(events: Events, comments: pl.DataFrame | None = None, users: pl.DataFrame | None = None) -> Lake:
    things = catalogue()
    if users is not None:
        things = Catalogue(things.entities, things.songs, users)
    comments = pl.DataFrame(schema=COMMENT_SCHEMA) if comments is None else comments
    return Lake(things, events, triples(), comments, pl.DataFrame(schema=REJECTED_SCHEMA), ("daily", "fm"))


def played(user: int, item: int, ts: int, outcome: Behaviour | None, source: int) -> list[tuple[Any, ...]]:
    """A play and what is derived from it."""
    rows = [(user, item, Behaviour.PLAY, ts, 1.0, source)]
    return rows if outcome is None else [*rows, (user, item, outcome, ts, 1.0, source)]
