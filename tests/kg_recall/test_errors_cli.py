"""Every mistake that a person can make at the command line: one line on stderr, exit 2, no traceback, nothing lost."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_steps import tree
from tiny_workspace import with_graph, with_models

from kg_recall.cli import invoke
from kg_recall.workspace import Workspace

URL = '[source]\nurl = "sqlite:///music.db"\n'
Fails = Callable[..., str]


@pytest.fixture
def fails(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Run a command line in `tmp_path` that must fail as a mistake does, and return its one line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        before = tree(tmp_path)
        capfd.readouterr()
        assert invoke(arguments) == 2
        told = capfd.readouterr()
        assert told.out == ""
        assert told.err.startswith("kg-recall: ")
        assert told.err.count("\n") == 1
        assert "Traceback" not in told.err
        kept = {name: data for name, data in tree(tmp_path).items() if not name.endswith("workspace.json")}
        assert kept == {name: data for name, data in before.items() if not name.endswith("workspace.json")}
        return told.err

    return run


def configure(folder: Path, text: str) -> None:
    (folder / "kg-recall.toml").write_text(text)


@pytest.mark.parametrize("command", ["run", "etl", "train", "recommend u1", "batch --out x.parquet", "cypher RETURN", "path a b"])
def test_config_missing(fails: Fails, command: str) -> None:
    assert "no config at kg-recall.toml" in fails(*command.split())
    assert "no config at other.toml" in fails(*command.split(), "-c", "other.toml")


def test_broken_toml(fails: Fails, tmp_path: Path) -> None:
    configure(tmp_path, "[source\n")
    assert "not valid TOML" in fails("run")
    assert "line 1" in fails("run")


def test_unknown_key(fails: Fails, tmp_path: Path) -> None:
    configure(tmp_path, URL + "[evaluate]\ntest_shard = 0.1\n")
    assert "did you mean [evaluate] test_share?" in fails("recommend", "u1")


def test_database_missing_or_none(fails: Fails, tmp_path: Path) -> None:
    configure(tmp_path, URL)
    assert "no database file at" in fails("run")
    assert not (tmp_path / "music.db").exists()
    (tmp_path / "music.db").write_text("this is a letter to my aunt, and it is long enough to be looked at as a header" * 30)
    assert "not a database" in fails("run")


def test_table_or_column_missing(fails: Fails, tmp_path: Path) -> None:
    configure(tmp_path, URL)
    with sqlite3.connect(tmp_path / "music.db") as connection:
        connection.execute("CREATE TABLE songs (song_id TEXT, title TEXT)")
    assert "has no table `events`" in fails("run")
    with sqlite3.connect(tmp_path / "music.db") as connection:
        connection.execute("CREATE TABLE events (user_id TEXT, item_id TEXT, ts INTEGER)")
    assert "`events` has no column `behaviour`" in fails("run")
    configure(tmp_path, URL + '[source.tables]\nsogns = "songs"\n')
    assert "did you mean 'songs'" in fails("run")


def test_server_refused(fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSIC_PASSWORD", "top-secret-word")
    configure(tmp_path, '[source]\nurl = "postgresql://me:${MUSIC_PASSWORD}@127.0.0.1:9/music"\n')
    line = fails("run")
    assert "127.0.0.1:9" in line
    assert "top-secret-word" not in line
    logs = "".join(path.read_text() for path in (tmp_path / "kg-recall-workspace").rglob("*") if path.is_file())
    assert "top-secret-word" not in logs


def test_a_password_in_the_url_never_shows(fails: Fails, tmp_path: Path) -> None:
    configure(tmp_path, '[source]\nurl = "postgresql://me:top-secret-word@127.0.0.1:9/music"\n')
    assert "top-secret-word" not in fails("run")


def test_neo4j_refused_or_without_password(fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_graph(tmp_path)
    configure(tmp_path, URL + '[graph]\nstore = "neo4j"\nuri = "bolt://127.0.0.1:9"\n')
    monkeypatch.delenv("KG_RECALL_NEO4J_PASSWORD", raising=False)
    assert "KG_RECALL_NEO4J_PASSWORD" in fails("graph")
    monkeypatch.setenv("KG_RECALL_NEO4J_PASSWORD", "graph-secret-word")
    line = fails("graph")
    assert "bolt://127.0.0.1:9" in line
    assert "graph-secret-word" not in line


def test_a_sentiment_backend_is_looked_for_before_anything_is_read(fails: Fails, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "music.db") as connection:
        connection.execute("CREATE TABLE songs (song_id, title)")
    configure(tmp_path, URL + '[etl.sentiment]\nbackend = "etl.errors:NoSuchClass"\n')
    assert 'sentiment backend "etl.errors:NoSuchClass" could not be loaded' in fails("etl")


def test_unknown_user(fails: Fails, tmp_path: Path) -> None:
    with_models(tmp_path)
    assert "unknown user 'nobody'" in fails("recommend", "nobody")
    assert "the nearest are u1, u2, u3" in fails("recommend", "u")
    (tmp_path / "users.txt").write_text("u1\nnobody\n")
    assert "unknown user, the first 'nobody'" in fails("batch", "--out", "x.parquet", "--users", "users.txt")


@pytest.mark.parametrize(("option", "least"), [("--songs", 40), ("--users", 2), ("--days", 1), ("--seed", 0)])
def test_the_least_size_of_a_simulation_is_what_its_help_says(
    fails: Fails, capfd: pytest.CaptureFixture[str], option: str, least: int
) -> None:
    line = fails("simulate", "--out", "sqlite:///new.db", option, str(least - 1))
    assert f"greater than or equal to {least}" in line
    assert invoke(["simulate", "--help"]) == 0
    assert f"x>={least}" in next(line for line in capfd.readouterr().out.splitlines() if option in line)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("recommend u1 --scenario radio", "unknown scenario 'radio': --scenario takes daily, fm, playlist, mlog or mv"),
        ("batch --out x.parquet --scenario gym", "unknown scenario 'gym'"),
        ("batch --out x.parquet --engine spark", "unknown engine 'spark': --engine takes local or ray"),
        ("recommend u1 --repeats never", "unknown repeats 'never': --repeats takes include or exclude"),
        ("evaluate --worth full", "unknown worth 'full': --worth takes quick"),
        ("recommend u1 -k 0", "'-k'"),
        ("recommend", "Missing argument 'USER'"),
        ("recommend u1 --feedback f", "--feedback is for a stream, and daily is none: add --scenario fm"),
        ("recommend u1 --explian", "No such option: --explian"),
        ("explore song:1", "No such command 'explore'"),
        ("path song:1 song:2 --max-hops 99", "'--max-hops'"),
    ],
)
def test_a_wrong_option_is_named(fails: Fails, tmp_path: Path, command: str, says: str) -> None:
    with_models(tmp_path)
    assert says in fails(*command.split())


def test_a_step_not_yet_run(fails: Fails, tmp_path: Path) -> None:
    configure(tmp_path, URL)
    assert "the step refit has not been run" in fails("recommend", "u1")
    assert "run `kg-recall etl` first" in fails("graph")
    assert "run `kg-recall graph` first" in fails("cypher", "RETURN 1")
    with_graph(tmp_path)
    assert "the step embed has not been run" in fails("train")
    assert "run `kg-recall run` first" in fails("batch", "--out", "x.parquet")


def test_another_source(fails: Fails, tmp_path: Path) -> None:
    with_models(tmp_path)
    configure(tmp_path, '[source]\nurl = "sqlite:///other.db"\n')
    for command in (["run"], ["recommend", "u1"], ["cypher", "RETURN 1"]):
        assert "was made from sqlite:///music.db, but [source] url now says sqlite:///other.db" in fails(*command)


def test_locked_by_another_run(fails: Fails, tmp_path: Path) -> None:
    context = with_models(tmp_path)
    with Workspace(context.workspace.folder).writing(context.settings.source_url()):
        assert f"is locked by another run (process {os.getpid()})" in fails("run")
        assert "is locked by another run" in fails("cypher", "CREATE (n:Song {key: 'song:x'})", "--write")
        assert invoke(["cypher", "RETURN 1 AS one", "--json"]) == 0  # asking goes on


def test_wrong_queries_and_keys(fails: Fails, tmp_path: Path) -> None:
    with_graph(tmp_path)
    fails("cypher", "MATCH (s:Song RETURN s")
    fails("cypher", "MATCH (s:Sogn) RETURN s")
    assert "give one of them" in fails("cypher", "RETURN 1", "--json", "--csv")
    assert "no entity 'song:9'" in fails("path", "song:9", "song:1")
    assert "did you mean artist:a?" in fails("path", "Ana", "song:1")


def test_a_disk_that_fills_up(fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = with_graph(tmp_path)
    record = context.require("graph")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("graph.projection.Projection.save", full)
    (tmp_path / "kg-recall-workspace" / "edits.jsonl").write_text('{"cypher": "MATCH (s:Song) SET s.name = s.name"}\n')
    assert "disk full while writing" in fails("graph")
    assert context.require("graph") == record


def test_a_defect_is_one_line_and_its_traceback_is_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_graph(tmp_path)
    monkeypatch.setenv("MUSIC_PASSWORD", "top-secret-word")

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero\nwith top-secret-word")

    from kg_recall.errors import SECRETS

    SECRETS.add("top-secret-word")
    monkeypatch.setattr("graph.connections.connections", broken)
    assert invoke(["path", "song:1", "song:2", "-c", str(tmp_path / "kg-recall.toml")]) == 1
    told = capfd.readouterr().err
    log = tmp_path / "kg-recall-workspace" / "logs" / "kg-recall.log"
    assert told.count("\n") == 1
    assert "a defect of kg-recall, ZeroDivisionError: division by zero" in told
    assert str(log) in told
    assert "Traceback" in log.read_text()
    assert "top-secret-word" not in told + log.read_text()


def test_an_interrupt_is_not_a_defect(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with_graph(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graph.connections.connections", interrupted)
    assert invoke(["path", "song:1", "song:2", "-c", str(tmp_path / "kg-recall.toml")]) == 130
    assert capfd.readouterr().err.count("\n") == 1


def test_the_real_command_says_one_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "kg_recall", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "kg-recall: no config at kg-recall.toml: write one with at least [source] url, or name another with -c FILE\n"
