"""Users' histories as sparse matrices `[n_users, n_songs]`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.events import Events
from recall.snapshot import Snapshot
from recall.top_k import csr


def half_life_decay(age: npt.NDArray[np.float64], half_life: float) -> npt.NDArray[np.float64]:
    """0.5^(age / half_life), `[n]`: what an event still counts at that age (same unit)."""
    return np.exp2(-age / half_life)


def user_song(snapshot: Snapshot, events: Events, weight: npt.NDArray[np.floating]) -> csr_array:
    """Sum of the events' weights `[n_events]` for each user and song, columns sorted."""
    shape = (snapshot.catalogue.n_users, snapshot.catalogue.n_songs)
    return csr(csr_array((weight.astype(np.float64), (events.user, events.item)), shape=shape))


def played_songs(snapshot: Snapshot) -> csr_array:
    """1 for every song that the user has played, however briefly: these are no longer new."""
    plays = snapshot.plays
    matrix = user_song(snapshot, plays, np.ones(len(plays)))
    matrix.data[:] = 1
    return matrix
