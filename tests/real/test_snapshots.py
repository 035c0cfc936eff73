"""One snapshot for every statement of a reader: rows asked for since a moment, both connections to SQLite, tables emptied or altered."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
import pytest
import sqlalchemy as sa
from three_servers import new_databases, refill

from etl.errors import UserError
from etl.source import Since, Source

ROWS = 3000
TABLES = {
    "songs": pl.DataFrame({"song_id": ["1", "2"], "title": ["One", "Two"]}),
    "users": pl.DataFrame({"user_id": ["u"]}),
    "events": pl.DataFrame({"user_id": ["u"] * ROWS, "item_id": ["1"] * ROWS, "behaviour": ["play"] * ROWS, "ts": range(ROWS)}),
}
CHANGES = (
    "INSERT INTO events (user_id, item_id, behaviour, ts) VALUES ('new', '2', 'play', 5)",
    "UPDATE events SET item_id = '2' WHERE ts >= 1000",
    "DELETE FROM events WHERE ts >= 2000",
    "DELETE FROM users",
    "INSERT INTO songs (song_id, title) VALUES ('3', 'Three')",
)
ONCE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("ready", flush=True)
sys.stdin.readline()
connection.commit()
"""
RESTLESS = """
import sqlite3, sys, threading
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous = OFF")
connection.execute("PRAGMA wal_autocheckpoint = 4")
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set())).start()
print("ready", flush=True)
commits = 0
while not stop.wait(0.002):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO songs (song_id, title) VALUES ('x', 'X')")
    connection.execute("INSERT INTO events (user_id, item_id, behaviour, ts) VALUES ('u', '1', 'play', 1)")
    connection.execute("COMMIT")
    commits += 1
print(commits)
"""


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.arrow_stream.BATCH_ROWS", 100)
    monkeypatch.setattr("etl.arrow_stream.BATCH_BYTES", 1000)
    monkeypatch.setattr("etl.source.CHUNK_ROWS", 100)


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, mariadb_url: str) -> dict[str, str]:
    return new_databases("snapshots", tmp_path_factory.mktemp("snapshots"), postgres_url, mariadb_url)


@contextmanager
def another_program(script: str, url: str, *statements: str) -> Iterator[list[str]]:
    """A program that writes to a SQLite file, told to end at the end; then the list holds what it said."""
    command = [sys.executable, "-c", script, url.removeprefix("sqlite:///"), *statements]
    said: list[str] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        try:
            yield said
        finally:
            said += program.communicate("\n")[0].split()


def fill(url: str, journal: str = "wal") -> None:
    refill(url, TABLES)
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        assert connection.execute(f"PRAGMA journal_mode = {journal}").fetchone() == (journal,)
        connection.close()


def change(url: str) -> None:
    if url.startswith("sqlite"):
        with another_program(ONCE, url, *CHANGES):
            return
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for statement in CHANGES:
            connection.exec_driver_sql(statement)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("since", [None, Since("ts", 0)], ids=["whole", "since"])
@pytest.mark.parametrize("server", ["SQLite", "PostgreSQL", "MariaDB"])
def test_no_statement_sees_what_others_commit(urls: dict[str, str], server: str, since: Since | None) -> None:
    fill(urls[server])
    with Source(urls[server]).open() as reader:
        batches = reader.batches("events", since=since)
        read = [next(batches)]
        assert read[0].height < ROWS / 2
        change(urls[server])
        assert pl.concat([*read, *batches]).rows() == TABLES["events"].rows()
        for name in ("songs", "users"):
            assert reader.read(name).rows() == TABLES[name].rows()
        assert reader.count("events") == ROWS
    with Source(urls[server]).open() as reader:
        assert [reader.count(name) for name in ("songs", "users", "events")] == [3, 0, 2001]
        assert reader.read("events").height == 2001


