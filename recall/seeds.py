"""Where evidence in the graph starts from: the songs that a user liked lately, decayed by age, and how many people know each node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.behaviours import NEGATIVE, PLAYED, Behaviour
from etl.errors import UserError
from etl.event_rows import compiled, rows_by_user
from etl.events import Events
from recall.histories import half_life_decay, user_song
from recall.snapshot import Snapshot


@dataclass(frozen=True)
class SeedSettings:
    """What of a history counts as evidence. Defaults chosen on the validation part of a real listening log."""

    half_life_days: float = 30.0
    """A song of the history counts half after so many days."""
    half_life_plays: float = 20.0
    """The same where time is ordinal, in later positive events of the user."""
    repeat_power: float = 0.5
    """The decayed count of a song's positives is raised to it: hearing a song often is not hearing many songs of an artist."""
    negative_weight: float = 0.0
    """What a skip, dislike or block of a song takes away, in units of one positive event; 0: nothing."""
    max_seeds: int = 500
    """At most so many songs of a user are seeds: those of largest weight."""


def user_seeds(snapshot: Snapshot, settings: SeedSettings) -> csr_array:
    """Weight of every user's seeds, `[n_users, n_songs]`: decayed positives to a power, minus decayed negatives."""

    def decayed(events: Events) -> csr_array:
        half_life = settings.half_life_plays if snapshot.ordinal else settings.half_life_days
        return user_song(snapshot, events, half_life_decay(snapshot.age(events), half_life) * events.count)

    seeds = decayed(snapshot.positives)
    seeds.data **= np.float32(settings.repeat_power)
    if settings.negative_weight:
        negatives = snapshot.events.of(*NEGATIVE).of_songs(snapshot.catalogue.n_songs)
        seeds = csr_array(seeds - settings.negative_weight * decayed(negatives))
    return _heaviest(seeds, settings.max_seeds)


def listeners(snapshot: Snapshot) -> npt.NDArray[np.int64]:
    """How many users ever played each song, or met another entity with any behaviour but exposure, `[n_nodes]`."""
    events, n_songs, n_nodes = snapshot.events, snapshot.catalogue.n_songs, snapshot.projection.n_nodes
    met = np.isin(events.behaviour, PLAYED) | ((events.item >= n_songs) & (events.behaviour != Behaviour.EXPOSURE))
    user = events.user[met]
    rows, _ = rows_by_user(user, snapshot.catalogue.n_users)
    return np.asarray(_distinct_users(user[rows], events.item[met][rows], n_nodes))


@compiled
def _distinct_users(user: Any, node: Any, n_nodes: int) -> Any:
    """Distinct users of each node `[n_nodes]`, from pairs `[n]` that come grouped by user."""
    count, latest = np.zeros(n_nodes, np.int64), np.full(n_nodes, -1, np.int64)
    for i in range(len(user)):
        if latest[node[i]] != user[i]:
            latest[node[i]] = user[i]
            count[node[i]] += 1
    return count


def check_above_zero(settings: object, section: str, *names: str) -> None:
    """Raise `UserError` for the first of the settings `names` that is not greater than 0."""
    for name in names:
        if not getattr(settings, name) > 0:
            raise UserError(f"{name} = {getattr(settings, name)} in [{section}] must be greater than 0: set it so or leave it out")


def _heaviest(matrix: csr_array, n: int) -> csr_array:
    """Only the `n` entries of largest absolute value of each row, ties by column."""
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, -np.abs(matrix.data), row))
    kept = np.sort(order[np.arange(len(order)) - matrix.indptr[row[order]] < n])
    return csr_array((matrix.data[kept], (row[kept], matrix.indices[kept])), shape=matrix.shape)
