"""A table that is written to while it is read: what is read is one moment, or the writer waits."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from three_servers import new_databases

import etl.arrow_stream
from etl.source import Source
from etl.tables_out import write_tables

N = 2_000


def events() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(N)],
            "user_id": ["u1"] * N,
            "item_id": ["s1"] * N,
            "behaviour": ["play"] * N,
            "ts": list(range(N)),
        }
    )


def tables() -> dict[str, pl.DataFrame]:
    return {"songs": pl.DataFrame({"song_id": ["s1"], "title": ["One"]}), "events": events()}


CHANGES = (
    "INSERT INTO events (event_id, user_id, item_id, behaviour, ts) VALUES ('new', 'u1', 's1', 'play', 5)",
    "UPDATE events SET user_id = 'u2'",
    "DELETE FROM events WHERE ts > 1000",
    "DELETE FROM songs",
)


SCRIPT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0.1)
for statement in sys.argv[2:]:
    connection.execute(statement)
connection.commit()
"""


def by_another_program(url: str) -> str:
    """Change a SQLite file from outside: locks on a file do not hold between connections of one process. Says what went wrong."""
    command = [sys.executable, "-c", SCRIPT, url.removeprefix("sqlite:///"), *CHANGES]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def by_the_server(url: str) -> str:
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for statement in CHANGES:
            connection.exec_driver_sql(statement)
    return ""


def read_while_changed(url: str, change: Callable[[str], str], said: str = "") -> list[str]:
    """Users of the events as read, where everything changes after the first batch."""
    users: list[str] = []
    with Source(url).open() as reader:
        for place, batch in enumerate(reader.batches("events")):
            if place == 0:
                assert said in change(url)
            users += batch["user_id"].to_list()
        assert reader.read("songs").height == 1
    return users


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etl.arrow_stream, "BATCH_ROWS", 100)
    monkeypatch.setattr(etl.arrow_stream, "BATCH_BYTES", 4_000)
    monkeypatch.setattr("etl.source.CHUNK_ROWS", 100)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("server", ["PostgreSQL", "MariaDB"])
def test_a_server_shows_one_moment(server: str, tmp_path: Path, postgres_url: str, mariadb_url: str) -> None:
    url = new_databases(f"meanwhile_{server.lower()}", tmp_path, postgres_url, mariadb_url)[server]
    write_tables(url, tables())
    assert read_while_changed(url, by_the_server) == ["u1"] * N
    assert set(read_now(url)) == {"u2"}


@pytest.mark.usefixtures("small_batches")
def test_sqlite_with_a_write_ahead_log_shows_one_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/music.db"
    write_tables(url, tables())
    with sqlite3.connect(tmp_path / "music.db") as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert read_while_changed(url, by_another_program) == ["u1"] * N
    assert set(read_now(url)) == {"u2"}


@pytest.mark.usefixtures("small_batches")
def test_sqlite_without_one_has_the_writer_wait(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/music.db"
    write_tables(url, tables())
    assert read_while_changed(url, by_another_program, "database is locked") == ["u1"] * N
    assert read_now(url) == ["u1"] * N


def read_now(url: str) -> list[str]:
    with Source(url).open() as reader:
        return reader.read("events")["user_id"].to_list() if reader.count("events") else []
