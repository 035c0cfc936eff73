"""The stream `fm` in integers: the songs of a catalogue in the order of their odds, which every act changes before the next song."""

from __future__ import annotations

from copy import copy
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from kg_recall.cascade import Cascade
from kg_recall.fm_odds import GONE, Floats, Standing, StreamHouse
from ranking.stream_feedback import StreamFeedback
from ranking.stream_settings import StreamSettings
from recall.candidate_table import CandidateTable

HEARTS: Final = (Behaviour.COLLECT, Behaviour.DOWNLOAD, Behaviour.SHARE)
VERSION: Final = 1_000.0
"""Other versions of a work that was heard stand so much lower: below everything else, in their order."""


class Served(NamedTuple):
    """Songs of a stream in the order in which they come, `[n]`."""

    item: npt.NDArray[np.int32]
    odds: npt.NDArray[np.float32]
    """Log odds when it was chosen. They can rise from one song to the next, since what was refused fades."""
    because: npt.NDArray[np.int32]
    """The song of this session whose heart or full play brought it, -1 where it would have come without."""
    by_heart: npt.NDArray[np.bool_]
    """It was a heart."""


class _Liked(NamedTuple):
    """A heart or full play of the session."""

    song: int
    worth: float
    at: int
    """How many songs had been heard by then."""
    by_heart: bool


class FmStream:
    """One listener's stream. Nothing of it is written anywhere: the cascade and what it learned stay as they were."""

    def __init__(
        self,
        cascade: Cascade,
        house: StreamHouse,
        table: CandidateTable,
        user: int,
        settings: StreamSettings,
        *,
        scene: int = -1,
        new_only: bool = False,
    ) -> None:
        """`table` holds the user's candidates, without what may not come; with `new_only` nothing comes that was ever played."""
        self._house, self._settings = house, settings
        self._one_of_each_work = cascade.settings.one_of_each_work
        self._standing = Standing(cascade, house, table, user, scene, settings)
        self._feedback = StreamFeedback(house.groups, settings)
        self._bar: Floats = np.where(self._standing.closed(new_only=new_only), GONE, 0.0)
        """`[n_songs]` added to the odds of each song: `GONE` once it was heard or refused, -`VERSION` for other versions of it."""
        self._entry: Floats = np.full(len(self._bar), GONE)
        """`[n_songs]` log odds at which songs of hearted artists and albums enter."""
        self._liked: tuple[_Liked, ...] = ()
        self._heard: tuple[int, ...] = ()

    @property
    def heard_songs(self) -> tuple[int, ...]:
        """Songs that were served or told of, in order."""
        return self._heard

    def fork(self) -> FmStream:
        """The same stream, to be continued apart from this one: what would come, were the next acts these?"""
        other = copy(self)
        other._standing, other._feedback = copy(self._standing), copy(self._feedback)
        other._bar, other._entry = self._bar.copy(), self._entry.copy()
        return other

    def heard(self, song: int) -> None:
        """`song` is the one that plays now; it does not come again. One that has been heard changes nothing."""
        if song in self._heard:
            return
        self._heard = (*self._heard, song)
        self._feedback.pass_song()
        if self._one_of_each_work:
            works = self._house.snapshot.catalogue.works
            self._bar[works == works[song]] -= VERSION
        self._bar[song] = GONE

    def tell(self, song: int, behaviour: Behaviour) -> None:
        """The listener did this to `song`, which counts as heard by then."""
        self.heard(song)
        liked, refused = self._settings.liking(behaviour), self._settings.refusing(behaviour)
        if liked or refused:
            self._feedback.add(song, liked, refused)
        if liked:
            self._liked = (*self._liked, _Liked(song, liked, len(self._heard), behaviour in HEARTS))
        if behaviour in HEARTS:
            self._enter(self._house.groups.close(song))
        if behaviour == Behaviour.FULL_PLAY:
            self._standing.full_play(song)
        if behaviour == Behaviour.BLOCK_ARTIST:
            self.block(self._house.groups.artists_of(song))

    def block(self, artists: npt.NDArray[np.integer]) -> None:
        """Nothing by any of these artists (entity ids) comes any more."""
        self._bar[self._house.groups.songs_of_artists(artists)] = GONE

    def next(self, n: int) -> Served:
        """The next `n` songs, each chosen as if nothing were said of those before it; fewer where no more are left."""
        found: list[tuple[int, float, int, bool]] = []
        while len(found) < n:  # each song depends on the one before it
            chosen = self._choose()
            if chosen is None:
                break
            found.append(chosen)
            self.heard(chosen[0])
        columns = list(zip(*found, strict=True)) or [(), (), (), ()]
        kinds = (np.int32, np.float32, np.int32, np.bool_)
        return Served(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))

    def _choose(self) -> tuple[int, float, int, bool] | None:
        """The next song, its log odds, and the song and kind of the act that brought it."""
        lowered = self._feedback.lowered()
        without = self._standing.odds + self._bar - lowered
        odds = np.maximum(self._standing.odds, self._entry) + self._bar - lowered + self._feedback.raised()
        best = int(odds.argmax()) if len(odds) else -1
        if best < 0 or odds[best] == GONE:
            return None
        because, by_heart = (-1, False) if int(without.argmax()) == best else self._bringer(best)
        return best, float(odds[best]), because, by_heart

    def _bringer(self, song: int) -> tuple[int, bool]:
        """The liked song that has most to do with `song`: the closest facet first, then what still counts most, then the latest."""
        shared = [(self._house.groups.common(song, liked.song)[0], -self._counts(liked), -place) for place, liked in enumerate(self._liked)]
        close = [row for row in shared if row[0] >= 0]
        if not close:
            return -1, False
        found = self._liked[-min(close)[2]].song
        return found, any(liked.song == found and liked.by_heart for liked in self._liked)

    def _counts(self, liked: _Liked) -> float:
        return float(liked.worth * 0.5 ** ((len(self._heard) - liked.at) / self._settings.half_life_songs))

    def _enter(self, songs: npt.NDArray[np.int32]) -> None:
        """`songs` stand at `entry_place` and behind it, most played first, where they do not stand better."""
        places = self._settings.entry_place + np.argsort(np.argsort(self._house.popularity[songs], kind="stable"), kind="stable")
        self._entry[songs] = np.maximum(self._entry[songs], -np.log(places))
