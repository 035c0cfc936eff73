import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from planted_rows import EVENT, PLANTED, VALUES
from source_house import DAY, NOW, build, house

from etl.errors import UserError


@pytest.mark.parametrize(("table", "row", "reason"), PLANTED, ids=[f"{table}: {reason}" for table, _, reason in PLANTED])
def test_one_bad_row_is_set_aside_under_its_reason(tmp_path: Path, table: str, row: dict[str, Any], reason: str) -> None:
    tables = house()
    names = list(tables[table][0])
    tables[table].append({name: row[name] for name in names})
    lake, report = build(tmp_path / "music.db", tables)
    assert lake.rejected.height == 1
    planted = lake.rejected.row(0, named=True)
    assert (planted["table"], planted["reason"]) == (table, reason)
    assert json.loads(planted["row"]).keys() == set(names)
    assert report.rejected[table] == {reason: 1}
    assert report.kept[table] == report.read[table] - 1 == len(house()[table])


@pytest.mark.parametrize(("table", "row", "column", "reason"), VALUES, ids=[case[3] for case in VALUES])
def test_one_bad_optional_value_is_set_aside_alone(tmp_path: Path, table: str, row: dict[str, Any], column: str, reason: str) -> None:
    tables = house()
    tables[table].append(row)
    lake, report = build(tmp_path / "music.db", tables)
    assert lake.rejected["table"].to_list() == [f"{table}.{column}"]
    assert lake.rejected["key"].to_list() == [str(next(iter(row.values())))]
    assert report.rejected[f"{table}.{column}"] == {reason: 1}
    assert report.kept[table] == report.read[table]
    assert report.read[f"{table}.{column}"] == sum(row[column] is not None for row in tables[table])


def test_a_day_of_tolerance_is_not_the_future(tmp_path: Path) -> None:
    tables = house()
    tables["events"].append(EVENT | {"ts": NOW + DAY})
    assert build(tmp_path / "music.db", tables)[0].rejected.is_empty()


def test_exact_duplicates_count_where_no_event_has_an_id(tmp_path: Path) -> None:
    tables = house()
    tables["events"].append(EVENT | {"event_id": None})
    tables["events"].append(EVENT | {"event_id": None})
    tables["events"].append(EVENT | {"event_id": None, "scene": "fm"})
    lake, _ = build(tmp_path / "with_column.db", tables)
    assert lake.rejected.select("table", "reason", "key").rows() == [("events", "duplicate key", f"u1|s1|click|{NOW - 5}")]
    tables["events"] = [{name: value for name, value in row.items() if name != "event_id"} for row in tables["events"]]
    lake, _ = build(tmp_path / "without.db", tables)
    assert lake.rejected.select("table", "reason", "key").rows() == [("events", "duplicate key", f"u1|s1|click|{NOW - 5}")]


def test_the_first_of_two_rows_with_one_key_stays(tmp_path: Path) -> None:
    tables = house()
    tables["albums"].append({"album_id": "b1", "title": "Later", "release_date": None})
    lake, _ = build(tmp_path / "music.db", tables)
    assert lake.catalogue.entities.filter(pl.col("key") == "album:b1")["name"].to_list() == ["Harbour"]


def test_too_many_rejected_rows_stop_the_build(tmp_path: Path) -> None:
    tables = house()
    tables["events"].append(EVENT | {"behaviour": "yodel"})
    with pytest.raises(
        UserError, match=r"`events`: 1 of 7 rows rejected \(14.3%, the limit is 14.0%\), mostly 'unknown behaviour'"
    ) as error:
        build(tmp_path / "music.db", tables, max_rejected=0.14)
    assert "yodel" in str(error.value)
    assert "\n" not in str(error.value)
    (tmp_path / "music.db").unlink()
    assert build(tmp_path / "music.db", tables, max_rejected=1 / 7)[1].kept["events"] == 6
