"""What there is: entities, songs and users, each with an integer id that is its row."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.works import works


@dataclass(frozen=True)
class Catalogue:
    """Entities, songs and users of one lake snapshot. Ids are row numbers; keys (`kind:id`) live only here."""

    entities: pl.DataFrame
    """`key, kind, name`, row = entity id. Songs come first, so song id = entity id below `n_songs`."""
    songs: pl.DataFrame
    """Row = song id: `song_id, title, artist, album_id, language, release_ts, duration_ms, popularity` and side features.

    `artist` is the display line (names joined by comma); `release_ts` is Unix seconds; unknown values are null.
    """
    users: pl.DataFrame
    """Row = user id: `user_id` and any profile columns of the source."""
    owners: pl.DataFrame | None = None
    """`item` (entity id of a playlist), `user` (user id) in order of items, where the source says whose a playlist is."""

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return self.songs.height

    @property
    def n_entities(self) -> int:
        """Number of entities, songs included."""
        return self.entities.height

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.users.height

    @cached_property
    def _entity_of_key(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.entities["key"].to_list())}

    @cached_property
    def _user_of_id(self) -> dict[str, int]:
        return {user_id: row for row, user_id in enumerate(self.users["user_id"].to_list())}

    def entity(self, key: str) -> int | None:
        """Entity id of a key, or None."""
        return self._entity_of_key.get(key)

    def user(self, user_id: str) -> int | None:
        """User id (row) of a user's id in the source, or None."""
        return self._user_of_id.get(user_id)

    @cached_property
    def works(self) -> npt.NDArray[np.int32]:
        """`[n_songs]` the work of each song, named by the smallest id of its versions."""
        return works(self.songs)

    @cached_property
    def song_keys(self) -> npt.NDArray[np.object_]:
        """Key of every song, `[n_songs]`."""
        return self.entities["key"].head(self.n_songs).to_numpy().astype(object)
