"""Bad rows of every kind, each beside the reason under which it is set aside from the tables of `source_house`."""

from typing import Any

from source_house import DAY, NOW

LATE = NOW + DAY + 1
EVENT = {"event_id": "e9", "user_id": "u1", "item_id": "s1", "behaviour": "click", "ts": NOW - 5, "item_kind": None, "scene": None}
EVENT |= {"play_ms": None, "is_organic": None}
SONG = dict.fromkeys(("album_id", "language", "release_date", "duration_ms", "popularity", "tempo", "vector"))
SONG = {"song_id": "s9", "title": "Nine", **SONG}
VIDEO = {"title": "Clip", "song_id": "s1", "published_at": None}
TRIPLE = {"head": "song:s1", "relation": "KNOWS", "tail": "thing:x", "valid_from": None, "source": None, "confidence": None}
COMMENT = {"user_id": "u1", "song_id": "s1", "ts": NOW - 9, "text": "hm"}

PLANTED: list[tuple[str, dict[str, Any], str]] = [
    ("songs", SONG | {"song_id": None}, "missing song_id"),
    ("songs", SONG | {"title": "  "}, "missing title"),
    ("songs", SONG | {"song_id": "s1"}, "duplicate key"),
    ("songs", SONG | {"duration_ms": -1}, "negative duration_ms"),
    ("albums", {"album_id": "b1", "title": "Again", "release_date": None}, "duplicate key"),
    ("artists", {"artist_id": "a9", "name": None}, "missing name"),
    ("song_artists", {"song_id": "s9", "artist_id": "a1", "role": None}, "dangling song_id"),
    ("song_artists", {"song_id": "s3", "artist_id": "a9", "role": None}, "dangling artist_id"),
    ("song_artists", {"song_id": "s2", "artist_id": "a1", "role": None}, "duplicate key"),
    ("song_tags", {"song_id": "s9", "kind": "style", "tag": "folk", "weight": None}, "dangling song_id"),
    ("song_tags", {"song_id": "s3", "kind": "style", "tag": "folk", "weight": 0}, "weight not above 0"),
    ("soundtracks", {"drama_id": "d1", "album_id": None, "song_id": None}, "neither album_id nor song_id"),
    ("soundtracks", {"drama_id": "d9", "album_id": "b1", "song_id": None}, "dangling drama_id"),
    ("soundtracks", {"drama_id": "d1", "album_id": "b9", "song_id": None}, "dangling album_id"),
    ("show_appearances", {"show_id": "w9", "season": 1, "artist_id": "a1", "song_id": None}, "dangling show_id"),
    ("show_appearances", {"show_id": "w1", "season": 1, "artist_id": "a1", "song_id": "s9"}, "dangling song_id"),
    ("mvs", VIDEO | {"mv_id": "m9", "song_id": "s9"}, "dangling song_id"),
    ("mlogs", VIDEO | {"mlog_id": "g1"}, "duplicate key"),
    ("playlist_songs", {"playlist_id": "p9", "song_id": "s1", "position": 1}, "dangling playlist_id"),
    ("triples", TRIPLE | {"head": "nobody"}, "malformed head"),
    ("triples", TRIPLE | {"tail": "thing:"}, "malformed tail"),
    ("triples", TRIPLE | {"relation": "演唱"}, "relation not in Latin letters"),
    ("triples", TRIPLE | {"relation": "--"}, "relation not in Latin letters"),
    ("triples", TRIPLE | {"head": "song:s9"}, "dangling head"),
    ("triples", TRIPLE | {"tail": "season:w9/1"}, "dangling tail"),
    ("triples", TRIPLE | {"tail": "user:u9"}, "dangling tail"),
    ("triples", TRIPLE | {"confidence": 1.5}, "confidence outside (0, 1]"),
    ("users", {"user_id": "u1", "gender": None, "birth_year": None}, "duplicate key"),
    ("events", EVENT | {"user_id": ""}, "missing user_id"),
    ("events", EVENT | {"ts": None}, "missing ts"),
    ("events", EVENT | {"ts": "yesterday"}, "unreadable ts"),
    ("events", EVENT | {"ts": LATE}, "future ts"),
    ("events", EVENT | {"play_ms": -1}, "negative play_ms"),
    ("events", EVENT | {"behaviour": "yodel"}, "unknown behaviour"),
    ("events", EVENT | {"item_kind": "boat"}, "unknown item_kind"),
    ("events", EVENT | {"item_id": "s9"}, "dangling item_id"),
    ("events", EVENT | {"item_id": "a9", "behaviour": "block_artist"}, "dangling item_id"),
    ("events", EVENT | {"event_id": "e1"}, "duplicate key"),
    ("friends", {"user_id": "u1", "friend_id": "u9"}, "dangling friend_id"),
    ("comments", COMMENT | {"song_id": "s9"}, "dangling song_id"),
    ("comments", COMMENT | {"ts": LATE}, "future ts"),
    ("comments", COMMENT | {"ts": NOW - 100, "text": "so calm"}, "duplicate key"),
    ("comments", COMMENT | {"text": None}, "missing text"),
]
VALUES: list[tuple[str, dict[str, Any], str, str]] = [
    ("songs", SONG | {"album_id": "b9"}, "album_id", "dangling album_id"),
    ("songs", SONG | {"release_date": "soon"}, "release_date", "unreadable release_date"),
    ("songs", SONG | {"duration_ms": "long"}, "duration_ms", "unreadable duration_ms"),
    ("songs", SONG | {"vector": "[1, x]"}, "vector", "unreadable vector"),
    ("songs", SONG | {"vector": "[1]"}, "vector", "vector of another length"),
    ("dramas", {"drama_id": "d9", "title": "Nine", "year": "someday"}, "year", "unreadable year"),
    ("events", EVENT | {"is_organic": "perhaps"}, "is_organic", "unreadable is_organic"),
    ("events", EVENT | {"play_ms": 2**31}, "play_ms", "unreadable play_ms"),
]
