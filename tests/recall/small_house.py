"""A house of a few songs and listeners, for the tests of the counting routes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from graph.projection import Projection
from recall.snapshot import SECONDS_PER_DAY, Snapshot

NOW = 1_000 * int(SECONDS_PER_DAY)


def house(
    plays: Sequence[tuple[int, int]],
    *,
    n_users: int,
    n_songs: int,
    days_ago: Sequence[float] | None = None,
    behaviour: Sequence[Behaviour] | None = None,
    count: Sequence[float] | None = None,
    albums: Sequence[int] | None = None,
    artists: Sequence[int] | None = None,
    ordinal: bool = True,
) -> Snapshot:
    """Full plays `(user, song)` in time order; `albums` and `artists` give each song's, -1 for none."""
    n = len(plays)
    user, item = (np.array([play[side] for play in plays], dtype=np.int32) for side in (0, 1))
    ago = np.array(days_ago if days_ago is not None else np.arange(n, 0, -1) / 1440, dtype=np.float64)
    events = Events(
        user=user,
        item=item,
        behaviour=np.array(behaviour if behaviour is not None else [Behaviour.FULL_PLAY] * n, dtype=np.int8),
        ts=(NOW - ago * SECONDS_PER_DAY).astype(np.int64),
        scene=np.full(n, -1, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.array(count if count is not None else [1.0] * n, dtype=np.float32),
        source=np.arange(n, dtype=np.int64),
    )
    keys, projection = _graph(n_songs, albums or [-1] * n_songs, artists or [-1] * n_songs)
    catalogue = Catalogue(
        entities=pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys}),
        songs=pl.DataFrame({"song_id": [str(song) for song in range(n_songs)], "release_ts": pl.Series([None] * n_songs, dtype=pl.Int64)}),
        users=pl.DataFrame({"user_id": [str(row) for row in range(n_users)]}),
    )
    return Snapshot(catalogue, events, projection, NOW, ordinal=ordinal)


def _graph(n_songs: int, albums: Sequence[int], artists: Sequence[int]) -> tuple[list[str], Projection]:
    keys = [f"song:{song}" for song in range(n_songs)]
    heads, relations, tails = [], [], []
    for kind, relation, of_song in (("album", "IN_ALBUM", albums), ("artist", "SUNG_BY", artists)):
        first = len(keys)
        keys += [f"{kind}:{number}" for number in range(max(of_song) + 1)]
        for song, number in enumerate(of_song):
            if number >= 0:
                heads.append(song)
                relations.append(relation)
                tails.append(first + number)
    return keys, Projection.build(keys, keys, n_songs, heads, relations, tails)


def random_plays(seed: int, n: int, n_users: int, n_songs: int) -> list[tuple[int, int]]:
    """`n` plays, some users without any, popular songs first."""
    rng = np.random.default_rng(seed)
    songs = np.minimum(rng.geometric(0.15, n) - 1, n_songs - 1)
    return list(zip(rng.integers(0, max(n_users - 1, 1), n).tolist(), songs.tolist(), strict=True))


def dense_lists(
    scores: npt.NDArray[np.float32], users: npt.NDArray[np.int32], k: int, left_out: npt.NDArray[np.bool_] | None = None
) -> list[tuple[int, int]]:
    """The definition of a list: the `k` largest positive scores of each user, ties by song, as (user, song)."""
    rows = []
    for user in users:
        ranked = sorted((-score, song) for song, score in enumerate(scores[user].tolist()) if score > 0)
        kept = [song for _, song in ranked if left_out is None or not left_out[user, song]]
        rows += [(int(user), song) for song in kept[:k]]
    return rows
