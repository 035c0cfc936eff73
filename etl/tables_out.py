"""Source tables into a new SQL database, whole or as a stream: what the simulation and the imports end with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc_sqlite
import polars as pl
import polars.selectors as cs
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.schema import CreateTable

from etl.connection import message_of
from etl.errors import UserError

ROWS_PER_INSERT: Final = 50_000
PARTIAL = "kg_recall_partial_"
"""Begins the names of tables that are being filled on a server that commits at every CREATE TABLE."""
TEXT = sa.Text().with_variant(LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
"""Text of any length and any character; `a` and `A` are two ids."""


def parse_url(url: str) -> sa.URL:
    """SQLAlchemy URL of `url`; raises `UserError` where it is none, or names a SQLite database without a plain file."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise UserError(f"{without_secret(url)} is no database URL: write one like sqlite:///music.db") from None
    if parsed.get_backend_name() == "sqlite" and (parsed.database or ":memory:").startswith((":memory:", "file:")):
        raise UserError(f"{url} names no SQLite file: write one like sqlite:///music.db")
    return parsed


def without_secret(url: str) -> str:
    """`url` with everything before its `@` masked: fit for a message even where it cannot be parsed."""
    head, at, tail = url.rpartition("@")
    return f"{head.split('//')[0]}//***@{tail}" if at else url