@pytest.mark.usefixtures("small_batches")
def test_a_writer_waits_where_a_sqlite_file_has_no_log(urls: dict[str, str]) -> None:
    fill(urls["SQLite"], "delete")
    path = urls["SQLite"].removeprefix("sqlite:///")
    with Source(urls["SQLite"]).open() as reader:
        batches = reader.batches("events")
        read = [next(batches)]
        assert read[0].height < ROWS / 2
        writer = subprocess.run([sys.executable, "-c", ONCE, path, *CHANGES], input="\n", capture_output=True, text=True, check=False)
        assert "database is locked" in writer.stderr
        assert pl.concat([*read, *batches]).rows() == TABLES["events"].rows()
        assert reader.read("songs").rows() == TABLES["songs"].rows()
    with Source(urls["SQLite"]).open() as reader:
        assert reader.read("events").rows() == TABLES["events"].rows()


@pytest.mark.parametrize("server", ["PostgreSQL", "MariaDB"])
def test_a_table_cannot_be_emptied_or_altered_half_way(urls: dict[str, str], server: str) -> None:
    """TRUNCATE and ALTER TABLE know no snapshots: they wait for the reader, which touched every table as it opened."""
    fill(urls[server])
    limit = "SET lock_timeout = '200ms'" if server == "PostgreSQL" else "SET lock_wait_timeout = 1"
    with Source(urls[server]).open() as reader:
        for statement in ("TRUNCATE TABLE events", "ALTER TABLE events DROP COLUMN behaviour"):
            with sa.create_engine(urls[server], poolclass=sa.NullPool).connect() as connection:
                connection.exec_driver_sql(limit)
                with pytest.raises(sa.exc.OperationalError, match=r"(?i)lock"):
                    connection.exec_driver_sql(statement)
        assert reader.read("events").rows() == TABLES["events"].rows()


def test_a_table_without_transactions_that_changes_is_named(urls: dict[str, str]) -> None:
    """MyISAM shows what others write at once: what was read then is refused."""
    fill(urls["MariaDB"])
    engine = sa.create_engine(urls["MariaDB"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events ENGINE = MyISAM")
    time.sleep(1.1)  # its time of change has whole seconds
    with Source(urls["MariaDB"]).open() as reader:
        assert reader.read("events").rows() == TABLES["events"].rows()
    for statement in ("UPDATE events SET item_id = '2' WHERE ts = 7", "INSERT INTO events VALUES ('u', '1', 'play', 1)"):
        with pytest.raises(UserError, match=r"table 'events' was written to while it was read: .* MyISAM knows no snapshots"):
            read_while(urls["MariaDB"], statement)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE events ENGINE = InnoDB")
    read_while(urls["MariaDB"], CHANGES[0])


def read_while(url: str, statement: str) -> None:
    """Read the events of a server, and have another connection change them then."""
    with Source(url).open() as reader:
        reader.read("events")
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            connection.exec_driver_sql(statement)


def test_a_locked_sqlite_file_is_named_in_one_line(urls: dict[str, str]) -> None:
    fill(urls["SQLite"], "delete")
    with (
        another_program(ONCE, urls["SQLite"], "BEGIN EXCLUSIVE"),
        pytest.raises(UserError, match="database is locked; another program is writing: try again") as error,
        Source(urls["SQLite"]).open(),
    ):
        pass
    assert "\n" not in str(error.value)


def consistent(url: str) -> bool:
    """Whether what the two connections to SQLite see is of one moment; or it is said that there is none."""
    try:
        with Source(url).open() as reader:
            songs, events = reader.read("songs").height, reader.count("events")
            return songs - 2 == events - ROWS == reader.read("events").height - ROWS
    except UserError as error:
        return "written to without a pause" in str(error)


def test_both_connections_to_sqlite_see_one_moment(urls: dict[str, str]) -> None:
    fill(urls["SQLite"])
    with another_program(RESTLESS, urls["SQLite"]) as said:
        assert [consistent(urls["SQLite"]) for _ in range(60)] == [True] * 60
    assert int(said[0]) > 20
