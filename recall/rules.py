"""Sequential rules: songs that people go on to (Kamehkhosh, Jannach and Ludewig, "A comparison of frequent pattern techniques and a
deep learning method for session-based recommendation", TempRec at RecSys 2017).

A rule `i → j` weighs the sum of `1 / distance` over the times that somebody heard `j` at most `distance` songs after `i`, here divided by
`(plays of i)^damping`. The paper applies the rules of the last song; here those of the last few apply, each earlier one less.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array, diags_array, eye_array

from etl.events import Events
from recall.candidates import Paths
from recall.histories import places_from_end, played_songs, user_song
from recall.item_based import ItemBased, ItemBasedRoute, nearest
from recall.route_settings import read_settings, write_settings
from recall.snapshot import Snapshot
from recall.top_k import csr


@dataclass(frozen=True)
class RulesSettings:
    """What follows what, and which songs it is asked of."""

    distance: int = 3
    """Songs at most so many places after a song follow it."""
    max_gap_minutes: float = 30.0
    """A song heard longer after the one before it does not follow what came earlier; where time is ordinal every next song follows."""
    damping: float = 0.5
    """A rule is divided by (plays of the song that it starts from)^damping: 1 makes it a share of them."""
    recent: int = 10
    """Songs of a listener, the latest, whose rules apply."""
    decay: float = 0.8
    """Weight of a song's rules beside those of the song heard after it."""
    neighbours: int = 200
    """Strongest rules kept of each song."""


class RulesRoute(ItemBasedRoute):
    """Score of a song: sum over the listener's latest songs of `decay^place * rule`."""

    name: ClassVar[str] = "rules"

    def __init__(self, settings: RulesSettings = RulesSettings()) -> None:
        self.settings = settings

    def fit(self, snapshot: Snapshot) -> None:
        """Count: there is nothing to learn."""
        self.observe(snapshot)

    def observe(self, snapshot: Snapshot) -> None:
        """Count what follows what, and take the latest songs of everybody."""
        settings, heard = self.settings, successions(snapshot.positives)
        rules = sequential_rules(heard, snapshot.catalogue.n_songs, settings, ordinal=snapshot.ordinal)
        place = places_from_end(heard.user)
        latest, place = heard.take(place < settings.recent), place[place < settings.recent]
        self.model = ItemBased(user_song(snapshot, latest, settings.decay**place), rules, played_songs(snapshot))

    def explain(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> Paths:
        """The latest song whose rule adds most to the score."""
        return Paths.one_hop(self.model.evidence(users, items), items, "FOLLOWED_BY")

    def save(self, folder: Path) -> None:
        """Write the settings; the counts are those of whatever snapshot is observed."""
        write_settings(folder, self.settings)

    @classmethod
    def load(cls, folder: Path, snapshot: Snapshot) -> Self:
        """The route with its saved settings, having observed `snapshot`."""
        route = cls(read_settings(folder, RulesSettings))
        route.observe(snapshot)
        return route


def successions(events: Events) -> Events:
    """The events ordered by user, then time, without those of the song that the same user's event before was of."""
    ordered = events.take(np.argsort(events.user, kind="stable"))
    again = np.zeros(len(ordered), dtype=bool)
    again[1:] = (ordered.user[1:] == ordered.user[:-1]) & (ordered.item[1:] == ordered.item[:-1])
    return ordered.take(~again)


def sequential_rules(heard: Events, n_songs: int, settings: RulesSettings, *, ordinal: bool) -> csr_array:
    """`[n_songs, n_songs]` row → column: the strongest rules of each song, from what each user heard in order."""
    starts = np.ones(len(heard), dtype=bool)
    starts[1:] = heard.user[1:] != heard.user[:-1]
    if not ordinal:
        starts[1:] |= np.diff(heard.ts) > settings.max_gap_minutes * 60
    run = np.cumsum(starts)
    rules = csr_array((n_songs, n_songs), dtype=np.float32)
    for distance in range(1, settings.distance + 1):
        first = np.flatnonzero(run[distance:] == run[:-distance])
        pairs = heard.item[first], heard.item[first + distance]
        rules += coo_array((np.full(len(first), 1 / distance, np.float32), pairs), shape=(n_songs, n_songs)).tocsr()
    plays = np.maximum(np.bincount(heard.item, minlength=n_songs), 1).astype(np.float64)
    return nearest(csr(diags_array(plays**-settings.damping) @ rules), csr(eye_array(n_songs)), settings.neighbours)
