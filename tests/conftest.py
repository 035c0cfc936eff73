"""Fixtures that every room's tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# As the command line does it, see kg_recall/cli.py: before any test imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parent.parent


def real_data_folder() -> Path:
    return Path(os.environ.get("KG_RECALL_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the public data sets; tests that use it carry the mark `real_data`."""
    return real_data_folder()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if real_data_folder().is_dir():
        return
    if os.environ.get("CI") == "true":
        raise pytest.UsageError(f"no real data at {real_data_folder()}: set KG_RECALL_DATA to its folder (CI never runs without it)")
    without = [item for item in items if item.get_closest_marker("real_data")]
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if not item.get_closest_marker("real_data")]
    config.stash[NOT_RUN] = len(without)


NOT_RUN = pytest.StashKey[int]()


@pytest.hookimpl(hookwrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> Iterator[None]:
    yield
    not_run = config.stash.get(NOT_RUN, 0)
    if not_run:
        terminalreporter.write_line(f"{not_run} real-data tests did not run: no data at {real_data_folder()} (set KG_RECALL_DATA)")
