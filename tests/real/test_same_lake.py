"""SQLite, PostgreSQL and MariaDB that hold the same rows give the same lake and the same report, byte for byte."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from planted_rows import PLANTED, VALUES
from source_house import NOW, house
from three_servers import Files, differing, lake_of, new_databases, refill, typed

from etl.lake import Lake
from etl.simulation.service import simulate
from etl.simulation.settings import SimulationSettings

Tables = dict[str, pl.DataFrame]


def planted() -> Tables:
    """The tiny service with every bad row in it at once; what is bad in no key gets a key of its own."""
    tables = house()
    for name, row, _ in PLANTED:
        own = {"event_id": f"x{len(tables[name])}"} if row.get("event_id") == "e9" else {}
        tables[name].append(row | own)
    for name, row, _, _ in VALUES:
        tables[name].append(row | {next(iter(row)): f"v{len(tables[name])}"})
    return {name: typed(rows, list(house()[name][0])) for name, rows in tables.items()}


def assert_same(tables: Tables, urls: dict[str, str], folder: Path, now: int = NOW) -> Files:
    """One lake from all servers; returns it."""
    lakes = {}
    for server, url in urls.items():
        refill(url, tables)
        lakes[server] = lake_of(url, folder / server, now)
    for server in ("PostgreSQL", "MariaDB"):
        assert differing(lakes["SQLite"], lakes[server]) == [], server
    return lakes["SQLite"]


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, mariadb_url: str) -> dict[str, str]:
    return new_databases("same_lake", tmp_path_factory.mktemp("same_lake"), postgres_url, mariadb_url)


def test_bad_rows_of_every_kind_are_the_same(urls: dict[str, str], tmp_path: Path) -> None:
    lake = assert_same(planted(), urls, tmp_path)
    rejected = json.loads(lake["lake/reports/etl.json"])["rejected"]
    for table, _, reason in PLANTED:
        assert rejected[table][reason] >= 1, (table, reason)
    for table, _, column, reason in VALUES:
        assert rejected[f"{table}.{column}"][reason] >= 1, (table, reason)
    assert Lake.read(tmp_path / "MariaDB" / "lake").rejected.height >= len(PLANTED) + len(VALUES)


def test_a_simulated_service_is_the_same(urls: dict[str, str], tmp_path: Path) -> None:
    tables = {name: frame for name, frame in simulate(SimulationSettings(n_songs=60, n_users=12, n_days=4)).items() if name != "truth"}
    assert_same(tables, urls, tmp_path, now=1_900_000_000)
    assert len(Lake.read(tmp_path / "PostgreSQL" / "lake").events) > 100


TEXT = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "a", "A", "a ", "ä", "ß", "ss", "1", "01", "1.0", "夜航星 😀", "\x1f\n\t\r", "%s :x ? \\ ' \" `", "x" * 70_000]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)
ID = st.one_of(TEXT, st.sampled_from(["s1", "S1", "u1", "é", "e\u0301"]))
WHOLE = st.one_of(st.none(), st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]), st.integers(0, 400_000))
NUMBER = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)
"""Without -0.0, whose sign SQLite does not keep."""
FRACTION = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 1.0, 1e300, 5e-324, 2.0**53]), NUMBER)
SECONDS = st.one_of(st.none(), st.integers(NOW - 400_000, NOW + 200_000), st.sampled_from([0, -1, 2**40]))
DATE = st.one_of(st.none(), st.sampled_from(["2019-05-01", "2019", "2019-05-01T10:00:00+08:00", "1700000000", "soon", ""]))
BEHAVIOUR = st.sampled_from(["play", "Play", "click", "comment", "collect", "block_artist", "hum", "", None])
SONG = {
    "song_id": (ID, pl.String),
    "title": (TEXT, pl.String),
    "language": (TEXT, pl.String),
    "release_date": (DATE, pl.String),
    "duration_ms": (WHOLE, pl.Int64),
    "popularity": (FRACTION, pl.Float64),
    "loud": (st.none() | st.booleans(), pl.Boolean),
    "vector": (st.sampled_from([None, "[1, 0.5]", "[]", "[2, 3]", "[1"]), pl.String),
}
EVENT = {
    "event_id": (st.one_of(st.none(), st.sampled_from(["e1", "E1", "7"]), TEXT), pl.String),
    "user_id": (ID, pl.String),
    "item_id": (ID, pl.String),
    "behaviour": (BEHAVIOUR, pl.String),
    "ts": (SECONDS, pl.Int64),
    "scene": (TEXT, pl.String),
    "play_ms": (WHOLE, pl.Int64),
    "is_organic": (st.none() | st.booleans(), pl.Boolean),
    "count": (FRACTION, pl.Float64),
}
COMMENT = {"user_id": (ID, pl.String), "song_id": (ID, pl.String), "ts": (SECONDS, pl.Int64), "text": (TEXT, pl.String)}
USER = {"user_id": (ID, pl.String), "birth_year": (WHOLE, pl.Int64), "mood": (TEXT, pl.String), "height": (FRACTION, pl.Float64)}


def frames(columns: dict[str, tuple[st.SearchStrategy[Any], Any]], most: int) -> st.SearchStrategy[pl.DataFrame]:
    rows = st.lists(st.tuples(*(values for values, _ in columns.values())), max_size=most)
    return rows.map(lambda drawn: pl.DataFrame(drawn, schema={name: dtype for name, (_, dtype) in columns.items()}, orient="row"))


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(frames(SONG, 6), frames(EVENT, 10), frames(COMMENT, 4), frames(USER, 4))
def test_any_rows_are_the_same(
    urls: dict[str, str], songs: pl.DataFrame, events: pl.DataFrame, comments: pl.DataFrame, users: pl.DataFrame
) -> None:
    with TemporaryDirectory() as folder:
        assert_same({"songs": songs, "events": events, "comments": comments, "users": users}, urls, Path(folder))
