"""The real servers of the tests, each started once a session and named at its end."""

import neo4j_server
import postgresql_server
import pytest
from neo4j_server import neo4j_uri
from postgresql_server import postgres_url

__all__ = ["neo4j_uri", "postgres_url"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for server in (*neo4j_server.TALKED_TO, *postgresql_server.TALKED_TO):
        terminalreporter.write_line(f"talked to a real server: {server}")
