"""The step graph with a real Neo4j server: what it makes is what the embedded store makes, edits included."""

from pathlib import Path

import pytest
from neo4j_server import PASSWORD
from tiny_workspace import with_graph

from kg_recall.cli import invoke
from kg_recall.context import Context
from kg_recall.runner import run_step
from kg_recall.steps import STEP

ADD = "MATCH (s:Song {key: 'song:3'}), (d:Drama {key: 'drama:d'}) CREATE (s)-[:SOUNDTRACK_OF]->(d)"


def rebuilt(context: Context) -> str:
    with context.workspace.writing(context.settings.source_url()):
        return run_step(context, STEP["graph"]).did


def test_both_stores_make_the_same_artefact(neo4j_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KG_RECALL_NEO4J_PASSWORD", PASSWORD)
    contents = []
    for name, text in (("embedded", ""), ("server", f'graph.store = "neo4j"\ngraph.uri = "{neo4j_uri}"')):
        (tmp_path / name).mkdir()
        context = with_graph(tmp_path / name, text)
        assert rebuilt(context) == ("done" if name == "server" else "up to date")
        before = context.require("graph").content
        assert invoke(["cypher", ADD, "--write", "-c", str(tmp_path / name / "kg-recall.toml")]) == 0
        assert rebuilt(context) == "done"
        contents.append((before, context.require("graph").content))
        assert rebuilt(context) == "up to date"
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[0][1]
    kept = [path for path in (tmp_path / "server").rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert kept == []
