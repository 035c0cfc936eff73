"""The days of a simulated service, one after another: memory holds one day and the listeners, whatever the number of days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from etl.simulation.affinity import Minds
from etl.simulation.catalogue import START_DAY, World, build_world
from etl.simulation.causes import Live
from etl.simulation.choosing import ITEM, Picks, Steps, choose_songs
from etl.simulation.draws import Ints
from etl.simulation.facts import Facts, build_facts
from etl.simulation.history import LENGTH, decay_of_age, new_ring
from etl.simulation.links import build_links
from etl.simulation.listeners import Listeners, Tastes, build_listeners, build_tastes
from etl.simulation.outcomes import refusal_codes
from etl.simulation.playlist_acts import PlaylistActs, playlist_acts
from etl.simulation.refusals import new_refusals
from etl.simulation.robots import Robots
from etl.simulation.rows import BEHAVIOURS, KINDS, PLAY, Rows, rows_of
from etl.simulation.schedule import DayPlan, Schedule
from etl.simulation.settings import SimulationSettings


@dataclass(frozen=True)
class Day:
    """Events of a service day in order of time, and why its songs were heard."""

    first_event: int
    """Number of the day's first event; the others follow."""
    rows: Rows
    item: Ints
    """Song, video or artist of each event, by number."""
    play_ms: Ints
    """Milliseconds heard; -1 where the event is no play."""
    picks: Picks
    """A row for each step (`rows.step`)."""
    playlists: PlaylistActs
    """Further events, on playlists, which have no number of their own."""


class Engine:
    """One simulated service: its world, and its days in turn. Reading the days a second time needs a new engine."""

    def __init__(self, settings: SimulationSettings) -> None:
        seeds = np.random.SeedSequence(settings.seed).spawn(9)
        rngs = [np.random.default_rng(seed) for seed in seeds]
        of_world, of_facts, of_tastes, of_listeners, of_times, self._of_minds, of_robots, self.of_names, self.of_words = rngs
        self.settings = settings
        self.world: World = build_world(settings, of_world)
        self.facts: Facts = build_facts(settings, self.world, of_facts)
        self.tastes: Tastes = build_tastes(settings, self.world, of_tastes)
        self.listeners: Listeners = build_listeners(settings, self.world, of_listeners)
        self.robots = Robots(settings, self.world, self.listeners, of_robots)
        self.schedule = Schedule(settings, self.listeners, self.robots.sleepers, of_times)
        self._seed = np.uint64(seeds[0].generate_state(1, np.uint64)[0])

    def days(self) -> Iterator[Day]:
        """Every service day in turn."""
        live, first = self._live(), 0
        for day in range(self.settings.n_days):
            minds = Minds(self.listeners.interests.on(day), live.minds.preference, live.minds.disliked)
            live = live._replace(minds=minds)
            plan, rows = self._plan(day)
            step_event = np.full(len(plan.heard.ts), -1, dtype=np.int64)
            plays = np.flatnonzero((rows.behaviour == PLAY) & (rows.step >= 0))
            step_event[rows.step[plays]] = first + plays
            picks = choose_songs(live, plan.sessions, _steps(plan, step_event), START_DAY + day, self._seed)
            yield self._day(first, rows, picks, playlist_acts(plan, rows, picks))
            first += len(rows.ts)
            minds.preference[:] += self._of_minds.normal(0, self.settings.world.walk, minds.preference.shape)

    def _live(self) -> Live:
        settings, listeners = self.settings, self.listeners
        links = build_links(self.world, self.facts, self.tastes, listeners, settings.world.strengths)
        minds = Minds(listeners.interests.on(0), listeners.preference.astype(np.float32), listeners.disliked_style)
        ring, n = new_ring(settings.n_users)
        decay = decay_of_age(settings.n_days + 1, settings.repeat_decay)
        return Live(
            links, minds, ring, n, new_refusals(settings.n_users), decay, np.empty(LENGTH), np.zeros(1, dtype=np.uint64), np.full(5, -1)
        )

    def _plan(self, day: int) -> tuple[DayPlan, Rows]:
        """When everything of the day happens, robots included."""
        schedule, robots = self.schedule, self.robots
        loops = [robots.mornings(day, schedule.busy)]
        plan = schedule.day(day, robots.accounts)
        loops += [robots.nights(day, schedule.busy), robots.shops(day), robots.farming(day)]
        return plan, rows_of(plan, loops)

    def _day(self, first: int, rows: Rows, picks: Picks, playlists: PlaylistActs) -> Day:
        of_step = picks[rows.step, ITEM] if len(picks) else np.full(len(rows.ts), -1)
        item = np.where(rows.step >= 0, of_step, rows.item).astype(np.int64)
        songs = np.where(rows.kind == KINDS.index("song"), item, 0)
        blocked = rows.behaviour == BEHAVIOURS.index("block_artist")
        item[blocked] = self.world.song_artist[item[blocked]]
        heard = (rows.share.astype(np.float64) * self.world.song_ms[songs]).astype(np.int64)
        ms = np.where(rows.ms < 0, heard, np.where(rows.robot == 1, np.minimum(rows.ms, heard), rows.ms))
        return Day(first, rows, item, np.where(rows.behaviour == PLAY, ms, -1), picks, playlists)


def _steps(plan: DayPlan, event: Ints) -> Steps:
    heard = plan.heard
    return Steps(
        ts=heard.ts + 1,
        event=event,
        again=heard.again.astype(np.int8),
        outcome=heard.outcome.astype(np.int8),
        heart=heard.collect,
        refusal=refusal_codes(heard.refusal).astype(np.int8),
    )
