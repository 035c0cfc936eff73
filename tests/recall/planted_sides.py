"""Worlds in which only the long side, or only the session, says what a listener hears next."""

import numpy as np
from small_house import house

from recall.snapshot import SECONDS_PER_DAY, Snapshot

N_ARTISTS, SONGS_EACH, N_NOISE = 8, 6, 60
N_SONGS = N_ARTISTS * SONGS_EACH + N_NOISE
"""The last songs have no artist: noise."""
HOUR, MINUTE = 3_600 / SECONDS_PER_DAY, 60 / SECONDS_PER_DAY


def world(kind: str, n_users: int = 50, n_sessions: int = 9, seed: int = 0) -> tuple[Snapshot, np.ndarray]:
    """Sessions 30 hours apart, and the artist `[n_users]` whom each listener hears next; two more users hear nothing.

    `long`: every other session is of six songs by the listener's own artist; those between are two songs of noise, as the last one is.
    `short`: every session is of three to seven songs by an artist of its own, drawn anew, and the last one, of three, goes on.
    """
    rng = np.random.default_rng(seed)
    own, acts, artist = rng.integers(0, N_ARTISTS, n_users), [], np.zeros(n_users, np.int64)
    for user in range(n_users):
        for session in range(n_sessions):
            noise = kind == "long" and session % 2 == 0
            last = session == n_sessions - 1
            artist[user] = own[user] if kind == "long" else rng.integers(0, N_ARTISTS)
            n = (2 if noise else 6) if kind == "long" else (3 if last else int(rng.integers(3, 8)))
            songs = N_SONGS - N_NOISE + rng.integers(0, N_NOISE, n) if noise else artist[user] * SONGS_EACH + rng.integers(0, SONGS_EACH, n)
            acts += [((n_sessions - session) * 30 * HOUR - place * 4 * MINUTE, user, int(song)) for place, song in enumerate(songs)]
    acts.sort(key=lambda act: -act[0])
    snapshot = house(
        [(user, song) for _, user, song in acts],
        n_users=n_users + 2,
        n_songs=N_SONGS,
        days_ago=[ago for ago, _, _ in acts],
        artists=[song // SONGS_EACH if song < N_SONGS - N_NOISE else -1 for song in range(N_SONGS)],
        ordinal=False,
    )
    return snapshot, artist


def share_of(item: np.ndarray, artist: np.ndarray) -> float:
    """Share of the lists' songs `[n_users * k]` that are the artist's, by user in order."""
    return float((item.reshape(len(artist), -1) // SONGS_EACH == artist[:, None]).mean())
