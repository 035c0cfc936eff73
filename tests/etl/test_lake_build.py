import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from source_house import NOW, build, events, house, rows

from etl.behaviours import Behaviour
from etl.contract import KINDS
from etl.errors import UserError
from etl.lake import Lake, events_frame
from etl.report import EtlReport
from etl.rules import CleaningRules


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, EtlReport]:
    return build(tmp_path_factory.mktemp("house") / "music.db", house())


def told(lake: Lake) -> list[tuple[str, str, str, int]]:
    """Events by name."""
    users, keys = lake.catalogue.users["user_id"], lake.catalogue.entities["key"]
    log = lake.events
    codes = zip(log.user.tolist(), log.behaviour.tolist(), log.item.tolist(), log.source.tolist(), strict=True)
    return [(users[user], Behaviour(code).name.lower(), keys[item], source) for user, code, item, source in codes]


def fact(lake: Lake, head: str, relation: str) -> list[tuple[str, str, float, int | None]]:
    chosen = lake.triples.filter((pl.col("head") == head) & (pl.col("relation") == relation))
    return [(row["tail"], row["source"], round(row["confidence"], 3), row["valid_from"]) for row in chosen.to_dicts()]


def test_entities_stand_in_the_order_of_the_lake(built: tuple[Lake, EtlReport]) -> None:
    entities = built[0].catalogue.entities
    assert entities["key"].to_list() == [
        "song:s1", "song:s2", "song:s3", "album:b1", "artist:a1", "artist:a2", "drama:d1", "show:w1", "season:w1/1", "season:w1/2",
        "mv:m1", "mlog:g1", "playlist:p1", "style:folk", "language:English", "language:Mandarin", "era:2010s", "tag:scene/night",
        "user:u1", "user:u3", "label:Blue Kite",
    ]  # fmt: skip
    names = dict(zip(entities["key"], entities["name"], strict=True))
    assert names["season:w1/2"] == "Voice of Night 2"
    assert names["tag:scene/night"] == "night"
    assert names["label:Blue Kite"] == "Blue Kite"
    assert names["song:s1"] == "夜航星"
    assert set(entities["kind"]) <= {*KINDS, "label"}


def test_a_playlist_whose_owner_is_a_user_belongs_to_him(built: tuple[Lake, EtlReport]) -> None:
    catalogue = built[0].catalogue
    assert catalogue.owners is not None
    (owned,) = catalogue.owners.rows()
    assert catalogue.entities["key"][owned[0]] == "playlist:p1"
    assert catalogue.users["user_id"][owned[1]] == "u1"


def test_songs_hold_artists_facets_and_side_features(built: tuple[Lake, EtlReport]) -> None:
    songs = built[0].catalogue.songs
    assert songs["artist"].to_list() == ["Lin", "Lin, Mo", None]
    assert songs["release_ts"].to_list() == [1_556_668_800, 1_556_668_800, None]
    assert songs["duration_ms"].to_list() == [200_000, 100_000, None]
    assert songs["tempo"].to_list() == [120, 90, None]
    assert songs.schema["vector"] == pl.List(pl.Float32)
    assert songs["vector"].to_list() == [[1.0, 0.5], [0.0, 1.0], None]


def test_users_are_those_of_users_events_and_comments(built: tuple[Lake, EtlReport]) -> None:
    users = built[0].catalogue.users
    assert users["user_id"].to_list() == ["u1", "u2", "u3", "u4"]
    assert users["birth_year"].to_list() == [1990, None, None, None]


