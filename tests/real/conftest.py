"""The real servers of the tests, each started once a session and named at its end."""

import mariadb_server
import neo4j_server
import postgresql_server
import pytest
from mariadb_server import mariadb_url
from neo4j_server import neo4j_uri
from postgresql_server import postgres_url

__all__ = ["mariadb_url", "neo4j_uri", "postgres_url"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for server in (*neo4j_server.TALKED_TO, *postgresql_server.TALKED_TO, *mariadb_server.TALKED_TO):
        terminalreporter.write_line(f"talked to a real server: {server}")
