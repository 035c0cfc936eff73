"""The stream `fm` in integers: the songs of a catalogue in the order of their odds, which every act changes before the next song."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from etl.behaviours import BLOCKING, Behaviour
from kg_recall.cascade import Cascade, group_start
from kg_recall.listening import is_played, pair_code, popularity_order
from ranking.dien import Dien
from ranking.dien_session import DienSession
from ranking.stream_feedback import SongGroups, StreamFeedback
from ranking.stream_settings import StreamSettings
from recall.candidate_table import CandidateTable
from recall.snapshot import Snapshot

Floats = npt.NDArray[np.float64]
GONE: Final = -np.inf
"""Log odds of what never comes."""
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


def fm_odds(
    snapshot: Snapshot, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], score: npt.NDArray[np.float32], settings: StreamSettings
) -> npt.NDArray[np.float32]:
    """Log odds `[n]` with which a stream begins: -ln(place by `score`), and ln(`unheard`) for what was not heard lately.

    Rows come grouped by user.
    """
    start = group_start(user)
    order = np.lexsort((item, -score, start))
    odds = np.empty(len(user))
    odds[order] = -np.log(np.arange(len(user)) - start + 1.0)
    return (odds + np.log(settings.unheard) * is_unheard(snapshot, user, item, settings)).astype(np.float32)


def is_unheard(
    snapshot: Snapshot, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], settings: StreamSettings
) -> npt.NDArray[np.bool_]:
    """`[n]` true where the user has not heard the song for as long as `settings` say, or never."""
    asked = np.zeros(snapshot.catalogue.n_users, dtype=bool)
    asked[user] = True
    plays = snapshot.plays.take(asked[snapshot.plays.user])
    lately = plays.take(snapshot.age(plays) < (settings.unheard_plays if snapshot.ordinal else settings.unheard_days))
    n_songs = snapshot.catalogue.n_songs
    return ~np.isin(pair_code(user, item, n_songs), pair_code(lately.user, lately.item, n_songs))


@dataclass(frozen=True)
class StreamHouse:
    """What all streams of a snapshot share."""

    snapshot: Snapshot
    groups: SongGroups
    popularity: npt.NDArray[np.int64]
    """`[n_songs]` place of each song by plays, from 0."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> StreamHouse:
        """Found once for a snapshot."""
        return cls(snapshot, SongGroups(snapshot.projection), np.argsort(popularity_order(snapshot), kind="stable"))


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
        self._house, self._settings, self._table, self._scene = house, settings, table, scene
        self._user = np.array([user], dtype=np.int32)
        # DIEN keeps a state that a full play brings forward; every other ranker stands at its snapshot.
        self._dien = DienSession(cascade.ranker, self._user) if isinstance(cascade.ranker, Dien) else None
        self._cascade = cascade if self._dien is None else replace(cascade, ranker=self._dien)  # type: ignore[arg-type]
        self._merged = cascade.merged(table)
        self._feedback = StreamFeedback(house.groups, settings)
        n_songs = house.snapshot.catalogue.n_songs
        self._bar: Floats = np.zeros(n_songs)
        """What is added to the odds of each song: `GONE` once it was heard or refused, less `VERSION` for other versions of it."""
        songs = np.arange(n_songs, dtype=np.int32)
        closed = ~cascade.allowed(np.repeat(self._user, n_songs), songs)
        if new_only:
            closed |= is_played(house.snapshot, np.repeat(self._user, n_songs), songs)
        self._bar[closed] = GONE
        self._entry: Floats = np.full(n_songs, GONE)
        """Log odds at which songs of hearted artists and albums enter."""
        self._liked: list[_Liked] = []
        self._heard: list[int] = []
        self._odds = self._standing()

    @property
    def heard_songs(self) -> tuple[int, ...]:
        """Songs that were served or told of, in order."""
        return tuple(self._heard)

    def heard(self, song: int) -> None:
        """`song` is the one that plays now; it does not come again. One that has been heard changes nothing."""
        if song in self._heard:
            return
        self._heard.append(song)
        self._feedback.pass_song()
        if self._cascade.settings.one_of_each_work:
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
            self._liked.append(_Liked(song, liked, len(self._heard), behaviour in HEARTS))
        if behaviour in HEARTS:
            self._enter(self._house.groups.alike(song).close)
        if behaviour == Behaviour.FULL_PLAY and self._dien is not None:
            self._dien.heard(self._user, np.array([song]))
            self._odds = self._standing()
        if behaviour == Behaviour.BLOCK_ARTIST:
            self.block(self._house.groups.artists_of(song))
        assert behaviour not in BLOCKING or self._bar[song] == GONE

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
        songs, raised = self._feedback.songs, self._feedback.raised()
        without = self._odds + self._bar
        without[songs] -= self._feedback.lowered()
        odds = np.maximum(self._odds, self._entry) + self._bar
        odds[songs] += raised - self._feedback.lowered()
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

    def _standing(self) -> Floats:
        """`[n_songs]` log odds by the cascade alone: candidates by its order, below them all other songs by popularity."""
        user, table = np.repeat(self._user, len(self._table)), self._table
        score = self._cascade.ranked(table, self._merged, self._scene)
        odds = -np.log(len(table) + 1.0 + self._house.popularity)
        odds[table.item] = fm_odds(self._house.snapshot, user, table.item, score, self._settings)
        return odds
