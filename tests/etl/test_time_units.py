from pathlib import Path

import pytest
from source_house import NOW, house, write_sqlite

from etl.errors import UserError
from etl.pipeline import build_lake
from etl.rules import CleaningRules
from etl.source import Source
from etl.time_units import likely_unit


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (NOW * 1_000, "milliseconds"),
        (str(NOW * 10**6), "microseconds"),
        (NOW * 10**9, "nanoseconds"),
        (NOW, None),
        (-NOW * 1_000, None),
        ("2023-01-01", None),
        (None, None),
        (float("inf"), None),
    ],
)
def test_a_unit_is_known_by_the_size_of_the_number(value: object, unit: str | None) -> None:
    assert likely_unit(value) == unit


def in_milliseconds(tmp_path: Path, n: int) -> Source:
    tables = house()
    rows = [row | {"ts": row["ts"] * 1_000} if place < n else row for place, row in enumerate(tables["events"])]
    write_sqlite(tmp_path / "music.db", tables | {"events": rows})
    return Source(f"sqlite:///{tmp_path}/music.db")


def test_the_report_names_the_unit_of_times_that_cannot_be_read(tmp_path: Path) -> None:
    _, report = build_lake(in_milliseconds(tmp_path, 2), CleaningRules(), max_rejected=1.0, now=NOW)
    assert report.rejected["events"]["unreadable ts"] == 2
    (hint,) = report.hints
    assert "ts looks like milliseconds: divide it by 1,000 in a SELECT under [source.tables] events" in hint
    assert hint in report.markdown()


def test_a_source_of_milliseconds_is_told_so_when_the_run_stops(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mostly 'unreadable ts', .*; ts looks like milliseconds: divide it by 1,000") as error:
        build_lake(in_milliseconds(tmp_path, 100), CleaningRules(), max_rejected=0.05, now=NOW)
    assert "\n" not in str(error.value)


def test_other_bad_times_get_no_hint(tmp_path: Path) -> None:
    tables = house()
    bad = [row | {"ts": "never"} for row in tables["events"][:1]]
    write_sqlite(tmp_path / "music.db", tables | {"events": [*bad, *tables["events"][1:]]})
    _, report = build_lake(Source(f"sqlite:///{tmp_path}/music.db"), CleaningRules(), max_rejected=1.0, now=NOW)
    assert report.rejected["events"]["unreadable ts"] == 1
    assert report.hints == []
