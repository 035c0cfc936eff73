"""The source contract on a real MariaDB: its own types, collations and errors, and what a failed writer leaves."""

import datetime as dt

import polars as pl
import pymysql.cursors
import pytest
import sqlalchemy as sa
from mariadb_server import new_database

from etl.errors import UserError
from etl.lake import Lake
from etl.pipeline import build_lake
from etl.rules import CleaningRules
from etl.source import Source
from etl.tables_out import write_tables

NOW = 1_900_000_000
SCHEMA = """
CREATE TABLE songs (song_id BIGINT UNSIGNED, title TEXT CHARACTER SET utf8mb4, album_id INT, language ENUM('English', 'Mandarin'),
                    release_date DATE, duration_ms MEDIUMINT UNSIGNED, popularity DECIMAL(6, 2), explicit BOOLEAN, vector JSON, made YEAR)
CREATE TABLE albums (album_id INT, title VARCHAR(30) CHARACTER SET latin1, release_date DATETIME)
CREATE TABLE listening (event_id BINARY(16), user_id VARCHAR(20), item_id BIGINT, behaviour VARCHAR(20), ts TIMESTAMP NULL, play_ms INT,
                        is_organic BIT(1))
CREATE TABLE users (user_id VARCHAR(20), joined DATETIME, height FLOAT)
INSERT INTO songs VALUES (18446744073709551615, '夜航星 😀', 7, 'Mandarin', '2019-05-01', 200000, 9.50, FALSE, '[1, 0.5]', 2019),
                         (2, 'Night Sail', 8, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
INSERT INTO albums VALUES (7, 'Harbour 100% :ä', '2019-05-01 00:00:00')
INSERT INTO users VALUES ('u', '2020-01-01 10:00:00', 1.5), ('U', NULL, NULL)
SET time_zone = '+08:00'
INSERT INTO listening VALUES (X'FF00', 'u', 2, 'play', '2020-01-01 08:00:00', 190000, 1),
                             (X'FE00', 'U', 2, 'play', '2020-01-01 08:00:01', 1, 0),
                             (X'FD00', 'u', 2, 'yodel', '2020-01-01 08:00:02', NULL, NULL)
"""
MAPPING = {"events": "listening", "albums": "SELECT * FROM albums WHERE title LIKE '%100%%' -- 100% : all"}


@pytest.fixture(scope="module")
def typed_url(mariadb_url: str) -> str:
    """A database with MariaDB's own types."""
    url = new_database(mariadb_url, "typed")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for statement in SCHEMA.replace("\nCREATE", ";CREATE").replace("\nINSERT", ";INSERT").replace("\nSET", ";SET").split(";")[1:]:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return url


def lake_of(url: str, **tables: str) -> Lake:
    return build_lake(Source(url, tables), CleaningRules(), max_rejected=1.0, now=NOW, progress=lambda *_: None)[0]


def test_types_of_mariadb_become_those_of_the_lake(typed_url: str) -> None:
    lake = lake_of(typed_url, **MAPPING)
    songs = {song["song_id"]: song for song in lake.catalogue.songs.to_dicts()}
    song = songs["18446744073709551615"]
    assert song["release_ts"] == int(dt.datetime(2019, 5, 1, tzinfo=dt.UTC).timestamp())
    assert (song["title"], song["popularity"], song["explicit"], song["vector"], song["made"]) == ("夜航星 😀", 9.5, 0, [1.0, 0.5], 2019)
    assert lake.catalogue.entities.filter(pl.col("kind") == "album")["name"].to_list() == ["Harbour 100% :ä"]
    assert lake.catalogue.users["user_id"].to_list() == ["U", "u"]
    assert lake.catalogue.users["height"].to_list() == [None, 1.5]
    assert lake.events.ts.tolist()[:2] == [1_577_836_800, 1_577_836_800]
    assert sorted(set(lake.events.is_organic.tolist())) == [0, 1]
    assert lake.rejected.select("table", "reason", "key").rows() == [
        ("songs.album_id", "dangling album_id", "2"),
        ("events", "unknown behaviour", "fd00" + 14 * "00"),
    ]


def test_rows_are_streamed_in_one_snapshot(typed_url: str) -> None:
    with Source(typed_url, MAPPING).open() as reader:
        result = reader._execute(reader.statement("events"), stream=True)
        assert isinstance(result.cursor, pymysql.cursors.SSCursor)
        result.close()
        assert reader._execute("SELECT @@tx_isolation, @@time_zone").one() == ("REPEATABLE-READ", "+00:00")


