"""A thousand bad rows of every kind: counted to the row, each kind with its example, and the run goes on, or stops with one line."""

from collections import Counter
from pathlib import Path

import pytest
from planted_rows import PLANTED
from source_house import Rows, build, house

from etl.errors import UserError

N = 1_000


def planted() -> dict[str, Rows]:
    """The tiny service with `N` rows of each kind; events have ids of their own unless the id is what is wrong."""
    tables = house()
    for place, (table, row, reason) in enumerate(PLANTED):
        own_ids = table == "events" and reason != "duplicate key"
        tables[table] += [row | ({"event_id": f"bad{place}-{i}"} if own_ids else {}) for i in range(N)]
    return tables


def test_every_kind_is_counted_to_the_row(tmp_path: Path) -> None:
    lake, report = build(tmp_path / "music.db", planted())
    clean, _ = build(tmp_path / "clean.db", house())
    expected = Counter((table, reason) for table, _, reason in PLANTED)
    assert {(table, reason): n for table, reasons in report.rejected.items() for reason, n in reasons.items()} == {
        kind: N * kinds for kind, kinds in expected.items()
    }
    assert all(report.examples[table][reason] for table, reason in expected)
    assert len(lake.events) == len(clean.events)
    assert lake.catalogue.entities.equals(clean.catalogue.entities)
    assert lake.rejected.height == N * len(PLANTED)


def test_over_the_limit_it_stops_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rows rejected \(.*the limit is 5.0%\), mostly '.*', like \{.*raise max_rejected") as error:
        build(tmp_path / "music.db", planted(), max_rejected=0.05)
    assert "\n" not in str(error.value)
