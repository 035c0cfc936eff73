import json
import shutil
from pathlib import Path

import pytest
from fake_steps import context_at
from tiny_workspace import with_graph

from etl.errors import UserError
from graph.projection import Projection
from kg_recall.cli import invoke
from kg_recall.context import Context
from kg_recall.edits import read_edits, write_edits
from kg_recall.graph_step import opened_store
from kg_recall.journalled_store import JournalledStore
from kg_recall.runner import run_step
from kg_recall.steps import STEP

ADD = "MATCH (s:Song {key: 'song:3'}), (d:Drama {key: 'drama:d'}) CREATE (s)-[:SOUNDTRACK_OF]->(d)"
REMOVE = "MATCH (s:Song {key: 'song:1'})-[r:SOUNDTRACK_OF]->() DELETE r"


def facts(projection: Projection) -> set[tuple[str, str, str]]:
    found = projection.facts
    heads, tails = projection.keys[found.head], projection.keys[found.tail]
    return {(head, projection.relations[code], tail) for head, code, tail in zip(heads, found.relation, tails, strict=True)}


def write(folder: Path, *queries: str) -> None:
    for query in queries:
        assert invoke(["cypher", query, "--write", "-c", str(folder / "kg-recall.toml")]) == 0


def rebuilt(context: Context) -> str:
    with context.workspace.writing(context.settings.source_url()):
        return run_step(context, STEP["graph"]).did


def test_an_edit_counts_in_the_next_run_without_loading_the_store_again(tmp_path: Path) -> None:
    context = with_graph(tmp_path)
    before = facts(context.projection())
    write(tmp_path, ADD, REMOVE)
    assert facts(context.projection()) == before  # until the next run
    store = tmp_path / "kg-recall-workspace" / "graph" / "store" / "graph.lbug"
    untouched = store.stat().st_ino
    assert rebuilt(context) == "done"
    changed = before - {("song:1", "SOUNDTRACK_OF", "drama:d")} | {("song:3", "SOUNDTRACK_OF", "drama:d")}
    assert facts(context.projection()) == changed
    assert store.stat().st_ino == untouched
    assert rebuilt(context) == "up to date"


@pytest.mark.parametrize("lost", ["graph", "graph/store", "graph/projection", "graph/loaded.json"])
def test_edits_outlive_a_deleted_graph(tmp_path: Path, lost: str) -> None:
    context = with_graph(tmp_path)
    write(tmp_path, ADD)
    rebuilt(context)
    content = context.require("graph").content
    path = tmp_path / "kg-recall-workspace" / lost
    path.unlink() if path.is_file() else shutil.rmtree(path)
    assert rebuilt(context) == "done"
    assert context.require("graph").content == content
    assert ("song:3", "SOUNDTRACK_OF", "drama:d") in facts(context.projection())


def test_edits_are_made_again_when_the_lake_changes(tmp_path: Path) -> None:
    context = with_graph(tmp_path)
    write(tmp_path, ADD)
    workspace = context.workspace
    with workspace.writing(context.settings.source_url()):
        etl = STEP["etl"]
        with workspace.publish("etl", "newer", {}, etl.outputs, etl.hashed) as draft:
            shutil.copytree(workspace.path("lake"), draft / "lake")
            (draft / "lake" / "more.txt").write_text("changed")
    assert rebuilt(context) == "done"
    assert ("song:3", "SOUNDTRACK_OF", "drama:d") in facts(context.projection())


def test_a_process_killed_before_the_change_is_made_leaves_it_to_the_next_run(tmp_path: Path) -> None:
    context = with_graph(tmp_path)
    write_edits(context.workspace, [ADD])  # what the store does first
    assert rebuilt(context) == "done"
    assert ("song:3", "SOUNDTRACK_OF", "drama:d") in facts(context.projection())


def test_a_refused_change_is_not_noted(tmp_path: Path) -> None:
    context = with_graph(tmp_path)
    with opened_store(context) as store, pytest.raises(UserError):
        JournalledStore(store, context.workspace).query("MATCH (s:Song) SET s.key = ", write=True)
    assert read_edits(context.workspace) == []
    assert rebuilt(context) == "up to date"


def test_an_edit_that_no_longer_works_is_named(tmp_path: Path) -> None:
    context = with_graph(tmp_path)
    write(tmp_path, ADD)
    before = facts(context.projection())
    journal = tmp_path / "kg-recall-workspace" / "edits.jsonl"
    journal.write_text(journal.read_text() + json.dumps({"cypher": "MATCH (n:Sogn) DELETE n"}) + "\n")
    with pytest.raises(UserError, match=r"edit 2 of .*edits\.jsonl no longer works: .*; correct that line"):
        rebuilt(context)
    assert facts(context.projection()) == before


def test_changes_need_leave_and_reading_does_not_touch_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = with_graph(tmp_path)
    assert invoke(["cypher", ADD, "-c", str(tmp_path / "kg-recall.toml")]) == 2
    assert "--write" in capsys.readouterr().err
    write(tmp_path, "MATCH (n:Song) RETURN count(n) AS n")
    assert read_edits(context.workspace) == []


def test_another_store_is_loaded_before_it_is_asked(tmp_path: Path) -> None:
    with_graph(tmp_path)
    other = context_at(tmp_path, 'graph.store = "neo4j"')
    with pytest.raises(UserError, match="names another store than the one that was loaded"), opened_store(other):
        pass
