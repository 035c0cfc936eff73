"""The days of a simulated service: who listens when, what is shown, what is played, and what they do with it.

All listeners of a time of day go through their session together, one step at a time: a step is a few column operations.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

import numpy as np

from etl.simulation.affinity import affinity
from etl.simulation.catalogue import START_DAY, World
from etl.simulation.causes import Causes, Moment, Picks
from etl.simulation.draws import Floats, Ints, Mask, choose, sigmoid
from etl.simulation.facts import Facts
from etl.simulation.history import History
from etl.simulation.listeners import Listeners, Tastes
from etl.simulation.log import KINDS, SCENES, EventLog
from etl.simulation.settings import CAUSE, DAY, START_TS, SimulationSettings, Strengths

SLOT_START: Final = np.array([6.5, 11.5, 17.0, 20.8])
"""Hour at which sessions of the morning, noon, evening and night begin at the earliest; they begin within two hours."""
SLOT_SHARE: Final = np.array([0.2, 0.2, 0.27, 0.33])
WEEKEND = 1.35
MAX_STEPS = 12
SLATE = 10
ORGANIC_SCENES: Final = {"library": 0.34, "playlist": 0.26, "album": 0.16, "search": 0.24}
ORGANIC_REPEAT: Final = {"library": 1.5, "playlist": 0.7, "album": 0.5, "search": 0.9}
"""A scene's factor on the listener's chance of a repeat."""
SHOWN_SCENES: Final = {"daily": 0.52, "fm": 0.4, "mv": 0.08}
SLATE_SOURCES: Final = {
    "interest": 0.36, "popularity": 0.20, "chance": 0.10, "repeat": 0.10, "artist": 0.09, "style": 0.05, "drama": 0.06, "show": 0.04,
}  # fmt: skip


class Service:
    """One run of the simulated service; `run` fills `log`."""

    def __init__(self, settings: SimulationSettings, world: World, facts: Facts, tastes: Tastes, listeners: Listeners, rng: np.random.Generator) -> None:
        self.settings, self.world, self.facts, self.listeners, self.rng = settings, world, facts, listeners, rng
        self.strengths: Strengths = settings.strengths
        self.history = History(listeners.n_users)
        self.causes = Causes(world, facts, tastes, listeners, self.history, settings.repeat_decay)
        self.refused = Refusals(listeners.n_users, world)
        self.log = EventLog()
        self._mixture = np.array([getattr(self.strengths, name) if name in STRENGTH_NAMES else 0.0 for name in CAUSE])
        self._mixture[CAUSE["playlist"]] = 0.0
        self._slate = np.array([SLATE_SOURCES.get(name, 0.0) * self._is_on(name) for name in CAUSE])

    def _is_on(self, name: str) -> bool:
        return name not in STRENGTH_NAMES or getattr(self.strengths, name) > 0

    def run(self) -> None:
        """Every day and every time of day, in turn."""
        for day in range(self.settings.n_days):
            self.listeners.drift(self.rng)
            self.causes.start_day(day, START_DAY + day, self.listeners.on(day))
            for slot in range(len(SLOT_START)):
                self._slot(day, slot)

    def _slot(self, day: int, slot: int) -> None:
        """Sessions of one time of day: at most one a listener."""
        weekend = WEEKEND if (START_DAY + day + 3) % 7 >= 5 else 1.0
        chance = self.listeners.activity * SLOT_SHARE[slot] * weekend * (self.listeners.signup_day <= day)
        users = np.flatnonzero(self.rng.random(self.listeners.n_users) < -np.expm1(-chance))
        if not len(users):
            return
        start = START_TS + day * DAY + ((SLOT_START[slot] + 2 * self.rng.random(len(users))) * 3600).astype(np.int64)
        active = self.causes.interests.style[users] >= 0
        preference = np.where(active, np.exp(self.listeners.preference[users, slot]), 0.0)
        moment = Moment(users, choose(self.rng, preference), start)
        organic = self.rng.random(len(users)) < self.listeners.organic_share[users]
        self._organic(moment.take(np.flatnonzero(organic)))
        shown = np.flatnonzero(~organic)
        scenes = _scenes(self.rng, SHOWN_SCENES, len(shown))
        for name, session in (("daily", self._daily), ("fm", self._fm), ("mv", self._videos)):
            rows = shown[scenes == SCENES.index(name)]
            if len(rows):
                session(moment.take(rows))

    def _organic(self, moment: Moment) -> None:
        """The listener's own choices, one song after another."""
        n = len(moment.users)
        scene = _scenes(self.rng, ORGANIC_SCENES, n)
        length = np.minimum(1 + self.rng.poisson(4.5, n), MAX_STEPS)
        playlist = self._playlist(moment, scene)
        factor = np.array([ORGANIC_REPEAT.get(name, 0.0) for name in SCENES])[scene]
        repeat = np.minimum(0.95, self.listeners.repeat_share[moment.users] * factor)
        last, now = Picks.empty(n), moment.now
        for step in range(MAX_STEPS):
            rows = np.flatnonzero(length > step)
            if not len(rows):
                break
            here = replace(moment, now=now).take(rows)
            picks = self._next(here, last.take(rows), scene[rows], playlist[rows], repeat[rows])
            rows, here, picks = self._allowed(rows, here, picks)
            events, end = self._play(here, picks, scene[rows], organic=True)
            last.put(rows, replace(picks, event=events))
            now = now.copy()
            now[rows] = end

    def _next(self, moment: Moment, last: Picks, scene: Ints, playlist: Ints, repeat: Floats) -> Picks:
        """The next song of own sessions: the playlist's, the album's next track, a repeat, or any other cause."""
        n = len(moment.users)
        other = choose(self.rng, np.broadcast_to(self._mixture, (n, len(self._mixture))))
        causes = np.where(self.rng.random(n) < repeat, CAUSE["repeat"], other)
        picks = self.causes.draw(self.rng, causes, moment)
        listed = np.flatnonzero((playlist >= 0) & (self.rng.random(n) < self.strengths.playlist))
        before = last.take(listed)
        before.item[before.cause != CAUSE["playlist"]] = -1
        before.event[before.cause != CAUSE["playlist"]] = -1
        picks.put(listed, self.causes.from_playlist(self.rng, playlist[listed], before))
        if self.strengths.album > 0:
            on_album = np.flatnonzero((scene == SCENES.index("album")) & (self.rng.random(n) < 0.8))
            picks.put(on_album, self.causes.next_track(last.take(on_album)))
        return picks

    def _playlist(self, moment: Moment, scene: Ints) -> Ints:
        """Playlist of each session in the playlist's scene, in the style of the moment where there is one; else -1."""
        style = self.causes.interests.style[moment.users, moment.interest]
        fitting = self.causes.of_style.draw(self.rng, style)
        anything = self.rng.integers(0, self.facts.n_playlists, len(style))
        chosen = np.where((fitting >= 0) & (self.rng.random(len(style)) < 0.85), fitting, anything)
        return np.where(scene == SCENES.index("playlist"), chosen, -1)

    def _shown(self, moment: Moment) -> tuple[Ints, Mask]:
        """Ten songs for each listener, `[n, SLATE]`, and which of them are shown: neither twice nor refused."""
        n = len(moment.users)
        each = moment.take(np.repeat(np.arange(n), SLATE))
        sources = choose(self.rng, np.broadcast_to(self._slate, (n * SLATE, len(self._slate))))
        items = self.causes.draw(self.rng, sources, each).item.reshape(n, SLATE)
        refused = self.refused.blocks(each.users, items.ravel()).reshape(n, SLATE)
        twice = np.tril(items[:, :, None] == items[:, None, :], k=-1).any(axis=2)
        return items, ~refused & ~twice

    def _daily(self, moment: Moment) -> None:
        """A list: shown at once; what is wanted is clicked and played from the top."""
        items, shown = self._shown(moment)
        position = np.cumsum(shown, axis=1)
        want = affinity(self.causes, self.listeners, self.strengths, moment, items)
        users = np.repeat(moment.users[:, None], SLATE, axis=1)
        at = np.repeat(moment.now[:, None], SLATE, axis=1)
        self.log.add("exposure", "daily", users[shown], items[shown], at[shown], organic=0, position=position[shown])
        clicked = shown & (self.rng.random(want.shape) < sigmoid(1.5 * want - 4.0 - 0.06 * position))
        now = moment.now + 5
        for column in range(SLATE):
            rows = np.flatnonzero(clicked[:, column])
            if len(rows):
                here, song = replace(moment, now=now).take(rows), items[rows, column]
                self.log.add("click", "daily", here.users, song, here.now, organic=0)
                now = now.copy()
                now[rows] = self._play(here, Picks.of(song, "recommended"), "daily", organic=False, want=want[rows, column])[1]

    def _fm(self, moment: Moment) -> None:
        """A stream: each song plays as it comes, until the listener leaves; two unwanted songs and most do."""
        items, shown = self._shown(moment)
        want = affinity(self.causes, self.listeners, self.strengths, moment, items)
        patience = 2 + self.rng.poisson(4.0, len(moment.users))
        now = moment.now.copy()
        for column in range(SLATE):
            rows = np.flatnonzero(shown[:, column] & (patience > 0))
            if len(rows):
                here, song = replace(moment, now=now).take(rows), items[rows, column]
                place = shown[rows, : column + 1].sum(axis=1)
                self.log.add("exposure", "fm", here.users, song, here.now, organic=0, position=place)
                now = now.copy()
                now[rows] = self._play(here, Picks.of(song, "recommended"), "fm", organic=False, want=want[rows, column])[1]
                patience[rows] -= 1 + (want[rows, column] < 0.8)

    def _videos(self, moment: Moment) -> None:
        """MVs and Mlogs of wanted songs: shown, and some of them clicked and played."""
        n = len(moment.users)
        is_mv = self.rng.random((n, 6)) < 0.5
        video = np.where(is_mv, self.rng.integers(0, len(self.facts.mv_song), (n, 6)), self.rng.integers(0, len(self.facts.mlog_song), (n, 6)))
        of_mv = self.facts.mv_song[np.minimum(video, len(self.facts.mv_song) - 1)]
        songs = np.where(is_mv, of_mv, self.facts.mlog_song[np.minimum(video, len(self.facts.mlog_song) - 1)])
        kinds = np.where(is_mv, KINDS.index("mv"), KINDS.index("mlog"))
        shown = self.world.song_day[songs] <= self.causes.today
        want = affinity(self.causes, self.listeners, self.strengths, moment, songs)
        clicked = shown & (self.rng.random((n, 6)) < sigmoid(1.5 * want - 3.4))
        users, place = np.repeat(moment.users[:, None], 6, axis=1), np.broadcast_to(np.arange(1, 7), (n, 6))
        at = moment.now[:, None] + 60 * np.arange(6)
        self.log.add("exposure", "mv", users[shown], video[shown], at[shown], organic=0, position=place[shown], kind=kinds[shown])
        for behaviour, later in (("click", 2), ("play", 3)):
            heard = self.rng.integers(8_000, 57_000, int(clicked.sum())) if behaviour == "play" else -1
            when = at[clicked] + later
            self.log.add(behaviour, "mv", users[clicked], video[clicked], when, organic=0, play_ms=heard, kind=kinds[clicked])

    def _allowed(self, rows: Ints, moment: Moment, picks: Picks) -> tuple[Ints, Moment, Picks]:
        """Without rows whose song the listener has refused: there the step passes in silence."""
        kept = np.flatnonzero(~self.refused.blocks(moment.users, picks.item))
        return rows[kept], moment.take(kept), picks.take(kept)

    def _play(self, moment: Moment, picks: Picks, scene: Ints | str, *, organic: bool, want: Floats | None = None) -> tuple[Ints, Ints]:
        """Play songs as long as they please; returns the rows of the plays in the log and the time after them."""
        users, items, n = moment.users, picks.item, len(moment.users)
        if want is None:
            want = affinity(self.causes, self.listeners, self.strengths, moment, items[:, None])[:, 0]
        u = self.rng.random(n)
        full = u < sigmoid(1.1 * want - (0.9 if organic else 1.7))
        skip = ~full & (self.rng.random(n) < sigmoid(1.2 - 0.8 * want))
        share = np.where(full, self.rng.uniform(0.84, 1.0, n), self.rng.uniform(0.2, 0.75, n))
        play_ms = np.where(skip, self.rng.integers(2_000, 28_000, n), (share * self.world.song_ms[items]).astype(np.int64))
        searched = np.flatnonzero(scene == SCENES.index("search")) if not isinstance(scene, str) else np.empty(0, dtype=np.int64)
        self.log.add("click", "search", users[searched], items[searched], moment.now[searched], organic=1)
        started = moment.now + 1
        events = self.log.add("play", scene, users, items, started, organic=organic, play_ms=play_ms)
        self.log.explain(events, picks)
        self.history.add(users, items, started, events, np.where(full, 1.0, np.where(skip, 0.0, 0.4)))
        end = started + play_ms // 1000 + 1
        self._respond(users, items, end, scene, organic, full, skip, want)
        return events, end + 2

    def _respond(self, users: Ints, items: Ints, ts: Ints, scene: Ints | str, organic: bool, full: Mask, skip: Mask, want: Floats) -> None:
        """Hearts, downloads, shares and comments after what was heard to the end; refusals after what was not."""
        warm = sigmoid(want - 2.0)
        chances = {"collect": 0.28 * warm * full, "download": 0.08 * warm * full, "share": 0.03 * warm * full, "comment": 0.045 * (warm * full + 0.3 * skip * (1 - warm)),
                   "dislike": 0.05 * skip * (1 - warm), "block_song": 0.012 * skip * (1 - warm), "block_artist": 0.004 * skip * (1 - warm)}  # fmt: skip
        for behaviour, chance in chances.items():
            rows = np.flatnonzero(self.rng.random(len(users)) < chance)
            if len(rows):
                scenes = scene if isinstance(scene, str) else scene[rows]
                target, kind = (self.world.song_artist[items[rows]], "artist") if behaviour == "block_artist" else (items[rows], "song")
                self.log.add(behaviour, scenes, users[rows], target, ts[rows], organic=organic, kind=kind, warm=full[rows])
                if behaviour in ("dislike", "block_song", "block_artist"):
                    self.refused.add(users[rows], target, kind)


