"""The real servers of the tests, each started once a session and named at its end."""

import pytest
from neo4j_server import TALKED_TO, neo4j_uri

__all__ = ["neo4j_uri"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for server in TALKED_TO:
        terminalreporter.write_line(f"talked to a real server: {server}")
