"""The source contract: which tables and columns a user's SQL database offers, and what their values must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

KINDS: Final = (
    "song", "album", "artist", "drama", "show", "season", "mv", "mlog", "playlist", "style", "language", "era", "tag", "user",
)  # fmt: skip
"""Kinds of entity in the order that the lake numbers them; kinds that only `triples` names follow, sorted by name."""

Type = Literal["id", "text", "integer", "number", "time", "date", "year", "flag"]
Bounds = Literal["any", "not negative", "positive", "share"]


@dataclass(frozen=True)
class Column:
    """One column of a source table."""

    name: str
    type: Type = "text"
    required: bool = False
    """The column must exist, and a row without a value is rejected."""
    refers: str | None = None
    """Kind of entity whose id the value is; a row that names an unknown one is rejected."""
    loose: bool = False
    """An unknown entity costs the link, not the row."""
    bounds: Bounds = "any"
    """Which numbers are accepted; `share` is (0, 1]."""


@dataclass(frozen=True)
class Table:
    """One table of the contract."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns that no two rows share."""
    required: bool = False
    extras: bool = False
    """Further columns of the source are side features."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)


def _id(name: str, refers: str | None = None, *, required: bool = True, loose: bool = False) -> Column:
    return Column(name, "id", required, refers, loose)


def _text(name: str, *, required: bool = False) -> Column:
    return Column(name, "text", required)


def _video(name: str, key: str) -> Table:
    columns = (_id(key), _text("title", required=True), _id("song_id", "song"), Column("published_at", "date"))
    return Table(name, columns, (key,))


TABLES: Final = {
    table.name: table
    for table in (
        Table(
            "songs",
            (
                _id("song_id"),
                _text("title", required=True),
                _id("album_id", "album", required=False, loose=True),
                _text("language"),
                Column("release_date", "date"),
                Column("duration_ms", "integer", bounds="not negative"),
                Column("popularity", "number"),
            ),
            ("song_id",),
            required=True,
            extras=True,
        ),
        Table("albums", (_id("album_id"), _text("title", required=True), Column("release_date", "date")), ("album_id",)),
        Table("artists", (_id("artist_id"), _text("name", required=True)), ("artist_id",)),
        Table("dramas", (_id("drama_id"), _text("title", required=True), Column("year", "year")), ("drama_id",)),
        Table("variety_shows", (_id("show_id"), _text("title", required=True)), ("show_id",)),
        _video("mvs", "mv_id"),
        _video("mlogs", "mlog_id"),
        Table("playlists", (_id("playlist_id"), _text("title", required=True), _text("owner")), ("playlist_id",)),
        Table("song_artists", (_id("song_id", "song"), _id("artist_id", "artist"), _text("role")), ("song_id", "artist_id", "role")),
        Table(
            "song_tags",
            (
                _id("song_id", "song"),
                _text("kind", required=True),
                _text("tag", required=True),
                Column("weight", "number", bounds="positive"),
            ),
            ("song_id", "kind", "tag"),
        ),
        Table(
            "soundtracks",
            (_id("drama_id", "drama"), _id("album_id", "album", required=False), _id("song_id", "song", required=False)),
            ("drama_id", "album_id", "song_id"),
        ),
        Table(
            "show_appearances",
            (_id("show_id", "show"), _id("season"), _id("artist_id", "artist"), _id("song_id", "song", required=False)),
            ("show_id", "season", "artist_id", "song_id"),
        ),
        Table(
            "playlist_songs",
            (_id("playlist_id", "playlist"), _id("song_id", "song"), Column("position", "integer")),
            ("playlist_id", "song_id", "position"),
        ),
        Table(
            "triples",
            (
                _text("head", required=True),
                _text("relation", required=True),
                _text("tail", required=True),
                Column("valid_from", "date"),
                _text("source"),
                Column("confidence", "number", bounds="share"),
            ),
            ("head", "relation", "tail"),
        ),
        Table("users", (_id("user_id"),), ("user_id",), extras=True),
        Table(
            "events",
            (
                _id("event_id", required=False),
                _id("user_id"),
                _id("item_id"),
                _text("behaviour", required=True),
                Column("ts", "time", required=True),
                _text("item_kind"),
                _text("scene"),
                Column("play_ms", "integer", bounds="not negative"),
                Column("is_organic", "flag"),
                Column("count", "number", bounds="positive"),
            ),
            ("event_id",),
            required=True,
        ),
        Table(
            "comments",
            (_id("user_id"), _id("song_id", "song"), Column("ts", "time", required=True), _text("text", required=True)),
            ("user_id", "song_id", "ts", "text"),
        ),
        Table("friends", (_id("user_id", "user"), _id("friend_id", "user")), ("user_id", "friend_id")),
    )
}
"""Every table, in the order in which it is read and cleaned: entities before what names them."""

OWN_TABLE: Final = {
    "song": ("songs", "song_id", "title"),
    "album": ("albums", "album_id", "title"),
    "artist": ("artists", "artist_id", "name"),
    "drama": ("dramas", "drama_id", "title"),
    "show": ("variety_shows", "show_id", "title"),
    "mv": ("mvs", "mv_id", "title"),
    "mlog": ("mlogs", "mlog_id", "title"),
    "playlist": ("playlists", "playlist_id", "title"),
}
"""Kind → its table, id column and name column. Other kinds exist by being named."""
