"""Databases never seen before on real servers: the proposals are those of SQLite, and the ETL takes every row."""

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus

import mariadb_server
import numpy as np
import postgresql_server
import pytest
import sqlalchemy as sa
import strange_schemas
import stranger_schemas
from strange_schemas import START, Tables

from etl.behaviours import Behaviour
from etl.inspection.proposal import Inspection, inspect_source
from etl.lake import Lake
from etl.pipeline import build_lake
from etl.rules import CleaningRules
from etl.source import Source
from kg_recall.cli import invoke

SCHEMAS = {
    "chinese": strange_schemas.chinese,
    "shop": strange_schemas.shop,
    "star": strange_schemas.star,
    "hostile": strange_schemas.hostile,
    "app": stranger_schemas.app,
    "scrobbles": stranger_schemas.scrobbles,
}
OWN_TYPES = """
CREATE SCHEMA music; CREATE SCHEMA "Log";
CREATE TYPE act AS ENUM ('listen', 'Like', 'skip');
CREATE TABLE music.tracks (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, title text, seconds numeric(6, 1), released date,
                           embedding real[], lyrics xml);
CREATE TABLE music.singers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(40) UNIQUE);
CREATE TABLE music.track_singers (track_id uuid REFERENCES music.tracks, singer_id bigint REFERENCES music.singers,
                                  PRIMARY KEY (track_id, singer_id));
CREATE TABLE "Log"."Activity" (id bigint PRIMARY KEY, "userId" int, track_id uuid REFERENCES music.tracks (id), action act,
                               happened_at timestamptz, is_recommended boolean, details jsonb);
CREATE VIEW public.tracks_of_today AS SELECT * FROM music.tracks;
INSERT INTO music.tracks (n, title, seconds, released, embedding) SELECT n, '歌 ' || n, 180.5 + n, '2019-05-01', '{1, 0.5}'
    FROM generate_series(1, 60) n;
INSERT INTO music.singers (name) SELECT 'S' || n FROM generate_series(1, 60) n;
INSERT INTO music.track_singers SELECT t.id, s.id FROM music.tracks t JOIN music.singers s ON s.name = 'S' || t.n;
INSERT INTO "Log"."Activity" SELECT n, 1000 + n % 20, (SELECT id FROM music.tracks WHERE tracks.n = 1 + g.n % 60),
    (ARRAY['listen', 'Like', 'skip'])[1 + n % 3]::act, '2023-04-01 08:00:00+08'::timestamptz + n * interval '1 minute', n % 2 = 0, '{}'
    FROM generate_series(1, 300) g (n);
"""


def fill(url: str, tables: Tables) -> None:
    """The tables on a server; foreign keys are left out, because what they name may not exist yet."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    text = "VARCHAR(200) CHARACTER SET utf8mb4" if engine.dialect.name == "mysql" else "VARCHAR(200)"
    with engine.begin() as connection:
        if engine.dialect.name == "mysql":
            connection.exec_driver_sql("SET sql_mode = 'ANSI_QUOTES'")
        for name, (columns, rows) in tables.items():
            plain = ", ".join(part.split(" REFERENCES ")[0] for part in columns.split(", "))
            plain = plain.replace(" DATETIME", " TIMESTAMP").replace(" TEXT", f" {text}")
            quoted = name.replace('"', '""')
            options = {"no_parameters": True}
            connection.exec_driver_sql(f'CREATE TABLE "{quoted}" ({plain})', execution_options=options)
            marks = ", ".join("%s" for _ in rows[0])
            connection.exec_driver_sql(f'INSERT INTO "{quoted.replace("%", "%%")}" VALUES ({marks})', rows)


def build(url: str, inspection: Inspection) -> Lake:
    mapping = {name: proposal.value for name, proposal in inspection.proposals.items()}
    lake, report = build_lake(Source(url, mapping), CleaningRules(), max_rejected=0.0, now=START + 10**8)
    assert not any(report.rejected.values())
    return lake


def told(inspection: Inspection) -> dict[str, tuple[str, list[list[str]]]]:
    return {name: (each.status, [list(branch.cells) for branch in each.branches]) for name, each in inspection.proposals.items()}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("server", ["postgres_url", "mariadb_url"])
def test_servers_are_understood_like_sqlite(request: pytest.FixtureRequest, tmp_path: Path, server: str, schema: str) -> None:
    new: Callable[[str, str], str] = (mariadb_server if server == "mariadb_url" else postgresql_server).new_database
    url = new(request.getfixturevalue(server), f"inspected_{schema}")
    fill(url, SCHEMAS[schema]())
    file = strange_schemas.write(tmp_path / "music.db", SCHEMAS[schema]())
    there, here = inspect_source(url), inspect_source(file)
    assert told(there) == told(here)
    lake, same = build(url, there), build(file, here)
    assert len(lake.events) == len(same.events)
    assert lake.catalogue.songs["title"].to_list() == same.catalogue.songs["title"].to_list()
    assert sorted(lake.events.ts.tolist()) == sorted(same.events.ts.tolist())


def test_schemas_and_types_of_postgresql(postgres_url: str) -> None:
    url = postgresql_server.new_database(postgres_url, "inspected_types")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(OWN_TYPES, execution_options={"no_parameters": True})
    inspection = inspect_source(url)
    found = {name: (each.status, each.branches[0].table.label) for name, each in inspection.proposals.items() if each.branches}
    assert found == {
        "songs": ("sure", "music.tracks"),
        "artists": ("sure", "music.singers"),
        "song_artists": ("sure", "music.track_singers"),
        "events": ("likely", "Log.Activity"),
    }
    lake = build(url, inspection)
    counts = np.bincount(lake.events.behaviour)
    assert counts[[Behaviour.PLAY, Behaviour.COLLECT, Behaviour.SKIP]].tolist() == [100, 100, 100]
    assert lake.events.is_organic.mean() == 0.5
    assert lake.catalogue.songs["duration_ms"].min() == 181_500


def test_a_big_table_is_neither_counted_nor_read_whole(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgresql_server.new_database(postgres_url, "inspected_big")
    fill(url, stranger_schemas.scrobbles())
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("ANALYZE scrobbles")
    monkeypatch.setattr(sys.modules["etl.inspection.survey"], "COUNTED_ROWS", 100)
    tables = {table.name: table for table in inspect_source(url).tables}
    assert tables["scrobbles"].counted == "about 300 rows"
    assert tables["artist"].counted == "20 rows"


def test_the_command_keeps_the_password_of_a_server_out_of_its_file(
    mariadb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    url = mariadb_server.new_database(mariadb_url, "inspected_by_command")
    fill(url, strange_schemas.chinese())
    assert invoke(["init", "--source", url]) == 0
    assert "set KG_RECALL_SOURCE_PASSWORD to the password first" in capsys.readouterr().out
    text = Path("kg-recall.toml").read_text(encoding="utf-8")
    assert mariadb_server.PASSWORD not in text
    assert quote_plus(mariadb_server.PASSWORD) not in text
    assert invoke(["etl"]) == 2
    monkeypatch.setenv("KG_RECALL_SOURCE_PASSWORD", mariadb_server.PASSWORD)
    assert invoke(["etl"]) == 0