def test_facts_have_source_confidence_and_time(built: tuple[Lake, EtlReport]) -> None:
    lake = built[0]
    released = 1_556_668_800
    assert fact(lake, "song:s1", "IN_ALBUM") == [("album:b1", "songs", 1.0, released)]
    assert fact(lake, "song:s2", "SUNG_BY") == [
        ("artist:a1", "song_artists", 1.0, released),
        ("artist:a2", "song_artists", 1.0, released),
    ]
    assert fact(lake, "song:s3", "SUNG_BY") == []
    assert fact(lake, "song:s3", "COMPOSED_BY") == [("artist:a2", "song_artists", 1.0, None)]
    assert fact(lake, "album:b1", "RELEASED_BY") == [
        ("artist:a1", "song_artists", 1.0, 1_546_300_800),
        ("artist:a2", "song_artists", 1.0, 1_546_300_800),
    ]
    assert fact(lake, "album:b1", "SOUNDTRACK_OF") == [("drama:d1", "soundtracks", 1.0, 1_514_764_800)]
    assert fact(lake, "song:s3", "SOUNDTRACK_OF") == [("drama:d1", "soundtracks", 1.0, 1_514_764_800)]
    assert fact(lake, "artist:a1", "COMPETED_IN") == [("season:w1/1", "show_appearances", 1.0, None)]
    assert fact(lake, "season:w1/1", "SEASON_OF") == [("show:w1", "show_appearances", 1.0, None)]
    assert fact(lake, "song:s1", "PERFORMED_ON") == [("season:w1/1", "show_appearances", 1.0, None)]
    assert fact(lake, "mv:m1", "MV_OF") == [("song:s1", "mvs", 1.0, 1_580_000_000)]
    assert fact(lake, "mlog:g1", "USES_SONG") == [("song:s2", "mlogs", 1.0, None)]
    assert fact(lake, "song:s1", "IN_PLAYLIST") == [("playlist:p1", "playlist_songs", 1.0, None)]
    assert fact(lake, "song:s1", "HAS_STYLE") == [("style:folk", "song_tags", 1.0, released)]
    assert fact(lake, "song:s2", "TAGGED") == [("tag:scene/night", "song_tags", 0.4, released)]
    assert fact(lake, "song:s1", "IN_LANGUAGE") == [("language:Mandarin", "songs", 1.0, released)]
    assert fact(lake, "song:s1", "FROM_ERA") == [("era:2010s", "songs", 1.0, released)]
    assert fact(lake, "user:u1", "FRIEND_OF") == [("user:u3", "friends", 1.0, None)]
    assert fact(lake, "artist:a1", "INFLUENCED_BY") == [("artist:a2", "triples", 0.5, None)]
    assert fact(lake, "album:b1", "PUBLISHED_BY") == [("label:Blue Kite", "press", 1.0, 1_577_836_800)]


def test_released_by_needs_the_named_share_of_songs(tmp_path: Path) -> None:
    lake, _ = build(tmp_path / "music.db", house(), CleaningRules(released_by_share=0.6))
    assert [row[0] for row in fact(lake, "album:b1", "RELEASED_BY")] == ["artist:a1"]


def test_events_are_derived_and_comments_count_once(built: tuple[Lake, EtlReport]) -> None:
    lake, report = built
    assert told(lake) == [
        ("u1", "play", "song:s1", 0),
        ("u1", "full_play", "song:s1", 0),
        ("u1", "play", "song:s2", 1),
        ("u1", "skip", "song:s2", 1),
        ("u1", "play", "song:s3", 2),
        ("u1", "full_play", "song:s3", 2),
        ("u3", "play", "mv:m1", 3),
        ("u3", "full_play", "mv:m1", 3),
        ("u2", "block_artist", "artist:a2", 4),
        ("u1", "comment", "song:s1", 5),
        ("u4", "comment", "song:s2", 6),
    ]
    assert report.derived == {"full_play": 3, "skip": 1, "comment": 1}
    assert lake.comments.drop("sentiment").to_dicts() == [
        {"user": 0, "item": 0, "ts": NOW - 100, "text": "so calm"},
        {"user": 3, "item": 1, "ts": NOW - 50, "text": "again"},
    ]
    assert lake.scenes == ("daily", "mv", "search")
    assert [lake.scenes[code] if code >= 0 else None for code in lake.events.scene[:5]] == ["daily", "daily", "search", "search", None]
    assert lake.last_ts == NOW - 50


def test_what_the_source_says_of_a_play_is_not_derived_again(tmp_path: Path) -> None:
    tables = house()
    tables["events"] = events(
        ("e1", "u1", "s1", "skip", NOW - 500, None, None, None, None),
        ("e2", "u1", "s2", "play", NOW - 500, None, None, 99_000, None),
        ("e3", "u1", "s1", "play", NOW - 500, None, None, 199_000, None),
        ("e4", "u1", "s2", "play", NOW - 400, None, None, 1_000, None),
    )
    tables["comments"] = []
    lake, _ = build(tmp_path / "music.db", tables)
    assert told(lake) == [
        ("u1", "play", "song:s2", 1),
        ("u1", "full_play", "song:s2", 1),
        ("u1", "play", "song:s1", 2),
        ("u1", "skip", "song:s1", 2),
        ("u1", "play", "song:s2", 3),
    ]


def test_a_catalogue_alone_names_what_has_no_table(tmp_path: Path) -> None:
    tables = {name: house()[name] for name in ("songs", "song_artists", "show_appearances", "soundtracks")} | {"events": []}
    lake, report = build(tmp_path / "music.db", tables, max_rejected=0.0)
    names = dict(zip(lake.catalogue.entities["key"], lake.catalogue.entities["name"], strict=True))
    assert (names["artist:a1"], names["album:b1"], names["season:w1/2"], names["drama:d1"]) == ("a1", "b1", "w1 2", "d1")
    assert lake.catalogue.songs["artist"].to_list() == ["a1", "a1, a2", None]
    assert len(lake.events) == 0
    assert lake.last_ts is None
    assert set(report.read) == set(tables)