def sqlite_file(url: sa.URL) -> Path | None:
    """File of a SQLite URL, or None for a server."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def write_tables(url: str, tables: Mapping[str, pl.DataFrame]) -> None:
    """Create every table of `tables` at `url` and fill it, whole or not at all.

    Raises:
        UserError: the database already holds tables, or cannot be reached or written.
    """
    with open_writer(url, tables) as writer:
        for name, frame in tables.items():
            writer.create(name, frame.schema)
            writer.append(name, frame)


@contextlib.contextmanager
def open_writer(url: str, names: Iterable[str]) -> Iterator[TableWriter]:
    """A writer of the tables `names` into the new database at `url`, whole or not at all: what it wrote counts once the block ends well.

    `names` are exactly the tables that are created. A SQLite database is written beside its final name and renamed, and so are the
    tables of MariaDB; PostgreSQL gets one transaction.

    Raises:
        UserError: the database already holds tables, or cannot be reached or written; before the block where that shows before it.
    """
    parsed = parse_url(url)
    path = sqlite_file(parsed)
    with _named_errors(parsed), _server_writer(parsed, set(names)) if path is None else _sqlite_writer(parsed, path) as writer:
        yield writer


class TableWriter(Protocol):
    """Tables of a database that is being written."""

    def create(self, name: str, schema: pl.Schema) -> None:
        """Create an empty table; raises `TypeError` for a column that SQL has no type for."""
        ...

    def append(self, name: str, rows: pl.DataFrame) -> None:
        """Append rows with the columns of the created table, in its order."""
        ...


class _SqliteWriter:
    """Arrow batches straight into SQLite's own statements (ADBC): five times the speed of rows as Python objects."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def create(self, name: str, schema: pl.Schema) -> None:
        self._cursor.execute(str(CreateTable(_table(name, schema)).compile(dialect=sqlite.dialect())))

    def append(self, name: str, rows: pl.DataFrame) -> None:
        plain = rows.with_columns(cs.boolean().cast(pl.Int8), cs.by_dtype(pl.Null).cast(pl.String))
        for chunk in plain.iter_slices(ROWS_PER_INSERT):
            self._cursor.adbc_ingest(name, chunk.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append")


class _ServerWriter:
    """PostgreSQL by COPY; other servers by statements of many rows."""

    def __init__(self, connection: sa.Connection, prefix: str = "") -> None:
        """`prefix` begins the tables' names while they are being filled."""
        self._connection, self._prefix = connection, prefix
        self._tables: dict[str, sa.Table] = {}

    def create(self, name: str, schema: pl.Schema) -> None:
        self._tables[name] = _table(self._prefix + name, schema)
        self._tables[name].create(self._connection)

    def append(self, name: str, rows: pl.DataFrame) -> None:
        copies = self._connection.dialect.driver == "psycopg"
        for chunk in rows.iter_slices(ROWS_PER_INSERT):
            if copies:
                self._copy(name, chunk)
            else:
                self._insert(name, chunk)

    def _copy(self, name: str, rows: pl.DataFrame) -> None:
        quoted = self._connection.dialect.identifier_preparer.quote(name)
        text = rows.write_csv(include_header=False, quote_style="non_numeric")
        driver: Any = self._connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {quoted} FROM STDIN (FORMAT csv)") as copy:
            copy.write(text)

    def _insert(self, name: str, rows: pl.DataFrame) -> None:
        statement = self._tables[name].insert().compile(dialect=self._connection.dialect)
        if statement.positional and rows.height:
            self._connection.exec_driver_sql(str(statement), rows.rows())
        elif rows.height:
            self._connection.execute(self._tables[name].insert(), rows.to_dicts())


@contextlib.contextmanager
def _sqlite_writer(url: sa.URL, path: Path) -> Iterator[TableWriter]:
    partial = path.with_name(path.name + ".partial")
    if path.is_file() and path.stat().st_size > 0:
        _refuse_filled(url, _table_names(url))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.unlink(missing_ok=True)
    try:
        with adbc_sqlite.connect(str(partial), autocommit=True) as connection, connection.cursor() as cursor:
            # A crash leaves a partial file, which counts for nothing: there is no journal to keep.
            for pragma in ("journal_mode = OFF", "synchronous = OFF"):
                cursor.execute(f"PRAGMA {pragma}")
                cursor.fetchall()
            cursor.execute("BEGIN")
            yield _SqliteWriter(cursor)
            cursor.execute("COMMIT")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _server_writer(url: sa.URL, names: set[str]) -> Iterator[TableWriter]:
    _refuse_filled(url, sorted(names & set(_table_names(url))))
    with _connect(url) as connection:
        if connection.dialect.name in ("mysql", "mariadb"):
            with _renamed_at_the_end(connection, sorted(names)) as writer:
                yield writer
        else:
            yield _ServerWriter(connection)


@contextlib.contextmanager
def _renamed_at_the_end(connection: sa.Connection, names: list[str]) -> Iterator[TableWriter]:
    """All tables under other names, then all renamed by one statement; what a killed writer left is removed first."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    partial = {quote(name): quote(PARTIAL + name) for name in names}
    drop = f"DROP TABLE IF EXISTS {', '.join(partial.values())}"
    connection.exec_driver_sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")  # a value that does not fit is an error
    connection.exec_driver_sql(drop)
    try:
        yield _ServerWriter(connection, PARTIAL)
        connection.exec_driver_sql("RENAME TABLE " + ", ".join(f"{left} TO {name}" for name, left in partial.items()))
    except BaseException:
        connection.exec_driver_sql(drop)
        raise


def _refuse_filled(url: sa.URL, names: list[str]) -> None:
    if names:
        where = url.render_as_string(hide_password=True)
        raise UserError(f"{where} already holds the table {names[0]}: name a new database, or remove the old one first")


@contextlib.contextmanager
def _connect(url: sa.URL) -> Iterator[sa.Connection]:
    """One transaction on an engine that keeps no connection behind."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def _table_names(url: sa.URL) -> list[str]:
    with _connect(url) as connection:
        return sorted(sa.inspect(connection).get_table_names())


@contextlib.contextmanager
def _named_errors(url: sa.URL) -> Iterator[None]:
    """What a person can mend, as one line without the password."""
    where = url.render_as_string(hide_password=True)
    try:
        yield
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        raise UserError(f"no driver for {where} ({error}): use sqlite, postgresql+psycopg or mysql+pymysql") from None
    except (sa.exc.DBAPIError, adbc_driver_manager.Error, psycopg.Error) as error:
        cause = message_of(error) if isinstance(error, sa.exc.DBAPIError) else str(error).strip().splitlines()[0]
        raise UserError(f"cannot write {where}: {cause}; check that the server runs or the file is a database you may write") from None
    except OSError as error:
        raise UserError(f"cannot write {where}: {error.strerror or error}; name a place you may write to") from None


def _table(name: str, schema: pl.Schema) -> sa.Table:
    """Columns are always quoted: SQLAlchemy does not know every word that a database keeps for itself."""
    columns = (sa.Column(sa.quoted_name(column, quote=True), _sql_type(dtype)) for column, dtype in schema.items())
    return sa.Table(name, sa.MetaData(), *columns)


def _sql_type(dtype: pl.DataType) -> sa.types.TypeEngine[Any]:
    if dtype == pl.Boolean:
        return sa.Boolean()
    if dtype.is_integer():
        return sa.BigInteger()
    if dtype.is_float():
        return sa.Double()
    if dtype in (pl.String, pl.Null):
        return TEXT
    raise TypeError(f"no SQL type for a column of {dtype}")
