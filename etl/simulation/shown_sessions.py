"""Sessions of what the service shows: the daily list, the FM stream, videos."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

import numpy as np

from etl.simulation.causes import Moment, Picks
from etl.simulation.draws import Floats, Ints, Mask, choose, sigmoid
from etl.simulation.log import KINDS, SCENES
from etl.simulation.playback import Playback, draw_scenes
from etl.simulation.settings import CAUSE, Strengths

SHARES: Final = {"daily": 0.52, "fm": 0.4, "mv": 0.08}
SLATE, VIDEOS = 10, 6
"""Songs of a list or stream, videos of a page."""
SOURCES: Final = {
    "interest": 0.36, "popularity": 0.24, "chance": 0.06, "repeat": 0.10, "artist": 0.09, "style": 0.05, "drama": 0.06, "show": 0.04,
}  # fmt: skip
"""Where the songs shown come from; causes that are off show nothing."""
BOREDOM = 0.8
"""Affinity below which a song of the stream costs patience."""


def slate_mixture(strengths: Strengths) -> Floats:
    """Weight of each source of shown songs, by code of the cause."""
    off = {item.name for item in fields(strengths) if getattr(strengths, item.name) == 0}
    return np.array([0.0 if name in off else SOURCES.get(name, 0.0) for name in CAUSE])


class ShownSessions:
    """Exposures, and what comes of them. Clicks and plays follow affinity with noise, not the source that showed the song."""

    def __init__(self, playback: Playback) -> None:
        self.playback, self.causes, self.rng, self.log = playback, playback.causes, playback.rng, playback.log
        self.mixture = slate_mixture(playback.strengths)

    def run(self, moment: Moment) -> None:
        """One session for each listener of `moment`."""
        scenes = draw_scenes(self.rng, SHARES, len(moment.users))
        for name, session in (("daily", self._daily), ("fm", self._fm), ("mv", self._videos)):
            rows = np.flatnonzero(scenes == SCENES.index(name))
            if len(rows):
                session(moment.take(rows))

    def _slate(self, moment: Moment) -> tuple[Ints, Mask]:
        """Ten songs for each listener, `[n, SLATE]`, and which of them are shown: neither twice nor refused."""
        n = len(moment.users)
        each = moment.take(np.repeat(np.arange(n), SLATE))
        sources = choose(self.rng, np.broadcast_to(self.mixture, (n * SLATE, len(self.mixture))))
        items = self.causes.draw(self.rng, sources, each).item.reshape(n, SLATE)
        refused = self.playback.refused.blocks(each.users, items.ravel()).reshape(n, SLATE)
        twice = np.tril(items[:, :, None] == items[:, None, :], k=-1).any(axis=2)
        return items, ~refused & ~twice

    def _daily(self, moment: Moment) -> None:
        """A list: shown at once; what is wanted is clicked and played from the top."""
        items, shown = self._slate(moment)
        position = np.cumsum(shown, axis=1, dtype=np.int64)
        want = self.playback.want(moment, items)
        users, at = (np.repeat(column[:, None], SLATE, axis=1) for column in (moment.users, moment.now))
        self.log.add("exposure", "daily", users[shown], items[shown], at[shown], organic=False, position=position[shown])
        clicked = shown & (self.rng.random(want.shape) < sigmoid(1.1 * want - 3.9 - 0.06 * position))
        now = moment.now + 5
        for column in range(SLATE):
            rows = self._willing(moment, items[:, column], clicked[:, column])
            here, song = replace(moment, now=now).take(rows), items[rows, column]
            self.log.add("click", "daily", here.users, song, here.now, organic=False)
            now[rows] = self._play(here, song, "daily", want[rows, column])

    def _fm(self, moment: Moment) -> None:
        """A stream: each song plays as it comes until patience ends, which songs that bore use up twice as fast."""
        items, shown = self._slate(moment)
        want = self.playback.want(moment, items)
        patience = 2 + self.rng.poisson(4.0, len(moment.users))
        now, position = moment.now.copy(), np.zeros(len(moment.users), dtype=np.int64)
        for column in range(SLATE):
            rows = self._willing(moment, items[:, column], shown[:, column] & (patience > 0))
            here, song = replace(moment, now=now).take(rows), items[rows, column]
            position[rows] += 1
            self.log.add("exposure", "fm", here.users, song, here.now, organic=False, position=position[rows])
            now[rows] = self._play(here, song, "fm", want[rows, column])
            patience[rows] -= 1 + (want[rows, column] < BOREDOM)

    def _willing(self, moment: Moment, songs: Ints, chosen: Mask) -> Ints:
        """Rows of `chosen` whose song the listener has not refused a moment ago."""
        return np.flatnonzero(chosen & ~self.playback.refused.blocks(moment.users, songs))

    def _play(self, moment: Moment, songs: Ints, scene: str, want: Floats) -> Ints:
        scenes = np.full(len(songs), SCENES.index(scene))
        return self.playback.play(moment, Picks.of(songs, "recommended"), scenes, want, organic=False)[1]

    def _videos(self, moment: Moment) -> None:
        """A page of MVs and Mlogs: those of wanted songs are clicked and played."""
        video, songs, kinds = self._page(len(moment.users))
        shown = self.causes.world.song_day[songs] <= self.causes.today
        clicked = shown & (self.rng.random(songs.shape) < sigmoid(1.1 * self.playback.want(moment, songs) - 3.4))
        users, at = np.repeat(moment.users[:, None], VIDEOS, axis=1), moment.now[:, None] + 60 * np.arange(VIDEOS)
        place = np.cumsum(shown, axis=1, dtype=np.int64)
        self.log.add("exposure", "mv", users[shown], video[shown], at[shown], organic=False, position=place[shown], kind=kinds[shown])
        of_clicked = users[clicked], video[clicked]
        self.log.add("click", "mv", *of_clicked, at[clicked] + 2, organic=False, kind=kinds[clicked])
        heard = self.rng.integers(8_000, 57_000, int(clicked.sum()))
        self.log.add("play", "mv", *of_clicked, at[clicked] + 3, organic=False, play_ms=heard, kind=kinds[clicked])

    def _page(self, n: int) -> tuple[Ints, Ints, Ints]:
        """Videos of either kind, their songs and kinds, `[n, VIDEOS]` each."""
        is_mv = self.rng.random((n, VIDEOS)) < 0.5
        of_mvs, of_mlogs = self.causes.facts.mv_song, self.causes.facts.mlog_song
        mv, mlog = (self.rng.integers(0, len(songs), (n, VIDEOS)) for songs in (of_mvs, of_mlogs))
        kinds = np.where(is_mv, KINDS.index("mv"), KINDS.index("mlog"))
        return np.where(is_mv, mv, mlog), np.where(is_mv, of_mvs[mv], of_mlogs[mlog]), kinds
