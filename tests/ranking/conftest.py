import pytest
from ranking_house import service

from recall.snapshot import Snapshot


@pytest.fixture(scope="session")
def house() -> Snapshot:
    """The service that most rankers learn on; a file that needs another one has its own."""
    return service(n_users=40, n_exposures=3_000)
