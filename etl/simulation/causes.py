"""Why a song is heard: one function per cause, each from the listener's recent plays over the true facts to a song."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from etl.simulation.catalogue import START_DAY, STYLES, World
from etl.simulation.draws import Floats, Ints, WeightedGroups, choose
from etl.simulation.facts import Facts, songs_of_artist
from etl.simulation.history import History
from etl.simulation.listeners import Interests, Listeners, Tastes
from etl.simulation.names import LANGUAGES
from etl.simulation.settings import CAUSE

FLAT = 0.4
"""Facts lead to a song by this power of its popularity: much flatter than the popularity itself, so that they reach the tail."""
FRESH_DAYS = 14
"""For so long after its release a song of a known artist draws listeners as new."""


@dataclass(frozen=True)
class Picks:
    """Songs picked for rows of listeners, `[n]` each; item -1 where the cause found nothing."""

    item: Ints
    cause: Ints
    evidence: Ints
    """Song that led here, or the friend, -1 without."""
    event: Ints
    """Row of the play that led here, -1 without."""
    via: Ints
    """What the path runs through: artist, album, style, drama, playlist, or the appearance of the artist heard."""
    via_two: Ints
    """The second step: another song of the drama, or the appearance of the artist found; -1 without."""

    @classmethod
    def of(
        cls,
        item: Ints,
        cause: str,
        evidence: Ints | None = None,
        event: Ints | None = None,
        via: Ints | None = None,
        two: Ints | None = None,
    ) -> Picks:
        """Picks of one cause; what is left out is -1."""
        nothing = np.full(len(item), -1, dtype=np.int64)
        rest = (nothing if column is None else column for column in (evidence, event, via, two))
        return cls(item, np.full(len(item), CAUSE[cause]), *rest)

    @classmethod
    def empty(cls, n: int) -> Picks:
        """`n` rows where nothing was found yet."""
        return cls(*(np.full(n, -1, dtype=np.int64) for _ in fields(cls)))

    def put(self, rows: Ints, found: Picks) -> None:
        """Write `found` where it found something, at `rows`."""
        good = found.item >= 0
        for column in fields(self):
            getattr(self, column.name)[rows[good]] = getattr(found, column.name)[good]

    def only(self, cause: str) -> Picks:
        """Picks of one cause; the others hold nothing."""
        other = self.cause != CAUSE[cause]
        return Picks(*(np.where(other, -1, getattr(self, column.name)) for column in fields(self)))

    def take(self, rows: Ints) -> Picks:
        """Picks at `rows`."""
        return Picks(*(getattr(self, column.name)[rows] for column in fields(self)))


@dataclass(frozen=True)
class Moment:
    """Listeners at one time: `users`, their interest of the moment and the time, `[n]` each."""

    users: Ints
    interest: Ints
    now: Ints

    def take(self, rows: Ints) -> Moment:
        """The moment of some rows."""
        return Moment(self.users[rows], self.interest[rows], self.now[rows])


class Causes:
    """Draws songs by cause. Facts' groups hold true facts only, so that spurious ones cause nothing."""

    def __init__(self, world: World, facts: Facts, tastes: Tastes, listeners: Listeners, history: History, decay: float) -> None:
        self.world, self.facts, self.tastes, self.history, self.decay = world, facts, tastes, history, decay
        songs, flat = np.arange(world.n_songs), world.song_weight**FLAT
        self.by_artist = songs_of_artist(world, FLAT)
        self.by_album = WeightedGroups.build(world.song_album, songs, flat, world.n_albums)
        cell = world.song_style * len(LANGUAGES) + world.song_language
        self.by_style = WeightedGroups.build(cell, songs, flat, len(STYLES) * len(LANGUAGES))
        self.by_drama = WeightedGroups.build(world.song_drama, songs, flat, world.n_dramas)
        self.by_playlist = WeightedGroups.build(facts.entry_playlist, facts.entry_song, np.ones(len(facts.entry_song)), facts.n_playlists)
        self.of_style = WeightedGroups.build(facts.playlist_style, np.arange(facts.n_playlists), np.ones(facts.n_playlists), len(STYLES))
        self.by_any = WeightedGroups.build(np.zeros_like(songs), songs, world.song_weight, 1)
        self.by_friend = WeightedGroups.build(
            listeners.friend_from, listeners.friend_to, np.ones(len(listeners.friend_to)), listeners.n_users
        )
        self._appearances()
        self.start_day(START_DAY, listeners.on(0))
        self.draws: dict[str, Callable[[np.random.Generator, Moment], Picks]] = {
            "repeat": self.repeat, "interest": self.interest, "artist": self.artist, "album": self.album, "style": self.style,
            "drama": self.drama, "show": self.show, "friend": self.friend, "popularity": self.popularity, "chance": self.chance,
        }  # fmt: skip

    def _appearances(self) -> None:
        facts, rows = self.facts, np.flatnonzero(self.facts.appearance_true)
        artist, show = facts.appearance_artist[rows], facts.appearance_show[rows]
        self.of_artist = WeightedGroups.build(artist, rows, np.ones(len(rows)), self.world.n_artists)
        self.of_show = WeightedGroups.build(show, rows, np.ones(len(rows)), facts.n_shows)
        self.artist_show = np.full(self.world.n_artists, -1, dtype=np.int64)
        self.artist_show[artist[::-1]] = show[::-1]

    def start_day(self, today: int, interests: Interests) -> None:
        """Interests of the day `today`, counted from 1970: later releases are not heard, and the last two weeks' are new."""
        self.today, self.interests = today, interests
        fresh = np.flatnonzero((self.world.song_day <= today) & (self.world.song_day > today - FRESH_DAYS))
        self.by_fresh = WeightedGroups.build(self.world.song_artist[fresh], fresh, np.ones(len(fresh)), self.world.n_artists)

    def draw(self, rng: np.random.Generator, causes: Ints, moment: Moment) -> Picks:
        """A song for each row by its cause; where that finds nothing, by interest, then by popularity."""
        picks = Picks.empty(len(causes))
        for name, cause in self.draws.items():
            rows = np.flatnonzero(causes == CAUSE[name])
            if len(rows):
                picks.put(rows, self._released(cause(rng, moment.take(rows))))
        for cause in (self.interest, self.popularity, self.popularity, self.released):
            rows = np.flatnonzero(picks.item < 0)
            if len(rows):
                picks.put(rows, self._released(cause(rng, moment.take(rows))))
        return picks

    def _released(self, picks: Picks) -> Picks:
        picks.item[(picks.item >= 0) & (self.world.song_day[picks.item] > self.today)] = -1
        return picks

    def repeat(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """An own play again, by ACT-R's decay."""
        item, event = self.history.repeat(rng, moment.users, moment.now, self.decay)
        return Picks.of(item, "repeat", item, event)

    def interest(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """By a favourite artist of the interest of the moment, or of its style and language."""
        users, k = moment.users, moment.interest
        favourite = self.interests.artists[users, k, rng.integers(0, self.interests.artists.shape[2], len(users))]
        cell = self.interests.style[users, k] * len(LANGUAGES) + self.interests.language[users, k]
        song = np.where(rng.random(len(users)) < 0.6, self.tastes.by_artist.draw(rng, favourite), -1)
        return Picks.of(np.where(song >= 0, song, self.tastes.by_cell.draw(rng, cell)), "interest")

    def artist(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """Another song of an artist heard, first what is new."""
        song, event = self._heard(rng, moment)
        artist = np.where(song >= 0, self.world.song_artist[song], -1)
        fresh = np.where(rng.random(len(artist)) < 0.4, self.by_fresh.draw(rng, artist), -1)
        return Picks.of(np.where(fresh >= 0, fresh, self.by_artist.draw(rng, artist)), "artist", song, event, artist)

    def album(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """Another song of an album heard."""
        song, event = self._heard(rng, moment)
        album = np.where(song >= 0, self.world.song_album[song], -1)
        return Picks.of(self.by_album.draw(rng, album), "album", song, event, album)

    def style(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """Another song of a style heard, in its language."""
        song, event = self._heard(rng, moment)
        style = np.where(song >= 0, self.world.song_style[song], -1)
        cell = np.where(song >= 0, style * len(LANGUAGES) + self.world.song_language[song], -1)
        return Picks.of(self.by_style.draw(rng, cell), "style", song, event, style)

    def drama(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """From a soundtrack heard to another song of the drama, or to what one of its singers sang elsewhere."""
        song, event = self.history.evidence(rng, moment.users, moment.now, self.world.song_drama >= 0)
        drama = np.where(song >= 0, self.world.song_drama[song], -1)
        other = self.by_drama.draw(rng, drama)
        elsewhere = self.by_artist.draw(rng, np.where(other >= 0, self.world.song_artist[other], -1))
        through_singer = (rng.random(len(song)) < 0.45) & (elsewhere >= 0) & (elsewhere != other)
        item = np.where(through_singer, elsewhere, other)
        item = np.where(item == song, -1, item)
        return Picks.of(item, "drama", song, event, drama, np.where(through_singer, other, -1))

    def show(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """From an artist heard to another artist who competed in the same variety show, in any season."""
        useful = self.artist_show[self.world.song_artist] >= 0
        song, event = self.history.evidence(rng, moment.users, moment.now, useful)
        here = self.of_artist.draw(rng, np.where(song >= 0, self.world.song_artist[song], -1))
        there = self.of_show.draw(rng, np.where(here >= 0, self.facts.appearance_show[here], -1))
        rival = np.where(there >= 0, self.facts.appearance_artist[there], -1)
        rival = np.where(rival == self.facts.appearance_artist[here], -1, rival)
        return Picks.of(self.by_artist.draw(rng, rival), "show", song, event, here, there)

    def friend(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """What a friend played lately and liked."""
        friend = self.by_friend.draw(rng, moment.users)
        song, event = self.history.evidence(rng, friend, moment.now, np.ones(self.world.n_songs, dtype=np.bool_))
        found = (friend >= 0) & (song >= 0)
        return Picks.of(np.where(found, song, -1), "friend", friend, np.where(found, event, -1))

    def popularity(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """What everybody hears."""
        return Picks.of(self.by_any.draw(rng, np.zeros_like(moment.users)), "popularity")

    def chance(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """Any song alike."""
        return Picks.of(rng.integers(0, self.world.n_songs, len(moment.users)), "chance")

    def released(self, rng: np.random.Generator, moment: Moment) -> Picks:
        """A released song by popularity: exact, where draws that ignore the release kept missing."""
        weight: Floats = self.world.song_weight * (self.world.song_day <= self.today)
        return Picks.of(choose(rng, np.broadcast_to(weight, (len(moment.users), len(weight)))), "popularity")

    def from_playlist(self, rng: np.random.Generator, playlist: Ints, last: Picks) -> Picks:
        """A song of a playlist, led to by the playlist's song before it where there was one."""
        item = self.by_playlist.draw(rng, playlist)
        return self._released(Picks.of(item, "playlist", last.item, last.event, playlist))

    def next_track(self, last: Picks) -> Picks:
        """The song after the last one on its album, -1 at its end; `last.event` is the play of `last.item`."""
        item = np.minimum(last.item + 1, self.world.n_songs - 1)
        album = self.world.song_album[last.item]
        found = (last.item >= 0) & (item > last.item) & (self.world.song_album[item] == album)
        return self._released(Picks.of(np.where(found, item, -1), "album", last.item, last.event, np.where(found, album, -1)))

    def _heard(self, rng: np.random.Generator, moment: Moment) -> tuple[Ints, Ints]:
        return self.history.evidence(rng, moment.users, moment.now, np.ones(self.world.n_songs, dtype=np.bool_))
