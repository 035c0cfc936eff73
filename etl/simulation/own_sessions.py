"""Sessions of the listener's own choices: the library, playlists, albums, the search."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

import numpy as np

from etl.simulation.causes import Moment, Picks
from etl.simulation.draws import Floats, Ints, choose
from etl.simulation.log import SCENES
from etl.simulation.playback import Playback, draw_scenes
from etl.simulation.settings import CAUSE, Strengths

MAX_STEPS = 12
SHARES: Final = {"library": 0.36, "playlist": 0.18, "album": 0.11, "search": 0.35}
REPEAT: Final = {"library": 1.5, "playlist": 0.7, "album": 0.5, "search": 0.9}
"""A scene's factor on the listener's chance of a repeat."""
NEXT_TRACK = 0.8
"""Chance that an album's scene goes on with the next track."""


def mixture(strengths: Strengths) -> Floats:
    """Weight of each cause, by code, where neither a repeat nor the scene decides."""
    weights = {item.name: getattr(strengths, item.name) for item in fields(strengths) if item.name != "playlist"}
    return np.array([weights.get(name, 0.0) for name in CAUSE])


class OwnSessions:
    """Songs that listeners choose themselves, one after another."""

    def __init__(self, playback: Playback) -> None:
        self.playback, self.causes, self.rng = playback, playback.causes, playback.rng
        self.strengths = playback.strengths
        self.mixture = mixture(playback.strengths)

    def run(self, moment: Moment) -> None:
        """One session for each listener of `moment`: all take their first step together, then their second, and so on."""
        n = len(moment.users)
        scene = draw_scenes(self.rng, SHARES, n)
        length = np.minimum(1 + self.rng.poisson(4.5, n), MAX_STEPS)
        playlist = self._playlist(moment, scene)
        factor = np.array([REPEAT.get(name, 0.0) for name in SCENES])[scene]
        repeat = np.minimum(0.95, self.playback.listeners.repeat_share[moment.users] * factor)
        last, now = Picks.empty(n), moment.now.copy()
        for step in range(int(length.max(initial=0))):
            rows = np.flatnonzero(length > step)
            here = replace(moment, now=now).take(rows)
            picks = self._next(here, last.take(rows), scene[rows], playlist[rows], repeat[rows])
            kept = np.flatnonzero(~self.playback.refused.blocks(here.users, picks.item))
            rows, here, picks = rows[kept], here.take(kept), picks.take(kept)
            want = self.playback.want(here, picks.item[:, None])[:, 0]
            events, now[rows] = self.playback.play(here, picks, scene[rows], want, organic=True)
            last.put(rows, replace(picks, event=events))

    def _next(self, moment: Moment, last: Picks, scene: Ints, playlist: Ints, repeat: Floats) -> Picks:
        """The next song: the playlist's, the album's next track, a repeat, or any other cause."""
        n = len(moment.users)
        other = choose(self.rng, np.broadcast_to(self.mixture, (n, len(self.mixture))))
        picks = self.causes.draw(self.rng, np.where(self.rng.random(n) < repeat, CAUSE["repeat"], other), moment)
        listed = np.flatnonzero((playlist >= 0) & (self.rng.random(n) < self.strengths.playlist))
        picks.put(listed, self.causes.from_playlist(self.rng, playlist[listed], last.take(listed).only("playlist")))
        if self.strengths.album > 0:
            on_album = np.flatnonzero((scene == SCENES.index("album")) & (self.rng.random(n) < NEXT_TRACK))
            picks.put(on_album, self.causes.next_track(last.take(on_album)))
        return picks

    def _playlist(self, moment: Moment, scene: Ints) -> Ints:
        """Playlist of each session in the playlist's scene, in the style of the moment where there is one; else -1."""
        style = self.causes.interests.style[moment.users, moment.interest]
        fitting = self.causes.of_style.draw(self.rng, style)
        anything = self.rng.integers(0, self.causes.facts.n_playlists, len(style))
        chosen = np.where((fitting >= 0) & (self.rng.random(len(style)) < 0.85), fitting, anything)
        return np.where(scene == SCENES.index("playlist"), chosen, -1)
