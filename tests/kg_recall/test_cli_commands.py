import io
import json
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from tiny_workspace import StandIn, with_graph, with_models

from kg_recall.cli import invoke

COMMANDS = "demo init run etl graph embed train evaluate recommend batch cypher path simulate import"
DRAMA = "MATCH (a:Artist)<-[:SUNG_BY]-(:Song)-[:SOUNDTRACK_OF]->(d:Drama {name: 'The Long Tide'}) RETURN a.name AS artist ORDER BY a.key"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and a trained workspace, in which a stand-in recommends."""
    with_models(tmp_path)
    module = ModuleType("kg_recall.recommender")
    module.Recommender = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kg_recall.recommender", module)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with_graph(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS.split())
    assert not any(later in text for later in ("explore", "forget", "refresh"))


def test_recommend_prints_one_line_an_item(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["recommend", "u2", "-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "Harbour" in lines[0]
    assert "because it is daily" in lines[0]
    assert invoke(["recommend", "u2", "--scenario", "fm", "--repeats", "exclude", "--explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_json_has_the_fields_of_batch(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["recommend", "u2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert invoke(["batch", "--out", "all.parquet", "-k", "20"]) == 0
    assert capsys.readouterr().out == "9 rows for 3 users in all.parquet\n"
    assert told == pl.read_parquet("all.parquet").filter(pl.col("user_id") == "u2").to_dicts()


def test_batch_takes_users_from_a_file_and_quiet_says_nothing(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("some.txt").write_text("u3\n")
    assert invoke(["batch", "--out", "some.parquet", "--users", "some.txt", "--engine", "local", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert pl.read_parquet("some.parquet")["user_id"].unique().to_list() == ["u3"]


def test_cypher_prints_a_table_json_or_csv(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["cypher", DRAMA]) == 0
    assert capsys.readouterr().out.splitlines() == ["artist", "──────", "Ana", "贝贝", "2 rows"]
    assert invoke(["cypher", DRAMA, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"artist": "Ana"}, {"artist": "贝贝"}]
    assert invoke(["cypher", "MATCH (s:Song) RETURN s.key AS key, null AS gap, 'a,b' AS text ORDER BY key LIMIT 1", "--csv"]) == 0
    assert capsys.readouterr().out == 'key,gap,text\nsong:1,,"a,b"\n'


def test_the_shell_reads_queries_from_a_pipe(graph: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{DRAMA};\nMATCH (d:Drama)\nRETURN d.key AS key;\n"))
    assert invoke(["cypher"]) == 0
    answers = capsys.readouterr().out
    assert "贝贝" in answers
    assert "drama:d" in answers


def test_path_draws_the_best_connections(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["path", "artist:a", "artist:b"]) == 0
    wanted = (
        " 1  artist:a “Ana” <-[SUNG_BY]- song:1 “夜航星” -[SOUNDTRACK_OF]-> drama:d “The Long Tide”"
        " <-[SOUNDTRACK_OF]- song:2 “Night Sail” -[SUNG_BY]-> artist:b “贝贝”\n"
    )
    assert capsys.readouterr().out == wanted
    assert invoke(["path", "artist:a", "song:3", "--max-hops", "2"]) == 0
    assert capsys.readouterr().out == "no connection of artist:a and song:3 within 2 hops\n"


def test_simulate_and_import_say_where_the_config_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = f"sqlite:///{tmp_path}/music.db"
    assert invoke(["simulate", "--songs", "150", "--users", "10", "--days", "3", "--out", out, "--truth", f"{tmp_path}/truth.parquet"]) == 0
    assert "kg-recall.toml" in capsys.readouterr().out
    assert (tmp_path / "kg-recall.toml").is_file()
    assert (tmp_path / "truth.parquet").is_file()
    assert invoke(["import", "unheard-of", str(tmp_path), "--out", out]) == 2
