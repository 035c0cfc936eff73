"""A small service where every behaviour occurs, and replays of an artist into one of its domains."""

import dataclasses

import numpy as np
import polars as pl
from ranking_house import N_ARTISTS, N_SONGS, catalogue, events_of

from etl.behaviours import Behaviour
from etl.events import Events
from recall.snapshot import Snapshot

AFTER = {
    True: ((), (Behaviour.CLICK, Behaviour.PLAY, Behaviour.FULL_PLAY), (Behaviour.PLAY, Behaviour.FULL_PLAY, Behaviour.COLLECT)),
    False: ((), (), (Behaviour.PLAY, Behaviour.SKIP), (Behaviour.PLAY, Behaviour.SKIP, Behaviour.DISLIKE)),
}
"""What may follow an exposure of a song that its listener likes, or does not."""


def rich_service(n_users: int = 30, n_exposures: int = 1_500, seed: int = 0) -> Snapshot:
    """Listeners like the songs of one artist and refuse those of most others; some of them say so in comments."""
    rng = np.random.default_rng(seed)
    known, projection = catalogue(n_users)
    rows: list[tuple[int, int, int, int, int]] = []
    moments = 1_000_000_000 + np.sort(rng.integers(0, 30 * 86_400, n_exposures))
    for moment in moments.tolist():
        user, song = int(rng.integers(n_users)), int(rng.integers(N_SONGS))
        likes = bool(song % N_ARTISTS == user % N_ARTISTS) ^ bool(rng.random() < 0.1)
        acts = AFTER[likes][rng.integers(len(AFTER[likes]))]
        said = (Behaviour.COMMENT,) if rng.random() < 0.05 else ()
        first = len(rows)
        for act in (Behaviour.EXPOSURE, *acts, *said):
            derived = act in (Behaviour.FULL_PLAY, Behaviour.SKIP)
            rows.append((user, song, int(act), moment, rows[-1][4] if derived else len(rows)))
        assert len(rows) > first
    user, item, behaviour, ts, source = (np.array(column) for column in zip(*rows, strict=True))
    events = events_of(user, item, behaviour, ts, source)
    said = behaviour == Behaviour.COMMENT
    likes = item[said] % N_ARTISTS == user[said] % N_ARTISTS
    comments = pl.DataFrame(
        {"user": user[said], "item": item[said], "ts": ts[said], "sentiment": np.where(likes, 0.8, -0.7)},
        schema={"user": pl.Int32, "item": pl.Int32, "ts": pl.Int64, "sentiment": pl.Float32},
    )
    return Snapshot(known, events, projection, now=int(ts[-1]) + 3_600, seed=seed, scenes=("daily",), comments=comments)


def replayed(house: Snapshot, user: int, songs: np.ndarray, *acts: Behaviour, ago: int = 600) -> Snapshot:
    """The house after `user` has done the acts on each of `songs`, `ago` seconds before now; acts on one song share a source."""
    n, each = len(songs), len(acts)
    ts = np.full(n * each, house.now - ago)
    source = int(house.events.source.max(initial=-1)) + 1 + np.repeat(np.arange(n), each)
    added = events_of(np.full(n * each, user), np.repeat(songs, each), np.tile(acts, n), ts, source)
    together = {
        field.name: np.concatenate((getattr(house.events, field.name), getattr(added, field.name))) for field in dataclasses.fields(Events)
    }
    order = np.argsort(together["ts"], kind="stable")
    return dataclasses.replace(house, events=Events(**{name: column[order] for name, column in together.items()}))
