from collections.abc import Callable
from pathlib import Path

import expected_mappings
import numpy as np
import pytest
import strange_schemas
import stranger_schemas
from source_house import house, write_sqlite
from strange_schemas import START, Tables, write

from etl.behaviours import Behaviour
from etl.contract import TABLES
from etl.errors import UserError
from etl.inspection import survey
from etl.inspection.proposal import Inspection, inspect_source
from etl.lake import Lake
from etl.pipeline import build_lake
from etl.report import EtlReport
from etl.rules import CleaningRules
from etl.source import Source

KNOWN = {
    "renamed": strange_schemas.renamed,
    "chinese": strange_schemas.chinese,
    "shop": strange_schemas.shop,
    "star": strange_schemas.star,
    "app": stranger_schemas.app,
    "camel": stranger_schemas.camel,
    "sessions": stranger_schemas.sessions,
    "scrobbles": stranger_schemas.scrobbles,
    "log": stranger_schemas.log,
    "record_shop": stranger_schemas.record_shop,
    "karaoke": stranger_schemas.karaoke,
    "plain": stranger_schemas.plain,
}


def told(inspection: Inspection) -> list[str]:
    """The proposal in the words of `expected_mappings`."""
    lines = []
    for name, proposal in inspection.proposals.items():
        for branch in proposal.branches:
            tables = "+".join([branch.table.label, *(join.table.label for join in branch.joins)])
            columns = (f"{column}={'+'.join(own for _, own in cell.columns) or '*'}" for column, cell in branch.cells.items())
            lines.append(f"{name} {proposal.status} {tables} | {' '.join(columns)}")
    return lines


def build(url: str, inspection: Inspection) -> tuple[Lake, EtlReport]:
    mapping = {name: proposal.value for name, proposal in inspection.proposals.items()}
    return build_lake(Source(url, mapping), CleaningRules(), max_rejected=0.0, now=START + 10**8)


def rejected(report: EtlReport) -> dict[str, dict[str, int]]:
    return {table: reasons for table, reasons in report.rejected.items() if reasons}


@pytest.mark.parametrize("schema", KNOWN)
def test_the_proposal_is_the_one_of_a_person(tmp_path: Path, schema: str) -> None:
    url = write(tmp_path / "music.db", KNOWN[schema]())
    expected = getattr(expected_mappings, schema.upper()).strip().splitlines()
    assert sorted(told(inspect_source(url))) == sorted(expected)


@pytest.mark.parametrize("schema", KNOWN)
def test_the_etl_takes_every_row_of_what_is_proposed(tmp_path: Path, schema: str) -> None:
    url = write(tmp_path / "music.db", KNOWN[schema]())
    inspection = inspect_source(url)
    assert inspection.gaps() == []
    lake, report = build(url, inspection)
    assert rejected(report) == {}
    assert len(lake.catalogue.songs) == 60
    assert len(lake.events) >= 300 or schema == "app"


def test_seconds_acts_and_clocks_are_translated(tmp_path: Path) -> None:
    url = write(tmp_path / "renamed.db", strange_schemas.renamed())
    lake, _ = build(url, inspect_source(url))
    assert lake.catalogue.songs["duration_ms"].min() >= 120_000
    counts = np.bincount(lake.events.behaviour, minlength=len(Behaviour))
    assert counts[Behaviour.PLAY] == 300
    assert counts[Behaviour.COLLECT] == 40

    url = write(tmp_path / "star.db", strange_schemas.star())
    lake, _ = build(url, inspect_source(url))
    first = lake.events.ts.min()
    assert START - 86_400 < first < START + 86_400
    assert len({int(ts) % 86_400 for ts in lake.events.ts}) > 20, "the time of day is told by time_key"

    url = write(tmp_path / "chinese.db", strange_schemas.chinese())
    lake, _ = build(url, inspect_source(url))
    acts = {Behaviour(code).name for code in np.unique(lake.events.behaviour)}
    assert {"PLAY", "COLLECT", "SKIP", "EXPOSURE", "CLICK", "DOWNLOAD", "SHARE", "DISLIKE", "BLOCK_ARTIST", "COMMENT"} <= acts
    assert set(lake.scenes) == {"daily", "fm", "search"}


