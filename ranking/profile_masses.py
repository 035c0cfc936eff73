"""User profile as numbers: how much a listener had liked and refused a song's facets, older acts counting less, as of any moment.

The masses are those of `etl.user_profile` by the same rules, on the facts of the snapshot: a running decayed sum for each listener and
facet value, so that a moment is one search. Liking and refusing never cancel.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from etl.profile_rules import DEFAULT_RULES, ProfileRules
from ranking.domain_masses import DecayedMass
from ranking.facets import FACET_RELATIONS
from ranking.own_clock import OwnClock
from ranking.ranker import Examples
from ranking.song_rows import FacetRows, max_of
from recall.snapshot import Snapshot

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SIGNS: Final = ("liking", "refusal")
MASSES: Final = (
    *SIGNS,  # log of all that the listener has liked and refused
    *(f"song_{sign}" for sign in SIGNS),  # of this song
    *(f"{facet}_{sign}" for facet in FACET_RELATIONS for sign in SIGNS),  # of its facets; the strongest of several
)
"""Names of the columns of `ProfileMasses.of`, in order."""


class _Acts(NamedTuple):
    """Acts of one sign, `[n]` in time order."""

    row: Ints
    """Event positions."""
    user: Ints
    item: Ints
    clock: Ints
    mass: Floats
    is_song: npt.NDArray[np.bool_]
    """False for a blocked artist, whose item is the artist."""


class ProfileMasses:
    """Answers `MASSES` for any examples on one snapshot. Nothing at or after an example's position has a part in its row."""

    def __init__(self, snapshot: Snapshot, rows: Ints | None = None, rules: ProfileRules = DEFAULT_RULES) -> None:
        """From all events, or from those at `rows` (ascending): all of the listeners who will be asked for."""
        rows = np.arange(len(snapshot.events)) if rows is None else rows
        self._clock = OwnClock(snapshot, rows[snapshot.events.behaviour[rows] >= 0])
        self._half_life = np.array([rules.half_life(ordinal=snapshot.ordinal)])
        self._n_songs = max(snapshot.catalogue.n_songs, 1)
        self._facets = [FacetRows.of(snapshot.projection, relation) for relation in FACET_RELATIONS.values()]
        signals = _signals(snapshot, rows, rules)
        acts = [self._acts(snapshot, rows, sign * signals) for sign in (1, -1)]
        self._total = [self._mass(one.user, one, np.arange(len(one.row))) for one in acts]
        self._song = [self._of_songs(one) for one in acts]
        self._of_facet = [
            [self._of_facets(rows, one, facet == "artist") for one in acts]
            for facet, rows in zip(FACET_RELATIONS, self._facets, strict=True)
        ]

    def of(self, examples: Examples) -> npt.NDArray[np.float32]:
        """`[n, len(MASSES)]` logs of one plus the masses of the examples `[n]`."""
        user, item, before = examples.user.astype(np.int64), examples.item.astype(np.int64), examples.position
        clock = self._clock.of(user, before, examples.ts)
        columns = [mass.before(user, before, clock)[:, 0] for mass in self._total]
        columns += [mass.before(user * self._n_songs + item, before, clock)[:, 0] for mass in self._song]
        for rows, masses in zip(self._facets, self._of_facet, strict=True):
            owner, node = rows.expand(item)
            keys = rows.key(user[owner], node)
            columns += [max_of(mass.before(keys, before[owner], clock[owner])[:, 0], owner, len(item), 0.0) for mass in masses]
        return np.log1p(np.stack(columns, axis=1)).astype(np.float32)

    def _acts(self, snapshot: Snapshot, rows: Ints, signal: Floats) -> _Acts:
        events = snapshot.events
        is_song = events.item[rows] < snapshot.catalogue.n_songs
        counts = np.flatnonzero((signal > 0) & (is_song | (events.behaviour[rows] == Behaviour.BLOCK_ARTIST)))
        row = rows[counts]
        user, item = events.user[row].astype(np.int64), events.item[row].astype(np.int64)
        return _Acts(row, user, item, self._clock.of(user, row + 1, events.ts[row]), signal[counts], is_song[counts])

    def _of_songs(self, acts: _Acts) -> DecayedMass:
        of = np.flatnonzero(acts.is_song)
        return self._mass(acts.user[of] * self._n_songs + acts.item[of], acts, of)

    def _of_facets(self, rows: FacetRows, acts: _Acts, of_artist: bool) -> DecayedMass:
        """Masses of facet values; a blocked artist is one, where artists are the facet."""
        of = np.flatnonzero(acts.is_song)
        owner, node = rows.expand(acts.item[of])
        of = of[owner]
        if of_artist:
            blocked = np.flatnonzero(~acts.is_song)
            of, node = np.concatenate((of, blocked)), np.concatenate((node, acts.item[blocked]))
            order = np.argsort(of, kind="stable")
            of, node = of[order], node[order]
        return self._mass(rows.key(acts.user[of], node), acts, of)

    def _mass(self, keys: Ints, acts: _Acts, of: npt.NDArray[np.intp]) -> DecayedMass:
        return DecayedMass.of(keys, acts.row[of], acts.clock[of], acts.mass[of], self._half_life)


def _signals(snapshot: Snapshot, rows: Ints, rules: ProfileRules) -> Floats:
    """`[n]` signed mass of the events at `rows`; hidden ones (a behaviour below 0) have none."""
    events = snapshot.events.take(rows)
    result: Floats = np.where(events.behaviour >= 0, rules.signals(events, snapshot.sentiment(rows)), 0.0)
    return result
