"""Clicks on a large planted service, as columns: what rankers that hash are timed on."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

N_USERS: Final = 20_000
N_SONGS: Final = 100_000
N_ARTISTS, N_ALBUMS, N_STYLES, N_TAGS = 8_000, 20_000, 40, 300
COLUMNS: Final = (
    *("user", "song", "artist", "album", "style", "language", "era", "tag"),
    *("hour", "weekday", "scene", "gender", "age", "country", "signup"),
)
CROSSES: Final = (
    *(("user", other) for other in ("artist", "style", "language", "era", "tag", "scene", "song")),
    *(("song", "hour"), ("song", "scene"), ("artist", "scene"), ("style", "hour"), ("style", "age")),
    *(("artist", "gender"), ("tag", "country")),
)
"""With the bias and the columns 30 features."""


def _skewed(rng: np.random.Generator, n: int, size: int, skew: float) -> npt.NDArray[np.int64]:
    """Draws from `n` things whose shares fall about as rank^-skew, ranks in a random order."""
    rank = np.floor(n * rng.random(size) ** (1.0 / (1.0 - skew))).astype(np.int64)
    return rng.permutation(n)[np.minimum(rank, n - 1)]


def planted_clicks(n: int, seed: int = 0) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Codes `[n, 15]` and labels: users like three styles and one language each, some artists and songs are better, scenes have styles."""
    rng = np.random.default_rng(seed)
    user, song = _skewed(rng, N_USERS, n, 0.5), _skewed(rng, N_SONGS, n, 0.6)
    artist_of, album_of = _skewed(rng, N_ARTISTS, N_SONGS, 0.4), rng.integers(0, N_ALBUMS, N_SONGS)
    style_of, language_of = rng.integers(0, N_STYLES, N_ARTISTS), rng.integers(0, 8, N_ARTISTS)
    artist = artist_of[song]
    style, language = style_of[artist], language_of[artist]
    era, tag = rng.integers(0, 7, N_SONGS)[song], rng.integers(0, N_TAGS, N_SONGS)[song]
    context = (rng.integers(0, 24, n), rng.integers(0, 7, n), rng.integers(0, 6, n))
    profile = (rng.integers(0, 3, N_USERS), rng.integers(0, 8, N_USERS), _skewed(rng, 50, N_USERS, 0.5), rng.integers(0, 60, N_USERS))
    liked = (rng.integers(0, N_STYLES, (N_USERS, 3))[user] == style[:, None]).any(axis=1)
    spoken = rng.integers(0, 8, N_USERS)[user] == language
    logit = -1.8 + 1.6 * liked + 1.0 * spoken + rng.normal(0, 0.5, N_ARTISTS)[artist] + rng.normal(0, 0.4, N_SONGS)[song]
    logit += rng.normal(0, 0.5, (6, N_STYLES))[context[2], style]
    columns = (user, song, artist, album_of[song], style, language, era, tag, *context, *(of_user[user] for of_user in profile))
    return np.stack(columns, axis=1).astype(np.int32), (rng.random(n) < expit(logit)).astype(np.float32)
