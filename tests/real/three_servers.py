"""The same tables in SQLite, PostgreSQL and MariaDB, and the lake that each gives, as bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mariadb_server
import polars as pl
import postgresql_server
import sqlalchemy as sa
from source_house import NOW

from etl.pipeline import write_lake
from etl.rules import CleaningRules
from etl.source import Source
from etl.tables_out import write_tables

Files = dict[str, bytes]
"""Files of a lake by their paths in it."""


def new_databases(name: str, folder: Path, postgres_url: str, mariadb_url: str) -> dict[str, str]:
    """URL of a new, empty database `name` by the name of its server."""
    return {
        "SQLite": f"sqlite:///{folder}/{name}.db",
        "PostgreSQL": postgresql_server.new_database(postgres_url, name),
        "MariaDB": mariadb_server.new_database(mariadb_url, name),
    }


def typed(rows: list[dict[str, Any]], names: list[str]) -> pl.DataFrame:
    """Rows of `source_house` as a SQL table holds them: a column with a text in it is text throughout."""
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pl.DataFrame({name: _one_type(values) for name, values in columns.items()})


def _one_type(values: list[Any]) -> list[Any]:
    if any(isinstance(value, str) for value in values):
        return [value if value is None else str(value) for value in values]
    if any(isinstance(value, float) for value in values):
        return [value if value is None else float(value) for value in values]
    return values


def refill(url: str, tables: Mapping[str, pl.DataFrame]) -> None:
    """Put `tables` into a database in place of all that it held."""
    if url.startswith("sqlite"):
        for end in ("", "-wal", "-shm"):
            Path(url.removeprefix("sqlite:///") + end).unlink(missing_ok=True)
    else:
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            metadata = sa.MetaData()
            metadata.reflect(connection)
            metadata.drop_all(connection)
    write_tables(url, tables)


def lake_of(url: str, folder: Path, now: int = NOW) -> Files:
    """Every file of the lake of the database at `url`, built in `folder`, and of its report."""
    report = write_lake(Source(url), CleaningRules(), folder, max_rejected=1.0, now=now)
    report.write(folder / "lake" / "reports")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "lake").rglob("*")) if path.is_file()}


def differing(one: Files, other: Files) -> list[str]:
    """Names of files that only one lake has, or that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
