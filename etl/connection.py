"""Opening a user's database for reading only, and its errors as one line a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from etl.arrow_stream import ArrowStream, StreamError, open_postgresql, open_sqlite
from etl.errors import UserError
from etl.mysql_snapshot import mysql_snapshot

CONNECT_SECONDS = 10
TRIES = 20
DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}
"""The driver that is installed with this project, where a URL names none."""
ADVICE = (
    (("not a database", "malformed"), "check that [source] url names a SQLite database"),
    (("unable to open", "readonly"), "check the file's permissions"),
    (("locked",), "another program is writing: try again when it is done"),
    (("password", "authentication", "access denied"), "check the user and the environment variable that holds the password"),
    (("connect", "refused", "resolve", "translate host", "timeout"), "check that the server runs, and the host and port of [source] url"),
)
"""What to do about an error, by words in the database's message."""


def make_engine(url: str) -> sa.Engine:
    """An engine that keeps no connection behind. SQLite is opened read-only: a missing file is never created.

    Raises:
        UserError: the URL cannot be read or its driver is missing.
    """
    name = url.split(":")[0]
    try:
        parsed = sa.make_url(url)
        parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
        path = sqlite_path(parsed)
        if path is not None:
            return sa.create_engine(parsed, creator=lambda: _connect_sqlite(path), poolclass=sa.NullPool)
        return sa.create_engine(parsed, connect_args=_timeout(parsed) | _converters(parsed), poolclass=sa.NullPool)
    except sa.exc.NoSuchModuleError:
        raise UserError(f"[source] url: {name!r} is no database of SQLAlchemy: use sqlite, postgresql+psycopg, mysql+pymysql, …") from None
    except (sa.exc.ArgumentError, ValueError):
        raise UserError(
            "[source] url is no database URL: write one like sqlite:///music.db or postgresql+psycopg://user:${NAME}@host/db"
        ) from None
    except ModuleNotFoundError as error:
        raise UserError(f"[source] url: the driver {error.name!r} of {name} is not installed: pip install {error.name}") from None


def sqlite_path(url: sa.URL) -> Path | None:
    """File of a SQLite URL; None for a server."""
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise UserError("[source] url: SQLite needs a plain file, like sqlite:///music.db")
    return Path(url.database)


@contextmanager
def open_snapshot(engine: sa.Engine) -> Iterator[tuple[sa.Connection, ArrowStream | None]]:
    """A connection whose reads are all one snapshot, where the database can, and an Arrow stream of the same snapshot where there is one.

    Raises:
        UserError: the database refuses, or at the end: a table that knows no snapshots was written to meanwhile.
    """
    with plain_errors("cannot open", engine.url), engine.connect() as connection:
        match connection.dialect.name:
            case "sqlite":
                with closing(_begin_sqlite(connection, engine.url)) as stream:
                    yield connection, stream
            case "postgresql":
                with closing(_begin_postgresql(connection, engine.url)) as stream:
                    yield connection, stream
            case "mysql" | "mariadb":
                with mysql_snapshot(connection):
                    yield connection, None
            case _:
                yield connection, None


def _begin_sqlite(connection: sa.Connection, url: sa.URL) -> ArrowStream:
    """Two connections see the same snapshot if nothing was committed while they began to read: `data_version` would say so."""
    path = sqlite_path(url)
    assert path is not None
    stream = open_sqlite(path)
    try:
        for _ in range(TRIES):
            before = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            stream.begin()
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql("SELECT COUNT(*) FROM sqlite_master")
            if connection.exec_driver_sql("PRAGMA data_version").scalar_one() == before:
                return stream
            connection.exec_driver_sql("ROLLBACK")
        raise UserError(f"{path} is written to without a pause: try again when less is going on")
    except BaseException:
        stream.close()
        raise


def _begin_postgresql(connection: sa.Connection, url: sa.URL) -> ArrowStream:
    """Storage order, and a snapshot that the stream's connection takes over."""
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    connection.exec_driver_sql("SET LOCAL synchronize_seqscans = off")
    return open_postgresql(url, str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()))


def database_state(path: Path) -> tuple[str, str]:
    """What changes with every commit to a SQLite database: size and time of its file and of its write-ahead log."""
    return file_state(path), file_state(Path(f"{path}-wal"))


def file_state(path: Path) -> str:
    """Size and time of change of a file; `none` where it is missing or empty."""
    if not path.is_file() or path.stat().st_size == 0:
        return "none"
    return f"{path.stat().st_size} {path.stat().st_mtime_ns}"


@contextmanager
def plain_errors(doing: str, url: sa.URL) -> Iterator[None]:
    """A database's own error as one line: `doing`, where, the reason, what to do. The password is never in it."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise plain_line(doing, url, message_of(error)) from None
    except StreamError as error:
        raise plain_line(doing, url, str(error)) from None


def message_of(error: sa.exc.DBAPIError) -> str:
    """First line of what the database itself says; MariaDB's driver gives a number and a text."""
    reason = error.orig.args[1] if error.orig is not None and len(error.orig.args) == 2 else error.orig
    return next((line.strip() for line in str(reason).splitlines() if line.strip()), type(error.orig).__name__)


def plain_line(doing: str, url: sa.URL, message: str) -> UserError:
    """A database's `message` as the error of a user, in one line and without the password."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
    if url.password:
        line = line.replace(str(url.password), "***")
    return UserError(f"{doing} {url.render_as_string(hide_password=True)}: {line}; {_advice(line)}")


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    # Closing a read-only connection never folds the write-ahead log into the file, so reading leaves its fingerprint alone.
    # Rows are read by one thread and cleaned by another, one after the other: never both at once.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False)


def _timeout(url: sa.URL) -> dict[str, int]:
    known = url.get_backend_name() in ("postgresql", "mysql", "mariadb") and "connect_timeout" not in url.query
    return {"connect_timeout": CONNECT_SECONDS} if known else {}


def _converters(url: sa.URL) -> dict[str, Any]:
    """MySQL's way to store a flag is BIT(1), which PyMySQL would hand over as bytes."""
    if url.get_driver_name() != "pymysql":
        return {}
    from pymysql import converters
    from pymysql.constants import FIELD_TYPE

    return {"conv": converters.conversions | {FIELD_TYPE.BIT: _int_of_bytes}}


def _int_of_bytes(value: bytes) -> int:
    """The number that a BIT column holds."""
    return int.from_bytes(value, "big")


def _advice(line: str) -> str:
    for words, advice in ADVICE:
        if any(word in line.lower() for word in words):
            return advice
    return "check [source.tables]"
