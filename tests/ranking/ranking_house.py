"""A small service with exposures, clocks and a graph, made from a seed."""

import numpy as np
import polars as pl

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from graph.projection import Projection
from ranking.examples import exposure_examples
from ranking.ranker import Examples
from recall.snapshot import Snapshot

N_SONGS, N_ARTISTS, N_STYLES = 40, 8, 3


def events_of(user, item, behaviour, ts, source=None) -> Events:
    n = len(user)
    return Events(
        user=np.asarray(user, np.int32),
        item=np.asarray(item, np.int32),
        behaviour=np.asarray(behaviour, np.int8),
        ts=np.asarray(ts, np.int64),
        scene=np.zeros(n, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=np.arange(n, dtype=np.int64) if source is None else np.asarray(source, np.int64),
    )


def catalogue(n_users: int) -> tuple[Catalogue, Projection]:
    """Song i is by artist i % N_ARTISTS in style i % N_STYLES; the last song has no facts at all."""
    songs = [f"song:{i:02d}" for i in range(N_SONGS)]
    others = [f"artist:{a}" for a in range(N_ARTISTS)] + [f"style:{s}" for s in range(N_STYLES)]
    keys = songs + others
    entities = pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys})
    song_frame = pl.DataFrame({"song_id": [key[5:] for key in songs], "title": songs})
    users = pl.DataFrame(
        {
            "user_id": [f"u{u:03d}" for u in range(n_users)],
            "gender": [None if u % 5 == 0 else "fm"[u % 2] for u in range(n_users)],
            "birth_year": [None if u % 7 == 0 else 1970 + u % 30 for u in range(n_users)],
        },
        schema={"user_id": pl.String, "gender": pl.String, "birth_year": pl.Int64},
    )
    head = np.arange(N_SONGS - 1)
    tail = np.concatenate((N_SONGS + head % N_ARTISTS, N_SONGS + N_ARTISTS + head % N_STYLES))
    relation = np.array(["SUNG_BY"] * len(head) + ["HAS_STYLE"] * len(head), dtype=object)
    return Catalogue(entities, song_frame, users), Projection.build(keys, keys, N_SONGS, np.tile(head, 2), relation, tail)


def service(n_users: int = 30, n_exposures: int = 1_500, seed: int = 0) -> Snapshot:
    """Listeners like one artist each; they play (fully) what is shown of that artist, and little else."""
    rng = np.random.default_rng(seed)
    known, projection = catalogue(n_users)
    user = rng.integers(0, n_users, n_exposures)
    item = rng.integers(0, N_SONGS, n_exposures)
    answered = rng.random(n_exposures) < np.where(item % N_ARTISTS == user % N_ARTISTS, 0.9, 0.1)
    moment = 1_000_000_000 + np.sort(rng.integers(0, 30 * 86_400, n_exposures))
    row = np.repeat(np.arange(n_exposures), 1 + 2 * answered)
    step = np.arange(len(row)) - np.searchsorted(row, row)
    behaviour = np.array([Behaviour.EXPOSURE, Behaviour.PLAY, Behaviour.FULL_PLAY])[step]
    source = np.cumsum(step < 2) - 1
    events = events_of(user[row], item[row], behaviour, moment[row], source)
    return Snapshot(known, events, projection, now=int(moment[-1]) + 3_600, seed=seed)


def parts(snapshot: Snapshot) -> tuple[Examples, Examples]:
    """Examples to learn from and to stop on: the exposures of the first four fifths of the log, and of the last one."""
    cut = int(len(snapshot.events) * 0.8)
    return exposure_examples(snapshot, 0, cut), exposure_examples(snapshot, cut, len(snapshot.events))
