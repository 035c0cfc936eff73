"""Laws of the lake, for tables with anything in them."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from source_house import NOW, Rows, build, house

from etl.contract import TABLES
from etl.lake import Lake, events_frame

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""No shrinking: each example builds a lake, and its tables are small already."""
IDS = st.sampled_from(["s1", "s2", "s3", "s9", "a1", "m1", "", None, 7])
TIMES = st.one_of(
    st.integers(NOW - 1000, NOW + 200_000), st.sampled_from(["2020-01-01", "2023-11-01T00:00:00+02:00", "never", None, 1.5e9])
)
EVENT = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from(["e1", "e2", "e3", None]),
        "user_id": st.sampled_from(["u1", "u2", "u9", None, 3]),
        "item_id": IDS,
        "behaviour": st.sampled_from(["play", "click", "Skip", "full_play", "comment", "collect", "block_artist", "hum", None]),
        "ts": TIMES,
        "item_kind": st.sampled_from([None, "song", "mv", "boat"]),
        "scene": st.sampled_from([None, "fm", "daily", " "]),
        "play_ms": st.sampled_from([None, 0, 1000, 99_000, -5, "long"]),
        "is_organic": st.sampled_from([None, 0, 1, "maybe"]),
    }
)
SONG = st.fixed_dictionaries(
    {
        "song_id": IDS,
        "title": st.sampled_from(["One", None, ""]),
        "album_id": st.sampled_from([None, "b1", "b9"]),
        "language": st.sampled_from([None, "English"]),
        "release_date": st.sampled_from([None, "2020", 1994, "soon"]),
        "duration_ms": st.sampled_from([None, 0, 5000, -1, "x"]),
    }
)
COMMENT = st.fixed_dictionaries(
    {"user_id": st.sampled_from(["u1", None]), "song_id": IDS, "ts": TIMES, "text": st.sampled_from(["hm", None])}
)


def made(tables: dict[str, Rows]) -> tuple[Lake, Any]:
    with TemporaryDirectory() as folder:
        return build(Path(folder) / "music.db", tables)


@settings(max_examples=40, deadline=None, phases=PHASES)
@given(st.lists(EVENT, max_size=12), st.lists(SONG, max_size=6), st.lists(COMMENT, max_size=4))
def test_no_row_vanishes(events: Rows, songs: Rows, comments: Rows) -> None:
    tables: dict[str, Rows] = house() | {"events": events, "songs": songs, "comments": comments}
    lake, report = made(tables)
    for name, read in report.read.items():
        table = name.split(".")[0]
        assert read == report.kept[name] + sum(report.rejected[name].values())
        assert read == (len(tables[table]) if name == table else read) <= len(tables[table])
        assert lake.rejected["table"].to_list().count(name) == sum(report.rejected[name].values())
    assert set(tables) <= set(report.read)
    assert lake.catalogue.n_songs == report.kept["songs"]
    assert lake.comments.height == report.kept["comments"]
    assert len(lake.events) == report.kept["events"] + sum(report.derived.values())
    assert (lake.events.ts[1:] >= lake.events.ts[:-1]).all()


@settings(max_examples=15, deadline=None, phases=PHASES)
@given(st.randoms(use_true_random=False), st.lists(EVENT, max_size=8), st.lists(SONG, max_size=4))
def test_permuted_tables_give_the_same_lake(rng: random.Random, events: Rows, songs: Rows) -> None:
    tables = house()
    tables["events"] += [row | {"event_id": f"x{i}", "ts": NOW - 5000 - i} for i, row in enumerate(events)]
    tables["songs"] += [row | {"song_id": f"x{i}", "tempo": i} for i, row in enumerate(songs)]
    shuffled = {name: rng.sample(rows, len(rows)) for name, rows in tables.items()}
    assert_same_lake(made(tables)[0], made(shuffled)[0])


def assert_same_lake(one: Lake, other: Lake) -> None:
    assert_frame_equal(one.catalogue.entities, other.catalogue.entities)
    assert_frame_equal(one.catalogue.songs, other.catalogue.songs)
    assert_frame_equal(one.catalogue.users, other.catalogue.users)
    assert_frame_equal(events_frame(one.events), events_frame(other.events))
    assert_frame_equal(one.triples, other.triples)
    assert_frame_equal(one.comments, other.comments)
    assert_frame_equal(one.rejected, other.rejected)
    assert one.scenes == other.scenes
    assert one.flag.tolist() == other.flag.tolist()
    assert_frame_equal(one.robots, other.robots)


def test_the_house_has_every_table() -> None:
    assert set(house()) == set(TABLES)
