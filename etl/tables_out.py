"""Whole source tables into a new SQL database: what the simulation and the imports end with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import LONGTEXT

from etl.connection import message_of
from etl.errors import UserError

ROWS_PER_INSERT = 50_000
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

    A SQLite database is written beside its final name and renamed, and so are the tables of MariaDB; PostgreSQL gets one transaction.

    Raises:
        UserError: the database already holds tables, or cannot be reached or written.
    """
    parsed = parse_url(url)
    path = sqlite_file(parsed)
    if path is None:
        _write_server(parsed, tables)
    else:
        _write_sqlite(parsed, path, tables)


def _write_sqlite(url: sa.URL, path: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    partial = path.with_name(path.name + ".partial")
    with _named_errors(url):
        if path.is_file() and path.stat().st_size > 0:
            _refuse_filled(url, _table_names(url))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        try:
            with _connect(url.set(database=str(partial))) as connection:
                _fill(connection, tables)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _write_server(url: sa.URL, tables: Mapping[str, pl.DataFrame]) -> None:
    with _named_errors(url):
        _refuse_filled(url, sorted(set(tables) & set(_table_names(url))))
        with _connect(url) as connection:
            if connection.dialect.name in ("mysql", "mariadb"):
                _fill_and_rename(connection, tables)
            else:
                _fill(connection, tables)


def _fill_and_rename(connection: sa.Connection, tables: Mapping[str, pl.DataFrame]) -> None:
    """All tables under other names, then all renamed by one statement; what a killed writer left is removed first."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    names = {quote(name): quote(PARTIAL + name) for name in tables}
    drop = f"DROP TABLE IF EXISTS {', '.join(names.values())}"
    connection.exec_driver_sql(drop)
    try:
        _fill(connection, {PARTIAL + name: frame for name, frame in tables.items()})
        connection.exec_driver_sql("RENAME TABLE " + ", ".join(f"{partial} TO {name}" for name, partial in names.items()))
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
    except sa.exc.DBAPIError as error:
        raise UserError(
            f"cannot write {where}: {message_of(error)}; check that the server runs or the file is a database you may write"
        ) from None
    except OSError as error:
        raise UserError(f"cannot write {where}: {error.strerror or error}; name a place you may write to") from None


def _fill(connection: sa.Connection, tables: Mapping[str, pl.DataFrame]) -> None:
    metadata = sa.MetaData()
    for name, frame in tables.items():
        columns = [sa.Column(column, _sql_type(dtype)) for column, dtype in frame.schema.items()]
        table = sa.Table(name, metadata, *columns)
        table.create(connection)
        for chunk in frame.iter_slices(ROWS_PER_INSERT):
            connection.execute(table.insert(), chunk.to_dicts())


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
