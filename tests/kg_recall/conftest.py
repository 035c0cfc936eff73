"""No log of one test's workspace outlives it."""

from collections.abc import Iterator

import pytest

from kg_recall.logs import stop_logging


@pytest.fixture(autouse=True)
def closed_logs() -> Iterator[None]:
    yield
    stop_logging()