def test_acts_without_a_meaning_are_left_out_and_said(tmp_path: Path) -> None:
    url = write(tmp_path / "music.db", stranger_schemas.app())
    inspection = inspect_source(url)
    events = inspection.proposals["events"]
    assert "'UNLIKE', 'PAUSE'" in events.notes[0]
    assert build(url, inspection)[1].read["events"] == sum(n % 7 not in (3, 6) for n in range(300))


def test_cancelled_orders_are_no_purchases(tmp_path: Path) -> None:
    url = write(tmp_path / "music.db", strange_schemas.shop(), "UPDATE orders SET status = 'Cancelled' WHERE order_id <= 10")
    inspection = inspect_source(url)
    assert inspection.proposals["events"].notes == ("rows whose `status` is 'Cancelled' are left out",)
    assert build(url, inspection)[1].read["events"] == 300 - 30


def test_the_contract_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    inspection = inspect_source(write_sqlite(tmp_path / "house.db", house()))
    assert {name: (each.status, each.value) for name, each in inspection.proposals.items()} == {name: ("sure", name) for name in TABLES}


def test_a_simulated_service_is_taken_as_it_is(tmp_path: Path) -> None:
    from etl.simulation.service import SimulationSettings, run_simulation

    url = f"sqlite:///{tmp_path / 'simulated.db'}"
    run_simulation(SimulationSettings(n_songs=60, n_users=12, n_days=4, seed=1), url, None)
    for name, proposal in inspect_source(url).proposals.items():
        assert (proposal.status, proposal.value) in (("sure", name), ("missing", ""))


@pytest.mark.parametrize(
    "schema",
    [
        strange_schemas.hospital,
        strange_schemas.couriers,
        stranger_schemas.films,
        lambda: strange_schemas.shop(("Novels", "Cooking"), "Book"),
    ],
    ids=["hospital", "couriers", "films", "bookshop"],
)
def test_what_is_not_about_music_is_not_mapped(tmp_path: Path, schema: Callable[[], Tables]) -> None:
    inspection = inspect_source(write(tmp_path / "other.db", schema()))
    assert told(inspection) == []
    assert inspection.music is None
    assert inspection.gaps() == ["songs", "events"]


def test_a_count_without_a_time_is_no_event_and_the_reason_is_said(tmp_path: Path) -> None:
    tables = strange_schemas.star() | {
        "fact_stream": ("user_key INTEGER, track_key INTEGER, play_count INTEGER", [(1 + n % 40, 1 + n % 60, n) for n in range(100)])
    }
    events = inspect_source(write(tmp_path / "music.db", tables)).proposals["events"]
    assert events.status == "missing"
    assert events.notes == ("`fact_stream` names users and songs, but no time when it happened",)


def test_a_log_without_a_user_is_no_event_and_the_reason_is_said(tmp_path: Path) -> None:
    url = write(
        tmp_path / "music.db",
        stranger_schemas.scrobbles(),
        *(f"ALTER TABLE {name} DROP username" for name in ("scrobbles", "loved_tracks")),
    )
    events = inspect_source(url).proposals["events"]
    assert events.notes == ("`loved_tracks` names songs and times, but no user", "`scrobbles` names songs and times, but no user")


def test_times_that_cannot_be_read_are_no_times(tmp_path: Path) -> None:
    tables = strange_schemas.renamed()
    url = write(tmp_path / "music.db", tables, "UPDATE listens SET started_at = '31/12/2023 at noon'", "DROP TABLE favourites")
    events = inspect_source(url).proposals["events"]
    assert events.status == "missing"
    assert "no time" in events.notes[0]


