"""Users' histories as sparse matrices `[n_users, n_songs]`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from etl.events import Events
from recall.snapshot import Snapshot
from recall.top_k import csr


@dataclass(frozen=True)
class HistorySettings:
    """What of a history counts, and how much."""

    max_history: int = 1000
    """Only so many latest positive events of a user are counted: bounds the pairs of a very long history."""
    half_life_days: float = 30.0
    """A song of the history counts half after so many days."""
    half_life_plays: float = 50.0
    """The same where time is ordinal, in later plays of the user."""


def latest_positives(snapshot: Snapshot, settings: HistorySettings) -> Events:
    """Each user's `max_history` latest positive events, in time order."""
    events = snapshot.positives
    return events.take(places_from_end(events.user) < settings.max_history)


def decayed_history(snapshot: Snapshot, settings: HistorySettings) -> csr_array:
    """`[n_users, n_songs]` sum of the latest positive events, each `count` halved once in every half-life of its age."""
    events = latest_positives(snapshot, settings)
    half_life = settings.half_life_plays if snapshot.ordinal else settings.half_life_days
    return user_song(snapshot, events, half_life_decay(snapshot.age(events), half_life) * events.count)


def half_life_decay(age: npt.NDArray[np.float64], half_life: float) -> npt.NDArray[np.float64]:
    """0.5^(age / half_life), `[n]`: what an event still counts at that age (same unit)."""
    return np.exp2(-age / half_life)


def user_song(snapshot: Snapshot, events: Events, weight: npt.NDArray[np.floating]) -> csr_array:
    """Sum of the events' weights `[n_events]` for each user and song, columns sorted."""
    shape = (snapshot.catalogue.n_users, snapshot.catalogue.n_songs)
    return csr(csr_array((weight.astype(np.float64), (events.user, events.item)), shape=shape))


def distinct_pairs(snapshot: Snapshot, events: Events) -> csr_array:
    """1 for every user and song of the events."""
    matrix = user_song(snapshot, events, np.ones(len(events)))
    matrix.data[:] = 1
    return matrix


def played_songs(snapshot: Snapshot) -> csr_array:
    """1 for every song that the user has played, however briefly: these are no longer new."""
    return distinct_pairs(snapshot, snapshot.plays)


def places_from_end(user: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """For each event `[n]` in time order: how many later events its user has."""
    order = np.argsort(user, kind="stable")
    end = np.searchsorted(user[order], user[order], side="right")
    places = np.empty(len(user), dtype=np.int64)
    places[order] = end - 1 - np.arange(len(user))
    return places