def test_songs_may_bring_their_artist_line(tmp_path: Path) -> None:
    tables = {"songs": rows("song_id title artist", (1, "One", "Ann"), (2, "Two", None)), "events": []}
    lake, _ = build(tmp_path / "music.db", tables)
    assert lake.catalogue.songs["artist"].to_list() == ["Ann", None]


def test_ids_of_numbers_and_text_meet(tmp_path: Path) -> None:
    tables = {
        "songs": rows("song_id title", (10, "Ten"), (9, "Nine")),
        "events": rows("user_id item_id behaviour ts", (1.0, "10", "Collect", "2020-01-01"), ("1", 9, "click", 1_577_836_801)),
    }
    lake, _ = build(tmp_path / "music.db", tables, max_rejected=0.0)
    assert told(lake) == [("1", "collect", "song:10", 0), ("1", "click", "song:9", 1)]
    assert lake.catalogue.songs["song_id"].to_list() == ["10", "9"]


def test_count_is_a_weight(tmp_path: Path) -> None:
    tables = house() | {"events": rows("user_id item_id behaviour ts count", ("u1", "s1", "play", NOW - 9, 13883)), "comments": []}
    lake, _ = build(tmp_path / "music.db", tables)
    assert lake.events.count.tolist() == [13883.0, 13883.0]


def test_the_lake_comes_back_from_its_folder_and_writes_the_same_bytes(built: tuple[Lake, EtlReport], tmp_path: Path) -> None:
    lake = built[0]
    lake.write(tmp_path / "one")
    back = Lake.read(tmp_path / "one")
    back.write(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "comments.parquet", "entities.parquet", "events", "flags", "meta.json", "owners.parquet", "rejected.parquet", "robots.parquet",
        "songs.parquet", "triples.parquet",
        "users.parquet",
    ]  # fmt: skip
    days = sorted({time.strftime("%Y-%m-%d.parquet", time.gmtime(ts)) for ts in lake.events.ts.tolist()})
    assert sorted(path.name for path in (tmp_path / "one" / "events").iterdir()) == days
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    assert_frame_equal(events_frame(back.events), events_frame(lake.events))
    assert back.events.item.dtype == np.int32
    assert back.scenes == lake.scenes


def test_no_lake_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `kg-recall etl` first"):
        Lake.read(tmp_path)


def test_the_report_is_json_and_markdown(built: tuple[Lake, EtlReport], tmp_path: Path) -> None:
    tables = house()
    tables["events"][0]["behaviour"] = "sing|along"
    _, report = build(tmp_path / "music.db", tables)
    report.write(tmp_path / "reports")
    told_json = json.loads((tmp_path / "reports" / "etl.json").read_text())
    assert told_json["read"]["events"] == 6
    assert told_json["kept"]["events"] == 5
    assert told_json["rejected"]["events"] == {"unknown behaviour": 1}
    assert told_json["rejected"]["songs"] == {}
    markdown = (tmp_path / "reports" / "etl.md").read_text()
    assert '| events | unknown behaviour | 1 | `{"event_id":"e1"' in markdown
    assert "sing\\|along" in markdown


def test_progress_is_told_in_order(tmp_path: Path) -> None:
    from etl.pipeline import build_lake
    from etl.source import Source

    build(tmp_path / "music.db", house())
    calls: list[tuple[str, int, int]] = []
    build_lake(
        Source(f"sqlite:///{tmp_path}/music.db"), CleaningRules(), max_rejected=0.0, now=NOW, progress=lambda *call: calls.append(call)
    )
    assert calls[0] == ("read songs", 3, 3)
    assert [call for call in calls if call[0] == "clean"] == [("clean", stage, 5) for stage in range(1, 6)]


def test_each_role_has_its_relation(tmp_path: Path) -> None:
    roles = [None, "Singer", "主唱", "Composer", "作词", "dj mix", "和声", "3rd"]
    tables = {
        "songs": rows("song_id title", ("s1", "One")),
        "song_artists": rows("song_id artist_id role", *(("s1", f"a{place}", role) for place, role in enumerate(roles))),
        "events": [],
    }
    lake, _ = build(tmp_path / "music.db", tables)
    relations = dict(zip(lake.triples["tail"], lake.triples["relation"], strict=True))
    assert [relations[f"artist:a{place}"] for place in range(len(roles))] == [
        "SUNG_BY", "SUNG_BY", "SUNG_BY", "COMPOSED_BY", "WRITTEN_BY", "DJ_MIX", "CREDITED_TO", "R_3RD",
    ]  # fmt: skip
    assert lake.catalogue.songs["artist"].to_list() == ["a0, a1, a2"]
