"""Opening a user's database for reading only, and its errors as one line a person can act on."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from etl.errors import UserError

CONNECT_SECONDS = 10
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
        return sa.create_engine(parsed, connect_args=_timeout(parsed), poolclass=sa.NullPool)
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


def begin_snapshot(connection: sa.Connection) -> None:
    """Where the database can, make all reads one snapshot, in storage order."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.exec_driver_sql("SET LOCAL synchronize_seqscans = off")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT COUNT(*) FROM sqlite_master")


@contextmanager
def plain_errors(doing: str, url: sa.URL) -> Iterator[None]:
    """A database's own error as one line: `doing`, where, the reason, what to do. The password is never in it."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        line = _first_line(error)
        if url.password:
            line = line.replace(str(url.password), "***")
        where = url.render_as_string(hide_password=True)
        raise UserError(f"{doing} {where}: {line}; {_advice(line)}") from None


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    # Closing a read-only connection never folds the write-ahead log into the file, so reading leaves its fingerprint alone.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)


def _timeout(url: sa.URL) -> dict[str, int]:
    known = url.get_backend_name() in ("postgresql", "mysql", "mariadb") and "connect_timeout" not in url.query
    return {"connect_timeout": CONNECT_SECONDS} if known else {}


def _first_line(error: sa.exc.DBAPIError) -> str:
    lines = (line.strip() for line in str(error.orig).splitlines())
    return next((line for line in lines if line), type(error.orig).__name__)


def _advice(line: str) -> str:
    for words, advice in ADVICE:
        if any(word in line.lower() for word in words):
            return advice
    return "check [source.tables]"
