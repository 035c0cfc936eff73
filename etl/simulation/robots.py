"""Listening that is no person's: accounts of shopping malls, click farms, and albums left on through the night.

What they play does not depend on the causes of `etl.simulation.causes`; the truth calls all of it `is_robot`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from etl.simulation.catalogue import LONGEST, START_DAY, World
from etl.simulation.choosing import ALBUM_SCENE, FULL, LIBRARY, PARTIAL, PLAYLIST, SKIP
from etl.simulation.draws import Floats, Ints, Mask
from etl.simulation.listeners import Listeners
from etl.simulation.schedule import FIRST_HOUR
from etl.simulation.settings import DAY, SimulationSettings

MALL, FARM, SLEEPER = 0, 1, 2
TURNS: Final = np.array([MALL, FARM, SLEEPER, MALL])
"""What the accounts that are no people are, in turn."""
GAP: Final = (245, 300)
"""Seconds from song to song of a mall or a night: never more than the longest song, of which the rest is cut off."""
ALL_DAY: Final = 0.25
"""Share of malls that play round the clock."""
SHUFFLED: Final = 0.4
"""Share of malls that shuffle."""
HANDLED: Final = 0.3
"""Share of malls whose staff now and then skip a song or give it a heart."""
CLOSED: Final = 0.04
FARM_HOURS, FARM_SPREAD, FARM_DAYS = 3.0, 0.7, 0.85
WHOLE: Final = 0.25
"""Share of farms that play whole songs instead of just enough to count."""
NIGHT: Final = 0.15
"""Chance that a sleeper leaves the music on."""
LIST_SIZES: Final = (15, 300)
FARM_SIZES: Final = (3, 13)


@dataclass(frozen=True)
class Looped:
    """Plays of a day that are no person's, `[n]` each, each account's in order of time."""

    user: Ints
    ts: Ints
    item: Ints
    kind: Ints
    """Kind of session, for the scene."""
    outcome: Ints
    seconds: Ints
    """Seconds from this song to the next: how long it can be heard at most."""
    ms: Ints
    """Milliseconds heard; -1: as much of the song as `seconds` allow."""
    heart: Mask
    searched: Mask

    @classmethod
    def of(cls, user: Ints, ts: Ints, item: Ints, kind: Ints, seconds: Ints) -> Looped:
        """Songs played to their end, and nothing else."""
        n = len(user)
        no, full = np.zeros(n, dtype=np.bool_), np.full(n, FULL)
        return cls(user, ts, item, kind, full, seconds, np.full(n, -1), no, no)


class Robots:
    """Draws who is no person, and what they play day by day."""

    def __init__(self, settings: SimulationSettings, world: World, listeners: Listeners, rng: np.random.Generator) -> None:
        """Of the accounts that are older than the period and have events."""
        self.rng, self.n_days = rng, settings.n_days
        users = rng.permutation(np.flatnonzero((listeners.signup_day < 0) & (listeners.activity > 0)))
        users = users[: round(settings.world.robot_share * settings.n_users)]
        role = TURNS[np.arange(len(users)) % len(TURNS)]
        self.malls, self.farms, self.sleepers = (users[role == code] for code in (MALL, FARM, SLEEPER))
        old = np.flatnonzero(world.song_day < START_DAY)
        self._open_malls(world, old)
        self._open_farms(world, old)
        self._albums(world, old)

    @property
    def accounts(self) -> Ints:
        """Accounts without any person."""
        return np.concatenate([self.malls, self.farms])

    def _open_malls(self, world: World, old: Ints) -> None:
        rng, n = self.rng, len(self.malls)
        all_day = rng.random(n) < ALL_DAY
        self.opens = np.where(all_day, FIRST_HOUR, rng.uniform(7.0, 10.0, n))
        self.closes = np.where(all_day, FIRST_HOUR + 24, rng.uniform(20.5, 23.5, n))
        self.shuffled, self.handled = rng.random(n) < SHUFFLED, rng.random(n) < HANDLED
        self.careless = rng.uniform(0, 0.015, n) * self.handled
        self.mall_kind = np.where(rng.random(n) < 0.75, PLAYLIST, LIBRARY)
        low, high = np.log(LIST_SIZES)
        self.list_size = np.minimum(np.exp(rng.uniform(low, high, n)).astype(np.int64), len(old))
        self.list_start = np.concatenate([[0], np.cumsum(self.list_size)])
        weight: Floats = world.song_weight[old] ** 0.5
        self.list_songs = old[rng.choice(len(old), int(self.list_start[-1]), p=weight / weight.sum())]
        self.list_place = rng.integers(0, 1 << 30, n)

    def _open_farms(self, world: World, old: Ints) -> None:
        """Each pushes a few songs of one artist."""
        rng, n = self.rng, len(self.farms)
        order = old[np.argsort(world.song_artist[old], kind="stable")]
        artists, start, count = np.unique(world.song_artist[order], return_index=True, return_counts=True)
        artist = rng.integers(0, len(artists), n)
        self.farm_songs, self.farm_start = order, start[artist]
        self.farm_size = np.minimum(rng.integers(*FARM_SIZES, n), count[artist])
        self.farm_whole = rng.random(n) < WHOLE
        self.farm_pace = np.where(self.farm_whole, LONGEST / 1000 - 40, rng.uniform(31, 46, n))

    def _albums(self, world: World, old: Ints) -> None:
        """Albums that were out before the period, for the nights."""
        self.albums, self.album_first, self.album_size = np.unique(world.song_album[old], return_index=True, return_counts=True)
        self.album_songs = old
        n = len(self.sleepers)
        self.until = np.zeros(n, dtype=np.int64)
        self.album = np.zeros(n, dtype=np.int64)
        self.place = np.zeros(n, dtype=np.int64)

    def mornings(self, day: int, busy: Ints) -> Looped:
        """What still plays from the night before when `day` begins; its listeners are busy until it ends."""
        begin = np.full(len(self.sleepers), day * DAY + FIRST_HOUR * 3600)
        busy[self.sleepers] = np.maximum(busy[self.sleepers], self.until)
        return self._album_loops(np.flatnonzero(self.until > begin), begin, self.until)

    def nights(self, day: int, busy: Ints) -> Looped:
        """Albums that sleepers leave on after their last session of `day`, until four or longer."""
        rng, n, end = self.rng, len(self.sleepers), day * DAY + (FIRST_HOUR + 24) * 3600
        begin = np.maximum(day * DAY + (rng.uniform(23.5, 25.5, n) * 3600).astype(np.int64), busy[self.sleepers] + 300)
        tonight = np.flatnonzero(rng.random(n) < NIGHT)
        self.until[tonight] = begin[tonight] + (rng.uniform(4.0, 7.0, n)[tonight] * 3600).astype(np.int64)
        if day == self.n_days - 1:
            self.until = np.minimum(self.until, end)
        self.album[tonight] = rng.integers(0, len(self.albums), n)[tonight]
        self.place[tonight] = 0
        return self._album_loops(tonight, begin, np.minimum(self.until, end))

    def _album_loops(self, rows: Ints, begin: Ints, until: Ints) -> Looped:
        row, ts, seconds, step = self._filled(rows, begin, until, *GAP)
        size = self.album_size[self.album[row]]
        item = self.album_songs[self.album_first[self.album[row]] + (self.place[row] + step) % size]
        np.add.at(self.place, row, 1)
        return Looped.of(self.sleepers[row], ts, item, np.full(len(row), ALBUM_SCENE), seconds)

    def shops(self, day: int) -> Looped:
        """Malls from opening to closing: their list in its order or shuffled; now and then somebody touches it."""
        rng, n = self.rng, len(self.malls)
        jitter = rng.normal(0, 600, (2, n)).astype(np.int64) * (self.closes - self.opens < 24)
        begin = day * DAY + (self.opens * 3600).astype(np.int64) + jitter[0]
        until = np.where(rng.random(n) < CLOSED, begin, day * DAY + (self.closes * 3600).astype(np.int64) + jitter[1])
        row, ts, seconds, step = self._filled(np.arange(n), begin, until, *GAP)
        place = np.where(self.shuffled[row], rng.integers(0, 1 << 30, len(row)), self.list_place[row] + step) % self.list_size[row]
        np.add.at(self.list_place, row, 1)
        looped = Looped.of(self.malls[row], ts, self.list_songs[self.list_start[row] + place], self.mall_kind[row], seconds)
        touched = rng.random(len(row))
        outcome = np.where(touched < self.careless[row], SKIP, FULL)
        ms = np.where(outcome == SKIP, rng.integers(3_000, 28_000, len(row)), -1)
        seconds = np.where(outcome == SKIP, ms // 1000, seconds)
        heart = self.handled[row] & (touched > 0.999)
        searched = self.handled[row] & (touched > 0.996) & ~heart
        return Looped(looped.user, ts, looped.item, looped.kind, outcome, seconds, ms, heart, searched)

    def farming(self, day: int) -> Looped:
        """Click farms in one stretch a day: a few songs over and over, mostly just long enough to count."""
        rng, n = self.rng, len(self.farms)
        hours = np.minimum(FARM_HOURS * rng.lognormal(0, FARM_SPREAD, n), 20) * (rng.random(n) < FARM_DAYS)
        begin = day * DAY + ((FIRST_HOUR + rng.random(n) * (24 - hours)) * 3600).astype(np.int64)
        row, ts, seconds, step = self._filled(np.arange(n), begin, begin + (hours * 3600).astype(np.int64), 0, 14, self.farm_pace)
        item = self.farm_songs[self.farm_start[row] + step % self.farm_size[row]]
        looped = Looped.of(self.farms[row], ts, item, np.full(len(row), LIBRARY), seconds)
        whole = self.farm_whole[row]
        ms = np.where(whole, -1, seconds * 1000 - rng.integers(0, 900, len(row)))
        outcome = np.where(whole, FULL, PARTIAL)
        clicked = rng.random(len(row)) < 0.004
        return Looped(looped.user, ts, item, looped.kind, outcome, seconds, ms, np.zeros(len(row), dtype=np.bool_), clicked)

    def _filled(
        self, rows: Ints, begin: Ints, until: Ints, low: int, high: int, pace: Floats | None = None
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Song after song from `begin` until `until` of each of `rows`: row, time, seconds to the next and step of each."""
        floor = np.zeros(len(begin)) if pace is None else pace
        most = np.ceil(np.maximum(until - begin, 0)[rows] / (floor[rows] + low + 1e-9)).astype(np.int64)
        if most.sum() == 0:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing, nothing
        row = np.repeat(rows, most)
        gap = (floor[row] + self.rng.uniform(low, high, len(row))).astype(np.int64)
        first = np.cumsum(most) - most
        step = np.arange(len(row)) - np.repeat(first, most)
        before = np.cumsum(gap) - gap
        ts = begin[row] + before - np.repeat(before[np.minimum(first, len(row) - 1)], most)
        kept = ts + gap <= until[row]
        return row[kept], ts[kept], gap[kept], step[kept]
