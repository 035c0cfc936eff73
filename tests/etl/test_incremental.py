"""Reading only what is new gives the lake of reading everything; a table that changed further back is read whole."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from source_house import DAY, NOW, Rows, house, write_sqlite
from test_lake_laws import EVENT, assert_same_lake

from etl.lake import Lake
from etl.pipeline import write_lake
from etl.report import EtlReport
from etl.rules import CleaningRules
from etl.source import Source

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def extract(database: Path, folder: Path, previous: Path | None = None, **rules: Any) -> tuple[Lake, EtlReport]:
    report = write_lake(Source(f"sqlite:///{database}"), CleaningRules(**rules), folder, max_rejected=1.0, previous=previous, now=NOW)
    return Lake.read(folder / "lake"), report


def add(database: Path, rows: Rows) -> None:
    with sqlite3.connect(database) as connection:
        for row in rows:
            names = ", ".join(row)
            connection.execute(f"INSERT INTO events ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def log(n_days: int, a_day: int = 3) -> Rows:
    return [
        {"event_id": f"e{day * a_day + i}", "user_id": f"u{i}", "item_id": ("s1", "s2", "s3")[(day + i) % 3], "behaviour": "play",
         "ts": NOW - (n_days - day) * DAY + i, "item_kind": None, "scene": ("fm", None)[i % 2], "play_ms": 1000 * i, "is_organic": 1}
        for day in range(n_days) for i in range(a_day)
    ]  # fmt: skip


def same(one: tuple[Lake, EtlReport], other: tuple[Lake, EtlReport]) -> None:
    assert_same_lake(one[0], other[0])
    for name in ("read", "kept", "rejected", "examples", "derived", "entities", "facts"):
        assert getattr(one[1], name) == getattr(other[1], name), name


def test_only_the_last_days_are_read_again(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    extract(database, tmp_path / "first", late_days=2)
    add(database, log(31)[-3:])
    new, report = extract(database, tmp_path / "second", tmp_path / "first", late_days=2)
    assert report.extraction.since is not None
    assert report.extraction.rows_read == 4 * 3  # the day that was the last, the two before it, the new one
    same((new, report), extract(database, tmp_path / "whole"))


def test_nothing_new_reads_the_window_alone(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    first = extract(database, tmp_path / "first", late_days=0)
    again, report = extract(database, tmp_path / "second", tmp_path / "first", late_days=0)
    assert report.extraction.rows_read == 3
    same(first, (again, report))


def test_rows_older_than_the_window_have_everything_read(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    extract(database, tmp_path / "first")
    add(database, [log(30)[0] | {"event_id": "late"}])
    new, report = extract(database, tmp_path / "second", tmp_path / "first")
    assert report.extraction.since is None
    assert "added or removed" in report.extraction.why
    same((new, report), extract(database, tmp_path / "whole"))


@pytest.mark.parametrize("form", ["number", "text", "minutes", "fractions"])
def test_an_old_row_that_takes_the_place_of_another_has_everything_read(tmp_path: Path, form: str) -> None:
    forms: dict[str, Callable[[Rows], Rows]] = {"number": list, "text": iso, "minutes": minutes, "fractions": fractions}
    database = tmp_path / "music.db"
    bad = [log(1)[0] | {"event_id": "bad", "behaviour": "hum"}, log(1)[0] | {"event_id": "e3"}]
    write_sqlite(database, house() | {"events": forms[form]([*log(30), *bad])})
    extract(database, tmp_path / "0")
    _, unchanged = extract(database, tmp_path / "1", tmp_path / "0")
    assert unchanged.extraction.since is not None
    with sqlite3.connect(database) as connection:
        assert connection.execute("DELETE FROM events WHERE event_id = 'e7'").rowcount == 1
    add(database, forms[form]([log(30)[7] | {"event_id": "other", "ts": log(30)[7]["ts"] + 60}]))
    new, report = extract(database, tmp_path / "2", tmp_path / "1")
    assert report.extraction.since is None
    assert "exchanged" in report.extraction.why
    same((new, report), extract(database, tmp_path / "whole"))


def test_times_in_words_that_the_source_cannot_add_up_are_still_counted(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": [row | {"ts": f"{row['ts'][:16]} UTC"} for row in iso(log(30))]})
    extract(database, tmp_path / "0")
    assert extract(database, tmp_path / "1", tmp_path / "0")[1].extraction.since is not None


@pytest.mark.parametrize("late_days", [100, 10**9])
def test_a_window_longer_than_the_log_has_everything_read(tmp_path: Path, late_days: int) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(5)})
    extract(database, tmp_path / "0", late_days=late_days)
    _, report = extract(database, tmp_path / "1", tmp_path / "0", late_days=late_days)
    assert report.extraction.why == f"nothing is older than {late_days} days"


@pytest.mark.parametrize("change", ["UPDATE events SET item_id = 's2' WHERE event_id = 'e88'", "DELETE FROM events WHERE event_id = 'e87'"])
def test_changed_rows_within_the_window_are_taken_in(tmp_path: Path, change: str) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    extract(database, tmp_path / "first")
    with sqlite3.connect(database) as connection:
        assert connection.execute(change).rowcount == 1
    new, report = extract(database, tmp_path / "second", tmp_path / "first")
    assert report.extraction.since is not None
    same((new, report), extract(database, tmp_path / "whole"))


def test_a_new_song_takes_up_events_set_aside_before_it(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": [*log(30), log(1)[0] | {"event_id": "x", "item_id": "s0", "ts": NOW - 25 * DAY}]})
    first, before = extract(database, tmp_path / "first")
    assert before.rejected["events"] == {"dangling item_id": 1}
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO songs (song_id, title) VALUES ('s0', 'Found')")
    new, report = extract(database, tmp_path / "second", tmp_path / "first")
    assert report.extraction.since is not None
    assert report.rejected["events"] == {}
    assert len(new.events) > len(first.events)
    same((new, report), extract(database, tmp_path / "whole"))


def test_times_in_several_forms_have_everything_read(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": [*log(30), log(1)[0] | {"event_id": "x", "ts": "2023-11-01T00:00:00+08:00"}]})
    extract(database, tmp_path / "first")
    _, report = extract(database, tmp_path / "second", tmp_path / "first")
    assert report.extraction.since is None
    assert "several ways" in report.extraction.why


def iso(rows: Rows) -> Rows:
    text = pl.Series([row["ts"] for row in rows]).cast(pl.Int64)
    return [row | {"ts": moment} for row, moment in zip(rows, pl.from_epoch(text).dt.to_string("%Y-%m-%d %H:%M:%S"), strict=True)]


def minutes(rows: Rows) -> Rows:
    return [row | {"ts": f"{row['ts'][:16].replace(' ', 'T')}Z"} for row in iso(rows)]


def fractions(rows: Rows) -> Rows:
    return [row | {"ts": f"{row['ts']}.999900"} for row in iso(rows)]


@settings(max_examples=25, deadline=None, phases=PHASES)
@given(st.data(), st.sampled_from([list, iso]))
def test_incremental_equals_full(data: st.DataObject, form: Callable[[Rows], Rows]) -> None:
    """Three extractions in turn, with late rows, bad rows and duplicates among the new ones."""
    days = 12
    with TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "music.db"
        write_sqlite(database, house() | {"events": form(log(days))})
        extract(database, folder / "0", late_days=3)
        for turn in (1, 2):
            drawn = data.draw(st.lists(EVENT, max_size=6))
            add(database, [row | {"ts": at} for row, at in zip(drawn, times(data, len(drawn), form), strict=True)])
            new = extract(database, folder / str(turn), folder / str(turn - 1), late_days=3)
            same(new, extract(database, folder / "whole", late_days=3))
            shutil.rmtree(folder / "whole")


def times(data: st.DataObject, n: int, form: Callable[[Rows], Rows]) -> list[Any]:
    drawn = data.draw(st.lists(st.integers(NOW - 3 * DAY, NOW + 2 * DAY), min_size=n, max_size=n))
    odd = data.draw(st.lists(st.sampled_from([False, False, False, True]), min_size=n, max_size=n))
    formed = [row["ts"] for row in form([{"ts": ts} for ts in drawn])]
    return [(None if i % 2 else "never") if is_odd else ts for i, (ts, is_odd) in enumerate(zip(formed, odd, strict=True))]


def test_a_duplicate_of_a_row_that_is_not_read_again_is_found(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    extract(database, tmp_path / "first")
    add(database, [log(30)[-1] | {"event_id": "e0"}])
    new, report = extract(database, tmp_path / "second", tmp_path / "first")
    assert report.extraction.since is not None
    assert report.rejected["events"] == {"duplicate key": 1}
    assert_frame_equal(new.rejected, extract(database, tmp_path / "whole")[0].rejected)


@pytest.mark.parametrize("part", ["rows", "rejected", "users.parquet", "state.json"])
def test_what_a_person_removed_is_read_again(tmp_path: Path, part: str) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": [*log(30), log(1)[0] | {"event_id": "x", "behaviour": "hum"}]})
    first = extract(database, tmp_path / "first")
    removed = tmp_path / "first" / "staged" / part
    (removed if removed.is_file() else next(removed.glob("*.parquet"))).unlink()
    again = extract(database, tmp_path / "second", tmp_path / "first")
    assert again[1].extraction.since is None
    same(again, first)


def test_an_attempt_that_was_given_up_leaves_nothing_to_the_whole_read(tmp_path: Path) -> None:
    """An old time in another form comes with the new rows, so that everything is read after all."""
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    extract(database, tmp_path / "first")
    add(database, [log(1)[0] | {"event_id": "x", "ts": "2023-10-20T00:00:00"}])
    new, report = extract(database, tmp_path / "second", tmp_path / "first")
    assert report.extraction.since is None
    assert report.rejected["events"] == {}
    same((new, report), extract(database, tmp_path / "whole"))


def test_another_tolerance_of_the_future_judges_every_row_anew(tmp_path: Path) -> None:
    database = tmp_path / "music.db"
    ahead = [row | {"ts": row["ts"] + 20 * DAY} for row in log(30)]
    write_sqlite(database, house() | {"events": ahead})
    extract(database, tmp_path / "first", future_tolerance=30 * DAY)
    new = extract(database, tmp_path / "second", tmp_path / "first")
    assert new[1].rejected["events"]["future ts"] > 40
    same(new, extract(database, tmp_path / "whole"))


@pytest.mark.parametrize("part", ["state.json", "users.parquet"])
def test_a_damaged_file_has_everything_read(tmp_path: Path, part: str) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": log(30)})
    first = extract(database, tmp_path / "first")
    (tmp_path / "first" / "staged" / part).write_text('{"a')
    again = extract(database, tmp_path / "second", tmp_path / "first")
    assert again[1].extraction.since is None
    same(again, first)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def overwrite_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0xFF
    file.write_bytes(data)


def lose_a_row(file: Path) -> None:
    pl.read_parquet(file)[1:].write_parquet(file)


@pytest.mark.parametrize("damage", [cut_off, overwrite_a_byte, lose_a_row])
@pytest.mark.parametrize("part", ["rows", "rejected"])
def test_a_damaged_day_has_everything_read(tmp_path: Path, part: str, damage: Callable[[Path], None]) -> None:
    database = tmp_path / "music.db"
    write_sqlite(database, house() | {"events": [*log(30), log(1)[0] | {"event_id": "x", "behaviour": "hum"}]})
    first = extract(database, tmp_path / "first")
    damage(min((tmp_path / "first" / "staged" / part).glob("*.parquet")))
    again = extract(database, tmp_path / "second", tmp_path / "first")
    assert again[1].extraction.since is None
    same(again, first)
