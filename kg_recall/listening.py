"""What a user has heard, and what all have heard, at a snapshot's moment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recall.snapshot import Snapshot


def is_played(snapshot: Snapshot, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """`[n]` true where the user has played the song before the snapshot's moment."""
    n_songs, plays = snapshot.catalogue.n_songs, snapshot.plays_of(np.unique(user))
    return np.asarray(np.isin(pair_code(user, item, n_songs), pair_code(plays.user, plays.item, n_songs)))


def popularity_order(snapshot: Snapshot) -> npt.NDArray[np.int32]:
    """All songs, most played first, ties by id: `[n_songs]`."""
    counts = np.bincount(snapshot.plays.item, weights=snapshot.plays.count, minlength=snapshot.catalogue.n_songs)
    return np.argsort(-counts, kind="stable").astype(np.int32)


def pair_code(user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], n_songs: int) -> npt.NDArray[np.int64]:
    """One integer `[n]` for each pair of user and song."""
    return user.astype(np.int64) * n_songs + item