def test_a_wrong_reference_is_refused_by_its_values(tmp_path: Path) -> None:
    url = write(tmp_path / "music.db", strange_schemas.chinese(), "UPDATE 播放记录 SET 歌曲编号 = 'nowhere-' || 歌曲编号")
    events = inspect_source(url).proposals["events"]
    assert [branch.table.name for branch in events.branches] == ["屏蔽"]


def test_rows_that_say_yes_to_skip_become_skips_where_no_time_is_told(tmp_path: Path) -> None:
    url = write(tmp_path / "music.db", strange_schemas.star(), "ALTER TABLE fact_stream DROP COLUMN ms_played")
    inspection = inspect_source(url)
    lake, report = build(url, inspection)
    assert rejected(report) == {}
    assert np.bincount(lake.events.behaviour)[Behaviour.SKIP] == sum(n % 7 == 0 for n in range(1, 301))


def test_private_columns_are_no_features(tmp_path: Path) -> None:
    shop = inspect_source(write(tmp_path / "shop.db", strange_schemas.shop())).proposals["users"]
    assert list(shop.branches[0].cells) == ["user_id", "city"]
    assert not any("@" in str(value) for row in shop.rows for value in row)
    own = house() | {"users": [{"user_id": "u1", "gender": "f", "email": "a@b.example", "手机号": "138"}]}
    users = inspect_source(write_sqlite(tmp_path / "own.db", own)).proposals["users"]
    assert list(users.branches[0].cells) == ["user_id", "gender"]
    assert users.value.startswith("SELECT")


def test_two_tables_that_could_be_songs_are_told(tmp_path: Path) -> None:
    tables = strange_schemas.renamed() | {"recordings": ("id INTEGER PRIMARY KEY, name TEXT", [(n, f"r{n}") for n in range(1, 20)])}
    songs = inspect_source(write(tmp_path / "music.db", tables)).proposals["songs"]
    assert songs.status == "likely"
    assert "`recordings` could be it as well" in songs.why


def test_names_and_values_are_escaped(tmp_path: Path) -> None:
    """Quotes, per cents, colons and line breaks in names and values stay what they are."""
    url = write(tmp_path / "evil.db", strange_schemas.hostile())
    inspection = inspect_source(url)
    lake, report = build(url, inspection)
    assert rejected(report) == {}
    assert len(lake.catalogue.songs) == 40
    assert np.bincount(lake.events.behaviour)[[Behaviour.COLLECT, Behaviour.SKIP]].tolist() == [20, 20]


def test_a_view_that_is_broken_is_passed_over(tmp_path: Path) -> None:
    broken = ("CREATE TABLE gone (x)", "CREATE VIEW old_tracks AS SELECT x FROM gone", "DROP TABLE gone")
    inspection = inspect_source(write(tmp_path / "music.db", strange_schemas.star(), *broken))
    assert inspection.gaps() == []
    assert "gone" in inspection.refused["old_tracks"]


def test_large_tables_are_counted_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "COUNTED_ROWS", 100)
    view = "CREATE VIEW v_streams AS SELECT * FROM fact_stream"
    inspection = inspect_source(write(tmp_path / "music.db", strange_schemas.star(), view))
    counted = {table.name: table.counted for table in inspection.tables}
    assert (counted["fact_stream"], counted["v_streams"], counted["dim_track"]) == ("about 300 rows", "more than 100 rows", "60 rows")
    assert inspection.gaps() == []


def test_an_empty_database_and_none_at_all(tmp_path: Path) -> None:
    assert inspect_source(write(tmp_path / "empty.db", {}, "CREATE TABLE songs (x)")).gaps() == ["songs", "events"]
    with pytest.raises(UserError, match="no database file"):
        inspect_source(f"sqlite:///{tmp_path / 'none.db'}")
    (tmp_path / "text.db").write_text("this is no database, only a text that is long enough to look like a header")
    with pytest.raises(UserError, match="not a database"):
        inspect_source(f"sqlite:///{tmp_path / 'text.db'}")