STRENGTH_NAMES: Final = frozenset(item.name for item in fields(Strengths))


class Refusals:
    """Songs and artists that listeners refused: never heard again. The last sixteen of each kind are kept."""

    def __init__(self, n_users: int, world: World) -> None:
        self.world = world
        self.kept = {kind: np.full((n_users, 16), -1, dtype=np.int64) for kind in ("song", "artist")}
        self.n = {kind: np.zeros(n_users, dtype=np.int64) for kind in ("song", "artist")}

    def add(self, users: Ints, targets: Ints, kind: str) -> None:
        """One refusal for each of `users`, which are distinct."""
        self.kept[kind][users, self.n[kind][users] % 16] = targets
        self.n[kind][users] += 1

    def blocks(self, users: Ints, items: Ints) -> Mask:
        """Whether each song, or one of its artists, is refused by the listener."""
        songs, artists = self.kept["song"][users], self.kept["artist"][users]
        main, second = self.world.song_artist[items][:, None], self.world.song_featured[items][:, None]
        refused = (songs == items[:, None]) | False
        by = (artists == main) | ((artists == second) & (second >= 0))
        return np.asarray(refused.any(axis=1) | by.any(axis=1))


def _scenes(rng: np.random.Generator, shares: dict[str, float], n: int) -> Ints:
    codes = np.array([SCENES.index(name) for name in shares])
    return codes[rng.choice(len(codes), n, p=np.array(list(shares.values())))]