def test_ids_that_the_servers_collation_calls_equal_are_different(mariadb_url: str) -> None:
    url = new_database(mariadb_url, "collations")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for name, columns in (
            ("songs", "song_id VARCHAR(9), title VARCHAR(9)"),
            ("events", "user_id VARCHAR(9), item_id VARCHAR(9), behaviour VARCHAR(9), ts BIGINT"),
        ):
            connection.exec_driver_sql(f"CREATE TABLE {name} ({columns}) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        connection.exec_driver_sql("INSERT INTO songs VALUES ('s', 'One'), ('S', 'Two'), ('ś', 'Three'), ('s ', 'Again')")
        connection.exec_driver_sql("INSERT INTO events VALUES ('a', 's', 'play', 1), ('A', 'S', 'play', 2), ('ä', 'ś', 'PLAY', 3)")
    lake = lake_of(url)
    assert lake.catalogue.songs["song_id"].to_list() == ["S", "s", "ś"]
    assert lake.catalogue.users["user_id"].to_list() == ["A", "a", "ä"]
    assert lake.rejected.select("table", "reason", "key").rows() == [("songs", "duplicate key", "s ")]


@pytest.mark.parametrize("mode", ["", "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,NO_AUTO_VALUE_ON_ZERO"])
def test_any_sql_mode_writes_and_reads_the_same(mariadb_url: str, mode: str) -> None:
    frame = pl.DataFrame(
        {"song_id": ["1", "2"], "title": ["a\\'b\"c`%s\n\\", "夜😀" + "x" * 70_000], "n": [2**63 - 1, None], "x": [0.1, -1e-300]}
    )
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["1"], "behaviour": ["play"], "ts": [5]})
    url = new_database(mariadb_url, f"mode{len(mode)}")
    with sa.create_engine(mariadb_url, poolclass=sa.NullPool).begin() as connection:
        before = connection.exec_driver_sql("SELECT @@GLOBAL.sql_mode").scalar_one()
        connection.exec_driver_sql(f"SET GLOBAL sql_mode = '{mode}'")
    try:
        write_tables(url, {"songs": frame, "events": events})
        with Source(url).open() as reader:
            assert reader.read("songs").rows() == frame.rows()
        with pytest.raises(UserError, match="Out of range value for column 'n'"):
            write_tables(url, {"other": pl.DataFrame({"n": [2**64 - 1]}, schema={"n": pl.UInt64})})
    finally:
        with sa.create_engine(mariadb_url, poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql(f"SET GLOBAL sql_mode = '{before}'")


def test_a_writer_that_fails_leaves_nothing(mariadb_url: str) -> None:
    url = new_database(mariadb_url, "writer")
    good = {"songs": pl.DataFrame({"song_id": ["1"]}), "events": pl.DataFrame({"user_id": ["u"]})}
    with pytest.raises(TypeError, match="no SQL type"):
        write_tables(url, {**good, "odd": pl.DataFrame({"x": [[1]]})})
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:  # what a writer that was killed leaves
        connection.exec_driver_sql("CREATE TABLE kg_recall_partial_songs (song_id TEXT)")
    write_tables(url, good)
    assert sorted(sa.inspect(engine).get_table_names()) == ["events", "songs"]
    with pytest.raises(UserError, match="already holds the table events"):
        write_tables(url, good)


def test_a_source_is_only_read(typed_url: str, mariadb_url: str) -> None:
    with sa.create_engine(typed_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE counter")
    with pytest.raises(UserError, match="Cannot execute statement in a READ ONLY transaction"):
        lake_of(typed_url, events="listening", albums="SELECT NEXTVAL(counter) AS album_id, title FROM albums")
    reader = sa.make_url(typed_url).set(username="reader", password="").render_as_string(hide_password=False)
    assert lake_of(reader, **MAPPING).catalogue.n_songs == 2


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "has no table `events`"),
        ({"events": "listenings"}, "no table or view 'listenings'"),
        ({"events": "SELECT user_id FROM listening"}, "`events` has no column `item_id`, `behaviour`, `ts`"),
        ({"events": "SELECT nothing FROM listening"}, "Unknown column 'nothing' in 'SELECT'; check [source.tables]"),
        ({"events": "SELECT FROM listening"}, "You have an error in your SQL syntax"),
    ],
)
def test_gaps_are_named_in_one_line(typed_url: str, tables: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as error:
        lake_of(typed_url, **tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"database": "nowhere"}, "Unknown database 'nowhere'"),
        ({"password": "s3cret-w0rd"}, "Access denied for user 'tests'@'127.0.0.1' .*; check the user and the environment variable"),
        ({"port": 1}, "Can't connect to MySQL server on '127.0.0.1' .*; check that the server runs, and the host and port"),
        ({"host": "no.such.host.invalid"}, "Can't connect to MySQL server on 'no.such.host.invalid' .*; check that the server runs"),
    ],
)
def test_a_server_that_refuses_is_named_without_the_password(typed_url: str, change: dict[str, str | int], said: str) -> None:
    url = sa.make_url(typed_url).set(**{"password": "s3cret-w0rd"} | change if "database" not in change else change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=said) as error:
        lake_of(url.render_as_string(hide_password=False))
    assert "s3cret" not in str(error.value)
    assert "only for tests" not in str(error.value)
    assert "\n" not in str(error.value)


def test_the_fingerprint_follows_what_is_added(typed_url: str) -> None:
    source = Source(typed_url, MAPPING)
    first = source.fingerprint()
    assert source.fingerprint() == first
    with sa.create_engine(typed_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("INSERT INTO users VALUES ('later', NULL, NULL)")
    assert source.fingerprint() != first
