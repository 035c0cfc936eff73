"""Decaying masses in a hash table: what each user's acts have put on each facet value, every entry with its own moment.

Entries fill columns of slots in the order in which they first appear. A table with open addressing and linear probing, never more
than half full, finds the slot of a (user, value); a chain through the slots finds all of a user's.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.user_profile import grown, jit

FREE: Final = -1
_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing, Knuth, TAOCP 3, 6.4
_HIGH: Final = np.uint64(32)


class Masses(NamedTuple):
    """Columns by slot `[capacity]`, and the table."""

    user: npt.NDArray[np.int32]
    value: npt.NDArray[np.int32]
    """Entity id."""
    positive: npt.NDArray[np.float64]
    negative: npt.NDArray[np.float64]
    moment: npt.NDArray[np.int64]
    """Unix second, or number of the user's act, that both masses are of."""
    earlier: npt.NDArray[np.int32]
    """The slot that the user got before this one; `FREE` at the first."""
    table: npt.NDArray[np.int32]
    """`[2 * capacity]`, a power of two: slots, or `FREE`."""
    used: npt.NDArray[np.int64]
    """`[1]` number of slots in use."""

    @classmethod
    def empty(cls, capacity: int) -> Masses:
        """No masses, and room for `capacity` (a power of two)."""
        return cls(
            user=np.empty(capacity, np.int32),
            value=np.empty(capacity, np.int32),
            positive=np.empty(capacity),
            negative=np.empty(capacity),
            moment=np.empty(capacity, np.int64),
            earlier=np.empty(capacity, np.int32),
            table=np.full(2 * capacity, FREE, np.int32),
            used=np.zeros(1, np.int64),
        )

    @property
    def room(self) -> int:
        """Number of free slots."""
        return int(len(self.user) - self.used[0])

    def doubled(self) -> Masses:
        """The same slots with twice the capacity."""
        size = 2 * len(self.user)
        wider = Masses(
            user=grown(self.user, size),
            value=grown(self.value, size),
            positive=grown(self.positive, size),
            negative=grown(self.negative, size),
            moment=grown(self.moment, size),
            earlier=grown(self.earlier, size),
            table=np.full(2 * size, FREE, np.int32),
            used=self.used,
        )
        _fill_table(wider)
        return wider


class Acts(NamedTuple):
    """What is kept of each user `[n_users]`."""

    latest: npt.NDArray[np.int32]
    """The slot that the user got last; `FREE` without any."""
    clock: npt.NDArray[np.int64]
    """Time of the latest act, or, where time is ordinal, number of acts."""
    source: npt.NDArray[np.int64]
    """`source` of the last event: what is derived from it is the same act."""

    @classmethod
    def none(cls, n_users: int, start: int) -> Acts:
        """Users without acts, their clocks at `start`."""
        return cls(np.full(n_users, FREE, np.int32), np.full(n_users, start, np.int64), np.full(n_users, FREE, np.int64))

    def widened(self, n_users: int, start: int) -> Acts:
        """The same users and more, `n_users` in all."""
        wider = Acts.none(n_users, start)
        known = len(self.clock)
        wider.latest[:known], wider.clock[:known], wider.source[:known] = self
        return wider


class Facts(NamedTuple):
    """Columns of `SongFacets`."""

    offsets: npt.NDArray[np.int64]
    value: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]
    valid_from: npt.NDArray[np.int64]


@jit
def _place(table: Any, users: Any, values: Any, user: int, value: int) -> Any:
    """Where the slot of (user, value) stands in the table, or where it would go."""
    last = np.uint64(len(table) - 1)
    key = (np.uint64(user) << _HIGH | np.uint64(value)) * _MIXER
    place = (key >> _HIGH ^ key >> np.uint64(16)) & last
    while table[place] != FREE and (users[table[place]] != user or values[table[place]] != value):
        place = (place + np.uint64(1)) & last
    return place


@jit
def _fill_table(masses: Any) -> None:
    for slot in range(masses.used[0]):
        masses.table[_place(masses.table, masses.user, masses.value, masses.user[slot], masses.value[slot])] = slot


@jit
def _slot(masses: Any, acts: Any, user: int, value: int, moment: int) -> Any:
    """The slot of (user, value), a new one without mass if there was none."""
    place = _place(masses.table, masses.user, masses.value, user, value)
    slot = masses.table[place]
    if slot == FREE:
        slot = masses.used[0]
        masses.used[0] += 1
        masses.table[place] = slot
        masses.user[slot], masses.value[slot], masses.moment[slot] = user, value, moment
        masses.positive[slot] = masses.negative[slot] = 0.0
        masses.earlier[slot], acts.latest[user] = acts.latest[user], slot
    return slot


@jit
def _add(masses: Any, acts: Any, user: int, value: int, mass: float, moment: int, half_life: float) -> None:
    slot = _slot(masses, acts, user, value, moment)
    gap = moment - masses.moment[slot]
    if gap > 0:
        left = np.exp2(-gap / half_life)
        masses.positive[slot] *= left
        masses.negative[slot] *= left
        masses.moment[slot] = moment
    elif gap < 0:
        mass *= np.exp2(gap / half_life)
    if mass > 0:
        masses.positive[slot] += mass
    else:
        masses.negative[slot] -= mass


@jit
def take_act(
    masses: Any, acts: Any, facts: Any, user: int, item: int, mass: float, ts: int, source: int, half_life: float, ordinal: bool
) -> None:
    """Add one event's mass to each facet of its item; there must be room for them all.

    `item` is a song, n_songs + the entity that the mass falls on itself, or -1; `source` is negative for an act of its own.
    """
    if ordinal:
        acts.clock[user] += source < 0 or source != acts.source[user]
        acts.source[user] = source
    else:
        acts.clock[user] = max(acts.clock[user], ts)
    if mass == 0 or item < 0:
        return
    moment = acts.clock[user] if ordinal else ts
    n_songs = len(facts.offsets) - 1
    if item >= n_songs:
        _add(masses, acts, user, item - n_songs, mass, moment, half_life)
        return
    for fact in range(facts.offsets[item], facts.offsets[item + 1]):
        if facts.valid_from[fact] <= ts:
            _add(masses, acts, user, facts.value[fact], mass * facts.weight[fact], moment, half_life)


@jit
def take_acts(
    masses: Any,
    acts: Any,
    facts: Any,
    user: Any,
    item: Any,
    mass: Any,
    ts: Any,
    source: Any,
    row: int,
    most: int,
    half_life: float,
    ordinal: bool,
) -> Any:
    """`take_act` of the rows from `row` on, for as long as there is room for `most` new slots; the first row not taken."""
    while row < len(user) and len(masses.user) - masses.used[0] >= most:
        take_act(masses, acts, facts, user[row], item[row], mass[row], ts[row], source[row], half_life, ordinal)
        row += 1
    return row


@jit
def read_user(masses: Any, latest: int, now: int, half_life: float) -> Any:
    """Values `[n]`, positive and negative mass at `now` of the user whose last slot is `latest`; newest value first."""
    n, slot = 0, latest
    while slot != FREE:
        n, slot = n + 1, masses.earlier[slot]
    value, positive, negative = np.empty(n, dtype=np.int32), np.empty(n), np.empty(n)
    slot = latest
    for place in range(n):
        left = np.exp2(-(now - masses.moment[slot]) / half_life)
        value[place], positive[place], negative[place] = masses.value[slot], masses.positive[slot] * left, masses.negative[slot] * left
        slot = masses.earlier[slot]
    return value, positive, negative
