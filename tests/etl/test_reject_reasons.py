import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from source_house import DAY, NOW, build, house

from etl.errors import UserError

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


@pytest.mark.parametrize(("table", "row", "reason"), PLANTED, ids=[f"{table}: {reason}" for table, _, reason in PLANTED])
def test_one_bad_row_is_set_aside_under_its_reason(tmp_path: Path, table: str, row: dict[str, Any], reason: str) -> None:
    tables = house()
    names = list(tables[table][0])
    tables[table].append({name: row[name] for name in names})
    lake, report = build(tmp_path / "music.db", tables)
    assert lake.rejected.height == 1
    planted = lake.rejected.row(0, named=True)
    assert (planted["table"], planted["reason"]) == (table, reason)
    assert json.loads(planted["row"]).keys() == set(names)
    assert report.rejected[table] == {reason: 1}
    assert report.kept[table] == report.read[table] - 1 == len(house()[table])


@pytest.mark.parametrize(("table", "row", "column", "reason"), VALUES, ids=[case[3] for case in VALUES])
def test_one_bad_optional_value_is_set_aside_alone(tmp_path: Path, table: str, row: dict[str, Any], column: str, reason: str) -> None:
    tables = house()
    tables[table].append(row)
    lake, report = build(tmp_path / "music.db", tables)
    assert lake.rejected["table"].to_list() == [f"{table}.{column}"]
    assert lake.rejected["key"].to_list() == [str(next(iter(row.values())))]
    assert report.rejected[f"{table}.{column}"] == {reason: 1}
    assert report.kept[table] == report.read[table]
    assert report.read[f"{table}.{column}"] == sum(row[column] is not None for row in tables[table])


def test_a_day_of_tolerance_is_not_the_future(tmp_path: Path) -> None:
    tables = house()
    tables["events"].append(EVENT | {"ts": NOW + DAY})
    assert build(tmp_path / "music.db", tables)[0].rejected.is_empty()


def test_exact_duplicates_count_where_no_event_has_an_id(tmp_path: Path) -> None:
    tables = house()
    tables["events"].append(EVENT | {"event_id": None})
    tables["events"].append(EVENT | {"event_id": None})
    tables["events"].append(EVENT | {"event_id": None, "scene": "fm"})
    lake, _ = build(tmp_path / "with_column.db", tables)
    assert lake.rejected.select("table", "reason", "key").rows() == [("events", "duplicate key", f"u1|s1|click|{NOW - 5}")]
    tables["events"] = [{name: value for name, value in row.items() if name != "event_id"} for row in tables["events"]]
    lake, _ = build(tmp_path / "without.db", tables)
    assert lake.rejected.select("table", "reason", "key").rows() == [("events", "duplicate key", f"u1|s1|click|{NOW - 5}")]


def test_the_first_of_two_rows_with_one_key_stays(tmp_path: Path) -> None:
    tables = house()
    tables["albums"].append({"album_id": "b1", "title": "Later", "release_date": None})
    lake, _ = build(tmp_path / "music.db", tables)
    assert lake.catalogue.entities.filter(pl.col("key") == "album:b1")["name"].to_list() == ["Harbour"]


def test_too_many_rejected_rows_stop_the_build(tmp_path: Path) -> None:
    tables = house()
    tables["events"].append(EVENT | {"behaviour": "yodel"})
    with pytest.raises(
        UserError, match=r"`events`: 1 of 7 rows rejected \(14.3%, the limit is 14.0%\), mostly 'unknown behaviour'"
    ) as error:
        build(tmp_path / "music.db", tables, max_rejected=0.14)
    assert "yodel" in str(error.value)
    assert "\n" not in str(error.value)
    (tmp_path / "music.db").unlink()
    assert build(tmp_path / "music.db", tables, max_rejected=1 / 7)[1].kept["events"] == 6
