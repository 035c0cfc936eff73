"""Reading only what is new, as each server compares times, gives the lake of reading everything."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from source_house import DAY, NOW
from three_servers import differing, new_databases, refill

from etl.pipeline import write_lake
from etl.rules import CleaningRules
from etl.source import Source

SERVERS = ("SQLite", "PostgreSQL", "MariaDB")
FORMS: dict[str, Callable[[int], Any]] = {
    "seconds": lambda ts: ts,
    "text": lambda ts: dt.datetime.fromtimestamp(ts, dt.UTC).isoformat(" ").removesuffix("+00:00"),
    "zoned": lambda ts: dt.datetime.fromtimestamp(ts, dt.UTC).isoformat(),
}
TIMESTAMP = {"PostgreSQL": "timestamptz", "MariaDB": "DATETIME"}


def log(days: range, form: str) -> pl.DataFrame:
    """Three events a day, `days` counted back from NOW."""
    times = [NOW - day * DAY + i for day in days for i in range(3)]
    names = [f"{ts}" for ts in times]
    columns = {
        "event_id": names,
        "user_id": ["a", "A", "ä"] * len(days),
        "item_id": ["s1"] * len(times),
        "behaviour": ["play"] * len(times),
    }
    return pl.DataFrame(columns | {"ts": [FORMS[form](ts) for ts in times]})


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, mariadb_url: str) -> dict[str, str]:
    return new_databases("increments", tmp_path_factory.mktemp("increments"), postgres_url, mariadb_url)


def extract(url: str, folder: Path, previous: Path | None = None) -> tuple[dict[str, bytes], int]:
    report = write_lake(Source(url), CleaningRules(), folder, max_rejected=1.0, previous=previous, now=NOW)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "lake").rglob("*")) if path.is_file()}
    return files, report.extraction.rows_read


def add(url: str, frame: pl.DataFrame) -> None:
    marks = ", ".join(f":{name}" for name in frame.columns)
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text(f"INSERT INTO events ({', '.join(frame.columns)}) VALUES ({marks})"), frame.to_dicts())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("server", SERVERS)
def test_the_next_extraction_reads_the_last_days_alone(urls: dict[str, str], tmp_path: Path, server: str, form: str) -> None:
    refill(urls[server], {"songs": pl.DataFrame({"song_id": ["s1"], "title": ["One"]}), "events": log(range(30, 1, -1), form)})
    # Text that names a zone has no order of its own: everything is read.
    check(urls[server], tmp_path, log(range(1, 0, -1), form), 30 * 3 if form == "zoned" else 4 * 3)


@pytest.mark.parametrize("form", ["seconds", "text"])
@pytest.mark.parametrize("server", SERVERS)
def test_an_exchange_of_old_rows_is_noticed(urls: dict[str, str], tmp_path: Path, server: str, form: str) -> None:
    refill(urls[server], {"songs": pl.DataFrame({"song_id": ["s1"], "title": ["One"]}), "events": log(range(30, 1, -1), form)})
    # A text that is no time ends a cast on PostgreSQL: there rows are only counted.
    exchange(urls[server], tmp_path, form, noticed=(server, form) != ("PostgreSQL", "text"))


def exchange(url: str, folder: Path, form: str, *, noticed: bool) -> None:
    """An old row goes, another comes for it a minute later."""
    extract(url, folder / "first")
    gone = log(range(20, 19, -1), form)[0]
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        assert connection.execute(sa.text("DELETE FROM events WHERE event_id = :id"), {"id": gone["event_id"][0]}).rowcount == 1
    add(url, gone.with_columns(event_id=pl.lit("other"), ts=pl.Series([FORMS[form](NOW - 20 * DAY + 60)])))
    lake, read = extract(url, folder / "second", folder / "first")
    whole, rows = extract(url, folder / "whole")
    assert (read == rows, differing(lake, whole) == []) == (noticed, noticed)


@pytest.mark.parametrize("server", TIMESTAMP)
def test_times_of_the_servers_own_type_too(urls: dict[str, str], tmp_path: Path, server: str) -> None:
    refill(urls[server], {"songs": pl.DataFrame({"song_id": ["s1"], "title": ["One"]})})
    with sa.create_engine(urls[server], poolclass=sa.NullPool).begin() as connection:
        columns = f"event_id varchar(20), user_id varchar(9), item_id varchar(9), behaviour varchar(9), ts {TIMESTAMP[server]}"
        collation = " CHARACTER SET utf8mb4" if server == "MariaDB" else ""
        connection.exec_driver_sql(f"CREATE TABLE events ({columns}){collation}")
        if server == "PostgreSQL":
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")
    form = "zoned" if server == "PostgreSQL" else "text"
    add(urls[server], log(range(30, 1, -1), form))
    exchange(urls[server], tmp_path / "exchange", form, noticed=True)
    check(urls[server], tmp_path, log(range(1, 0, -1), form))


def check(url: str, folder: Path, new: pl.DataFrame, rows: int = 4 * 3) -> None:
    """A first extraction, new rows, a second one that reads `rows` (three old days and the new one), one of everything: the same lake."""
    extract(url, folder / "first")
    add(url, new)
    lake, read = extract(url, folder / "second", folder / "first")
    whole, _ = extract(url, folder / "whole")
    assert differing(lake, whole) == []
    assert read == rows
