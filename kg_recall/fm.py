"""A listener's `fm` stream as a player holds it: songs come one after another, and every act counts before the next.

    recommender = Recommender.load(context)
    session = recommender.fm(recommender.cascade.snapshot.catalogue.user("u000017"))
    session.next()                    # one song, a frame of the columns of `recommend`
    session.tell("s000123", "skip")   # its artist falls at once
    session.fork().next(3)            # what would come: to be fetched ahead, and not heard yet

A session reads what has been learned and writes nothing: neither the workspace nor the recommender changes, so any number of sessions
can share one. What was done in it comes into the models with the source's next extraction, where it belongs.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from etl.errors import UserError
from kg_recall import fm_reasons
from kg_recall.cascade import RankedLists
from kg_recall.feedback_file import Feedback, behaviour_named
from kg_recall.fm_odds import StreamHouse
from kg_recall.fm_stream import FmStream
from kg_recall.listening import is_played
from kg_recall.near_ids import near_ids
from ranking.stream_settings import StreamSettings

if TYPE_CHECKING:
    from kg_recall.recommender import Recommender, Repeats


class FmSession:
    """One stream of one listener."""

    def __init__(
        self, recommender: Recommender, user: int, house: StreamHouse, settings: StreamSettings, repeats: Repeats = "include"
    ) -> None:
        """`user` is the listener's row in the catalogue."""
        self._recommender, self._user, self._house = recommender, user, house
        table = recommender.cascade.candidates(np.array([user], dtype=np.int32))
        if repeats == "exclude":
            table = table.take(~is_played(house.snapshot, table.user, table.item))
        scene = recommender.scenes.index("fm") if "fm" in recommender.scenes else -1
        self._table = table
        self._stream = FmStream(recommender.cascade, house, table, user, settings, scene=scene, new_only=repeats == "exclude")

    def next(self, n: int = 1) -> pl.DataFrame:
        """The next `n` songs: the rows that `recommend` gives, `rank` from 1. They count as heard from now on.

        Fewer where no more songs remain that were not heard in the session or refused.
        """
        served = self._stream.next(n)
        user = np.full(len(served.item), self._user, dtype=np.int32)
        lists = RankedLists(user, served.item, served.odds, np.arange(1, len(user) + 1, dtype=np.int32))
        frame = self._recommender._frame(lists, "song", self._table.rank_of(lists.user, lists.item))
        words = self._recommender._words_now()
        said = fm_reasons.of_session(served, self._house.groups, words.name, words.key, self._recommender.language)
        brought = said["reason"].is_not_null()
        return frame.with_columns(said[name].zip_with(brought, frame[name]).alias(name) for name in ("reason", "path"))

    def fork(self) -> FmSession:
        """The same session, to be continued apart from this one."""
        other = copy(self)
        other._stream = self._stream.fork()
        return other

    def tell(self, song_id: str, behaviour: str) -> None:
        """The listener did this to a song: any behaviour of the source contract; `heart` and `red_heart` say `collect`.

        Raises:
            UserError: there is no such song or behaviour.
        """
        self._stream.tell(self._song(song_id), behaviour_named(behaviour))

    def block_artist(self, artist_id: str) -> None:
        """Nothing by this artist comes any more.

        Raises:
            UserError: there is no such artist.
        """
        artist = self._house.snapshot.catalogue.entity(f"artist:{artist_id.removeprefix('artist:')}")
        if artist is None:
            raise UserError(f"unknown artist {artist_id!r}: give an artist_id of the source")
        self._stream.block(np.array([artist]))

    def tell_all(self, acts: Iterable[Feedback]) -> None:
        """Acts in order, each applied before the next.

        Raises:
            UserError: an unknown song, artist or behaviour; it names where the act stands.
        """
        for act in acts:
            try:
                if act.artist_id is not None:
                    self.block_artist(act.artist_id)
                else:
                    self._stream.tell(self._song(act.song_id or ""), act.behaviour)
            except UserError as error:
                raise UserError(f"{act.where}: {error}") from None

    def _song(self, song_id: str) -> int:
        catalogue = self._house.snapshot.catalogue
        song = catalogue.entity(f"song:{song_id.removeprefix('song:')}")
        if song is None or song >= catalogue.n_songs:
            near = ", ".join(near_ids(catalogue.songs["song_id"].cast(pl.String), song_id))
            raise UserError(f"unknown song {song_id!r}: {f'the nearest are {near}' if near else 'give a song_id of the source'}")
        return song
