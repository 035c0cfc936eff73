"""The source contract on a real PostgreSQL: its own types and its errors."""

import datetime as dt

import pytest
import sqlalchemy as sa
from postgresql_server import new_database

from etl.errors import UserError
from etl.lake import Lake
from etl.pipeline import build_lake
from etl.rules import CleaningRules
from etl.source import Source

NOW = 1_900_000_000
SCHEMA = """
CREATE TABLE songs (song_id bigint, title text, album_id bigint, language varchar(20), release_date date, duration_ms integer,
                    popularity numeric(6, 2), explicit boolean, vector real[]);
CREATE TABLE albums (album_id bigint, title text, release_date timestamp);
CREATE SCHEMA log;
CREATE SEQUENCE counter;
CREATE TABLE log.listening (event_id uuid DEFAULT gen_random_uuid(), user_id bigint, item_id bigint, behaviour text, ts timestamptz,
                            play_ms integer, is_organic boolean);
CREATE TABLE users (user_id bigint, birth_year smallint, signup_at timestamp, taste jsonb);
INSERT INTO songs VALUES (1, '夜航星', 7, 'Mandarin', '2019-05-01', 200000, 9.50, false, '{1, 0.5}'),
                         (2, 'Night Sail', 8, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO albums VALUES (7, 'Harbour', '2019-05-01 00:00:00');
INSERT INTO users VALUES (5, 1990, '2020-01-01 10:00:00', '{"folk": 1}');
INSERT INTO log.listening (user_id, item_id, behaviour, ts, play_ms, is_organic) VALUES
    (5, 1, 'play', '2020-01-01 08:00:00+08', 190000, true), (5, 2, 'yodel', '2020-01-01 08:00:01+08', NULL, NULL);
"""
MAPPING = {"events": "log.listening", "albums": "SELECT * FROM albums WHERE title LIKE '%ar%' -- 100% : all"}


@pytest.fixture(scope="module")
def typed_url(postgres_url: str) -> str:
    """A database with PostgreSQL's own types."""
    url = new_database(postgres_url, "typed")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(SCHEMA, execution_options={"no_parameters": True})
    return url


def lake_of(url: str, **tables: str) -> Lake:
    return build_lake(Source(url, tables), CleaningRules(), max_rejected=1.0, now=NOW, progress=lambda *_: None)[0]


def test_types_of_postgresql_become_those_of_the_lake(typed_url: str) -> None:
    lake = lake_of(typed_url, **MAPPING)
    song = lake.catalogue.songs.row(0, named=True)
    assert song["release_ts"] == int(dt.datetime(2019, 5, 1, tzinfo=dt.UTC).timestamp())
    assert (song["song_id"], song["popularity"], song["explicit"], song["vector"]) == ("1", 9.5, 0, [1.0, 0.5])
    assert lake.catalogue.users.to_dicts() == [
        {"user_id": "5", "birth_year": 1990, "signup_at": "2020-01-01T10:00:00", "taste": '{"folk": 1}'}
    ]
    assert lake.events.ts.tolist() == [1_577_836_800] * 2
    assert lake.events.is_organic.tolist() == [1, 1]
    assert lake.rejected.select("table", "reason").rows() == [("songs.album_id", "dangling album_id"), ("events", "unknown behaviour")]
    assert "yodel" in lake.rejected["row"][1]


def test_the_fingerprint_follows_what_is_added(typed_url: str) -> None:
    source = Source(typed_url, MAPPING)
    first = source.fingerprint()
    assert source.fingerprint() == first
    with sa.create_engine(typed_url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("INSERT INTO albums VALUES (9, 'Far', NULL)")
    assert source.fingerprint() != first


def test_a_source_is_only_read(typed_url: str) -> None:
    with pytest.raises(UserError, match=r"cannot execute nextval\(\) in a read-only transaction"):
        lake_of(typed_url, events="log.listening", albums="SELECT nextval('counter') AS album_id, title FROM albums")


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "has no table `events`"),
        ({"events": "listening"}, "no table or view 'listening'"),
        ({"events": "SELECT user_id FROM log.listening"}, "`events` has no column `item_id`, `behaviour`, `ts`"),
        ({"events": "SELECT nothing FROM log.listening"}, 'column "nothing" does not exist; check [source.tables]'),
    ],
)
def test_gaps_are_named_in_one_line(typed_url: str, tables: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as error:
        lake_of(typed_url, **tables)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_database_is_named_without_the_password(postgres_url: str) -> None:
    url = sa.make_url(postgres_url).set(database="nowhere", password="s3cret-w0rd").render_as_string(hide_password=False)
    with pytest.raises(UserError, match='database "nowhere" does not exist') as error:
        lake_of(url)
    assert "s3cret-w0rd" not in str(error.value)
