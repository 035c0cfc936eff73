"""The odds with which a stream begins: what the cascade thinks of a listener's songs, and what was not heard for long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from kg_recall.cascade import Cascade, group_start
from kg_recall.listening import is_played, pair_code, popularity_order
from ranking.dien import Dien
from ranking.dien_session import DienSession
from ranking.stream_feedback import SongGroups
from ranking.stream_settings import StreamSettings
from recall.candidate_table import CandidateTable
from recall.snapshot import Snapshot

Floats = npt.NDArray[np.float64]
GONE: Final = -np.inf
"""Log odds of what never comes."""


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
    return np.asarray(odds + np.log(settings.unheard) * is_unheard(snapshot, user, item, settings), dtype=np.float32)


def is_unheard(
    snapshot: Snapshot, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], settings: StreamSettings
) -> npt.NDArray[np.bool_]:
    """`[n]` true where the user has not heard the song for as long as `settings` say, or never."""
    plays = snapshot.plays_of(np.unique(user))
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


class Standing:
    """What the cascade says of all songs for one listener, at its snapshot and, where its ranker is DIEN, after full plays since then.

    DIEN keeps a state that a full play brings forward; every other ranker stands at its snapshot. A shallow copy goes its own way.
    """

    def __init__(
        self, cascade: Cascade, house: StreamHouse, table: CandidateTable, user: int, scene: int, settings: StreamSettings
    ) -> None:
        """`table` holds the user's candidates, without what may not come."""
        self._cascade, self._house, self._table, self._scene, self._settings = cascade, house, table, scene, settings
        self._user = np.array([user], dtype=np.int32)
        self._merged = cascade.merged(table)
        self._played: tuple[int, ...] = ()
        self.odds: Floats
        """`[n_songs]` log odds: candidates in the cascade's order, below them all other songs by popularity."""
        self._follow(self._played)

    def closed(self, *, new_only: bool) -> npt.NDArray[np.bool_]:
        """`[n_songs]` what may not come: refused or not yet released, and with `new_only` what was ever played."""
        songs = np.arange(self._house.snapshot.catalogue.n_songs, dtype=np.int32)
        user = np.repeat(self._user, len(songs))
        closed = ~self._cascade.allowed(user, songs)
        return closed | is_played(self._house.snapshot, user, songs) if new_only else closed

    def full_play(self, song: int) -> None:
        """The listener has heard `song` to the end."""
        if isinstance(self._cascade.ranker, Dien):
            self._follow((*self._played, song))

    def _follow(self, played: tuple[int, ...]) -> None:
        """Stand after these full plays of the session."""
        user = np.repeat(self._user, len(self._table))
        score = self._after(played).ranked(self._table, self._merged, self._scene)
        odds = -np.log(len(self._table) + 1.0 + self._house.popularity)
        odds[self._table.item] = fm_odds(self._house.snapshot, user, self._table.item, score, self._settings)
        self._played, self.odds = played, odds

    def _after(self, played: tuple[int, ...]) -> Cascade:
        """The cascade with a ranker that has followed the listener."""
        if not isinstance(self._cascade.ranker, Dien):
            return self._cascade
        session = DienSession(self._cascade.ranker, self._user)
        if played:
            session.heard(np.repeat(self._user, len(played)), np.array(played))
        return replace(self._cascade, ranker=session)  # type: ignore[arg-type]
