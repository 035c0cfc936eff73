"""Decaying masses in a hash table: what each user's acts have put on each facet value, every entry with its own moment.

Entries fill slots in the order in which they first appear; a slot is one record, so that an update touches one place in memory. A table
with open addressing and linear probing, never more than half full, finds the slot of a (user, value); a chain through the slots finds
all of a user's.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled
from etl.user_profile import grown

FREE: Final = -1
MASS: Final = np.dtype(
    [
        ("user", np.int32),
        ("value", np.int32),
        ("positive", np.float64),
        ("negative", np.float64),
        ("moment", np.int64),
        ("earlier", np.int64),
    ]
)
"""One slot: `value` is an entity id; both masses are of `moment`, a Unix second or the number of the user's act; `earlier` is the slot that
the user got before this one, `FREE` at the first."""
_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing, Knuth, TAOCP 3, 6.4
_HIGH: Final = np.uint64(32)


class Masses(NamedTuple):
    """The slots, and the table."""

    slots: npt.NDArray[np.void]
    """`[capacity]` of `MASS`."""
    table: npt.NDArray[np.int32]
    """`[2 * capacity]`, a power of two: slots, or `FREE`."""
    used: npt.NDArray[np.int64]
    """`[1]` number of slots in use."""

    @classmethod
    def empty(cls, capacity: int) -> Masses:
        """No masses, and room for `capacity` (a power of two)."""
        return cls(np.empty(capacity, MASS), np.full(2 * capacity, FREE, np.int32), np.zeros(1, np.int64))

    @property
    def room(self) -> int:
        """Number of free slots."""
        return int(len(self.slots) - self.used[0])

    @property
    def taken(self) -> npt.NDArray[np.void]:
        """`[used]` slots in use."""
        return self.slots[: self.used[0]]

    def doubled(self) -> Masses:
        """The same slots with twice the capacity."""
        size = 2 * len(self.slots)
        wider = Masses(grown(self.slots, size), np.full(2 * size, FREE, np.int32), self.used)
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


@compiled
def _place(table: Any, slots: Any, user: int, value: int) -> Any:
    """Where the slot of (user, value) stands in the table, or where it would go."""
    last = np.uint64(len(table) - 1)
    key = (np.uint64(user) << _HIGH | np.uint64(value)) * _MIXER
    place = (key >> _HIGH ^ key >> np.uint64(16)) & last
    while table[place] != FREE and (slots[table[place]].user != user or slots[table[place]].value != value):
        place = (place + np.uint64(1)) & last
    return place


@compiled
def _fill_table(masses: Any) -> None:
    for slot in range(masses.used[0]):
        masses.table[_place(masses.table, masses.slots, masses.slots[slot].user, masses.slots[slot].value)] = slot


@compiled
def _slot(masses: Any, acts: Any, user: int, value: int, moment: int) -> Any:
    """The slot of (user, value), a new one without mass if there was none."""
    place = _place(masses.table, masses.slots, user, value)
    slot = masses.table[place]
    if slot == FREE:
        slot = masses.used[0]
        masses.used[0] += 1
        masses.table[place] = slot
        new = masses.slots[slot]
        new.user, new.value, new.moment = user, value, moment
        new.positive = 0.0
        new.negative = 0.0
        new.earlier = acts.latest[user]
        acts.latest[user] = slot
    return slot


@compiled
def _add(masses: Any, acts: Any, user: int, value: int, mass: float, moment: int, half_life: float) -> None:
    own = masses.slots[_slot(masses, acts, user, value, moment)]
    gap = moment - own.moment
    if gap > 0:
        left = np.exp2(-gap / half_life)
        own.positive *= left
        own.negative *= left
        own.moment = moment
    elif gap < 0:
        mass *= np.exp2(gap / half_life)
    if mass > 0:
        own.positive += mass
    else:
        own.negative -= mass


@compiled
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


@compiled
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
    while row < len(user) and len(masses.slots) - masses.used[0] >= most:
        take_act(masses, acts, facts, user[row], item[row], mass[row], ts[row], source[row], half_life, ordinal)
        row += 1
    return row


@compiled
def read_user(masses: Any, latest: int, now: int, half_life: float) -> Any:
    """Values `[n]`, positive and negative mass at `now` of the user whose last slot is `latest`; newest value first."""
    n, slot = 0, latest
    while slot != FREE:
        n, slot = n + 1, masses.slots[slot].earlier
    value, positive, negative = np.empty(n, dtype=np.int32), np.empty(n), np.empty(n)
    slot = latest
    for place in range(n):
        own = masses.slots[slot]
        left = np.exp2(-(now - own.moment) / half_life)
        value[place], positive[place], negative[place] = own.value, own.positive * left, own.negative * left
        slot = own.earlier
    return value, positive, negative
