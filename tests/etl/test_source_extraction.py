import os
import sqlite3
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from source_house import NOW, build, events, house, rows, write_sqlite

from etl.connection import make_engine
from etl.contract import TABLES
from etl.errors import UserError
from etl.source import Source

SECRET = "s3cret-w0rd"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return write_sqlite(tmp_path / "music.db", house())


def read(source: Source, name: str) -> pl.DataFrame:
    with source.open() as reader:
        return reader.read(name)


def message(url: str, **tables: str) -> str:
    """What the user is told when the source is opened."""
    with pytest.raises(UserError) as error, Source(url, tables).open():
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_table_is_found_with_its_extras(url: str) -> None:
    with Source(url).open() as reader:
        assert list(reader.layout) == list(TABLES)
        assert list(reader.layout["songs"])[-2:] == ["tempo", "vector"]
        assert reader.count("playlist_songs") == 3
    assert read(Source(url), "albums").to_dicts() == house()["albums"]


def test_a_table_may_be_a_view_or_a_select(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(tmp_path / "music.db") as connection:
        connection.execute("CREATE VIEW loud AS SELECT artist_id, upper(name) AS Name FROM artists")
    assert read(Source(url, {"artists": "loud"}), "artists")["name"].to_list() == ["LIN", "MO"]
    select = "SELECT 'x:' || album_id AS album_id, title FROM albums WHERE title LIKE 'Har%' -- 100% ours : all of them\n;"
    assert read(Source(url, {"albums": select}), "albums").to_dicts() == [{"album_id": "x:b1", "title": "Harbour"}]
    assert read(Source(url, {"albums": "with a as (select * from albums) select * from a"}), "albums").height == 1
    assert read(Source(url, {"albums": "main.albums"}), "albums").height == 1


def test_an_optional_table_may_be_left_out(url: str) -> None:
    with Source(url, {"dramas": "", "soundtracks": ""}).open() as reader:
        assert set(TABLES) - set(reader.layout) == {"dramas", "soundtracks"}


def test_column_names_meet_whatever_their_case(tmp_path: Path) -> None:
    url = write_sqlite(tmp_path / "music.db", {"songs": rows("Song_ID TITLE Mood", ("s1", "One", "calm")), "events": []})
    assert read(Source(url), "songs").columns == ["song_id", "title", "Mood"]


def test_chunks_whose_types_differ_become_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.source.CHUNK_ROWS", 2)
    values = [(1, None, 1), (2, None, 2.5), (3, 7, 3), ("x", 8, None), (None, None, 4)]
    url = write_sqlite(tmp_path / "music.db", {"songs": rows("song_id title popularity", *values), "events": []})
    frame = read(Source(url), "songs")
    assert frame["song_id"].to_list() == ["1", "2", "3", "x", None]
    assert frame["title"].to_list() == [None, None, 7, 8, None]
    assert frame["popularity"].to_list() == [1.0, 2.5, 3.0, None, 4.0]


def test_a_missing_file_is_named_and_not_created(tmp_path: Path) -> None:
    assert message(f"sqlite:///{tmp_path}/nowhere.db") == f"no database file at {tmp_path}/nowhere.db: check [source] url"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="no database file"):
        Source(f"sqlite:///{tmp_path}/nowhere.db").fingerprint()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "music.db").write_text("plain text, long enough to be taken for the header of a file " * 40)
    assert "file is not a database; check that [source] url names a SQLite database" in message(f"sqlite:///{tmp_path}/music.db")


def test_missing_tables_and_columns_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    assert "has no table `songs`, `events`: [source.tables] can name" in message(f"sqlite:///{tmp_path}/empty.db")
    url = write_sqlite(
        tmp_path / "music.db", {"songs": rows("id title", (1, "One")), "events": rows("user_id item_id behaviour", (1, 1, "play"))}
    )
    said = message(url)
    assert "`songs` has no column `song_id`; `events` has no column `ts`" in said
    assert 'like songs = "SELECT *, your_column AS song_id FROM your_table"' in said


def test_wrong_mappings_are_named(url: str) -> None:
    assert "no table or view 'album'" in message(url, albums="album")
    assert "did you mean 'albums'?" in message(url, albums="album")
    assert "`albums` of [source.tables] cannot be read" in message(url, albums="SELECT nothing FROM albums")
    assert "check [source.tables]" in message(url, albums="SELECT FROM WHERE")
    with pytest.raises(UserError, match=r"names 'song', which is no table of the source contract.*did you mean 'songs'"):
        Source(url, {"song": "songs"})


def test_the_database_is_opened_for_reading_only(url: str) -> None:
    connection = make_engine(url).connect()
    with connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.exec_driver_sql("DELETE FROM songs")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("music.db", "is no database URL"),
        ("", "is no database URL"),
        ("oracle7://x/y", "'oracle7' is no database of SQLAlchemy"),
        ("mssql+pyodbc://x/y", "the driver 'pyodbc' of mssql+pyodbc is not installed"),
        ("sqlite://", "SQLite needs a plain file"),
        ("sqlite:///:memory:", "SQLite needs a plain file"),
    ],
)
def test_wrong_urls_are_a_users_mistake(url: str, said: str) -> None:
    with pytest.raises(UserError, match=r"\[source\] url") as error:
        Source(url)
    assert said in str(error.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "mysql"])
def test_a_server_that_refuses_is_named_without_its_password(scheme: str) -> None:
    url = f"{scheme}://me:{SECRET}@127.0.0.1:1/music"
    said = message(url)
    assert "cannot open" in said
    assert "check that the server runs" in said
    assert SECRET not in said
    assert SECRET not in Source(url).safe_url


def test_the_fingerprint_follows_the_content_and_not_the_place(tmp_path: Path, url: str) -> None:
    source = Source(url)
    first = source.fingerprint()
    with source.open() as reader:
        reader.read("songs")
    assert source.fingerprint() == first
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "music.db").rename(tmp_path / "elsewhere" / "other.db")
    assert Source(f"sqlite:///{moved}").fingerprint() == first
    os.utime(moved, ns=(1, 1))
    assert Source(f"sqlite:///{moved}").fingerprint() != first


def test_reading_leaves_a_write_ahead_log_alone(tmp_path: Path, url: str) -> None:
    writer = sqlite3.connect(tmp_path / "music.db")
    writer.execute("PRAGMA journal_mode=WAL")
    source = Source(url)
    before = source.fingerprint()
    writer.execute("INSERT INTO albums VALUES ('b2', 'New', NULL)")
    writer.commit()
    after = source.fingerprint()
    assert after != before
    assert read(source, "albums").height == 2
    assert source.fingerprint() == after
    writer.close()


def test_an_open_source_reads_one_moment(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(tmp_path / "music.db") as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        with Source(url).open() as reader:
            writer.execute("DELETE FROM albums")
            writer.commit()
            assert reader.count("albums") == 1
    writer.close()


def test_a_lake_through_a_mapping_is_the_lake_of_the_tables(tmp_path: Path) -> None:
    tables = house()
    one, _ = build(tmp_path / "one.db", tables)
    tables["listening"] = tables.pop("events")
    tables["events"] = events(("e9", "u1", "s1", "yodel", NOW, None, None, None, None))
    other, _ = build(tmp_path / "two.db", tables, events="SELECT * FROM listening")
    assert one.triples.equals(other.triples)
    assert (one.events.item == other.events.item).all()
    assert other.rejected.is_empty()
