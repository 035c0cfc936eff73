"""The store on a real Neo4j server, beside the embedded one: the same answers and the same projection."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from known_graph import CATALOGUE, ENTITIES, FACT_SCHEMA, FACTS, QUESTIONS
from neo4j_server import PASSWORD, server_version

from etl.catalogue import Catalogue
from etl.errors import UserError
from graph.ladybug import LadybugStore
from graph.neo4j_store import Neo4jStore
from graph.projection import Projection
from graph.queries import ARTISTS_ACROSS_SEASONS, ARTISTS_OF_DRAMA
from graph.read_back import project
from graph.store import GraphStore, QueryResult, open_store


@pytest.fixture(scope="module")
def server(neo4j_uri: str) -> Iterator[GraphStore]:
    store = open_store("neo4j", uri=neo4j_uri, password=PASSWORD)
    yield store
    store.close()


@pytest.fixture
def both(server: GraphStore, tmp_path: Path) -> tuple[GraphStore, GraphStore]:
    embedded = LadybugStore(tmp_path / "graph.lbdb")
    for store in (server, embedded):
        store.load(ENTITIES, FACTS)
    return server, embedded


def assert_same(one: Projection, other: Projection) -> None:
    assert one.keys.tolist() == other.keys.tolist()
    assert one.names.tolist() == other.names.tolist()
    assert one.relations == other.relations
    for name in ("indptr", "step", "target", "valid_from", "confidence"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def in_order(answer: QueryResult, text: str) -> list[tuple[Any, ...]]:
    """Rows that can be compared: a text without ORDER BY promises no order, so its rows are sorted here."""
    return answer.rows if "ORDER BY" in text else sorted(answer.rows, key=repr)


def test_the_server_is_a_real_one(neo4j_uri: str) -> None:
    assert server_version(neo4j_uri).startswith("Neo4j Kernel 5.")


def test_same_text_same_answer(both: tuple[GraphStore, GraphStore]) -> None:
    for text in QUESTIONS:
        server, embedded = (store.query(text) for store in both)
        assert embedded.columns == server.columns, text
        assert in_order(embedded, text) == in_order(server, text), text


def test_the_talks_two_queries(both: tuple[GraphStore, GraphStore]) -> None:
    answers = [sorted(store.query(ARTISTS_OF_DRAMA, {"drama": "吞噬星空"}).rows) for store in both]
    assert answers[0] == answers[1]
    assert [row[2] for row in answers[0]] == ["Ana", "周深"]
    answers = [store.query(ARTISTS_ACROSS_SEASONS, {"show": "Singers"}).rows for store in both]
    assert answers[0] == answers[1] == [("Singers", "Singers 1", "Ana", "Singers 2", "周深")]


def test_edits_count_the_same(both: tuple[GraphStore, GraphStore]) -> None:
    edits = (
        "MATCH (a:Artist {key: 'artist:1'}), (d:Drama {key: 'drama:1'}) CREATE (a)-[:STARRED_IN]->(d)",
        "MATCH (s:Song {key: 'song:2'}) MERGE (s)-[r:HAS_MOOD]->(:Mood {key: 'mood:calm'}) SET r.confidence = 0.25, r.valid_from = 9",
        "MATCH (s:Song {key: 'song:3'})-[r:SUNG_BY]->() DELETE r",
        "MATCH (d:Drama) SET d.name = 'Swallowed Star'",
        "MATCH (a:Album) REMOVE a.name",
        "MATCH (s:Season {key: 'season:1/2'}) DETACH DELETE s",
    )
    for store in both:
        for text in edits:
            with pytest.raises(UserError, match="--write"):
                store.query(text)
            store.query(text, write=True)
    server, embedded = (project(store, CATALOGUE) for store in both)
    assert_same(server, embedded)
    assert server.keys[-1] == "mood:calm"
    assert "Swallowed Star" in server.names
    assert {"STARRED_IN", "HAS_MOOD"} <= set(server.relations)


KINDS = ("song", "album", "artist", "drama", "tag", "user", "label", "composer")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8)), key=KINDS.index)
    entities = [(f"{kind}:{place}'\\", kind, draw(st.text("aé夜'\"\\\n`", max_size=4))) for place, kind in enumerate(kinds)]
    key = st.sampled_from([entity[0] for entity in entities])
    relation = st.sampled_from(["SUNG_BY", "IN_ALBUM", "OTHER", "X_2"])
    valid_from = st.none() | st.integers(-(2**40), 2**40)
    confidence = st.sampled_from([0.1, 0.3, 0.7, 1.0, 1e-6])
    facts = draw(st.lists(st.tuples(key, relation, key, st.just("s"), confidence, valid_from), max_size=12))
    schema = {"key": pl.String, "kind": pl.String, "name": pl.String}
    return pl.DataFrame(entities, schema=schema, orient="row"), pl.DataFrame(facts, schema=FACT_SCHEMA, orient="row")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs())
def test_any_graph_has_one_projection(server: GraphStore, tmp_path: Path, graph: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    entities, facts = graph
    embedded = LadybugStore(tmp_path / "graph.lbdb")
    songs = entities.filter(pl.col("kind") == "song").select(song_id="key")
    catalogue = Catalogue(entities, songs, pl.DataFrame({"user_id": []}, schema={"user_id": pl.String}))
    for store in (server, embedded):
        store.load(entities, facts)
    assert_same(project(server, catalogue), project(embedded, catalogue))
    embedded.close()


def test_wrong_password_and_wrong_address(neo4j_uri: str) -> None:
    with pytest.raises(UserError, match="refuses the user 'neo4j'") as caught:
        Neo4jStore(neo4j_uri, password="secret-9876")
    assert "secret-9876" not in str(caught.value)
    with pytest.raises(UserError, match="no Neo4j server answers"):
        Neo4jStore("bolt://127.0.0.1:1", password="secret-9876")
    for address in ("http://localhost", "bolt://neo4j:secret-9876@localhost", "localhost:7687"):
        with pytest.raises(UserError, match="no address") as caught:
            Neo4jStore(address, password="secret-9876")
        assert "secret" not in str(caught.value)
    with pytest.raises(UserError, match="does not open the database 'other'"):
        Neo4jStore(neo4j_uri, password=PASSWORD, database="other")


def test_mistakes_are_one_line(both: tuple[GraphStore, GraphStore]) -> None:
    server, _ = both
    for text in ("MATCH (n RETURN n", "MATCH (n) RETRUN n", "RETURN nothing", "MATCH (n) RETURN $key", "", "CALL nothing.here()"):
        with pytest.raises(UserError) as caught:
            server.query(text)
        assert "\n" not in str(caught.value)


def test_the_server_itself_refuses_to_write_without_leave(both: tuple[GraphStore, GraphStore]) -> None:
    server, _ = both
    with pytest.raises(UserError):
        server.query("CALL db.createLabel('Sneaked')")
    assert server.query("MATCH (n) RETURN count(n)").rows == [(ENTITIES.height,)]


def test_a_database_with_something_else_is_left_alone(server: GraphStore) -> None:
    server.query("CREATE (:Stranger {id: 1})", write=True)
    try:
        with pytest.raises(UserError, match="something else"):
            server.load(ENTITIES, FACTS)
    finally:
        server.query("MATCH (n:Stranger) DELETE n", write=True)


def test_a_value_of_the_wrong_type_is_named(both: tuple[GraphStore, GraphStore]) -> None:
    server, _ = both
    server.query("MATCH (:Song {key: 'song:1'})-[r:SUNG_BY]->() SET r.confidence = 1", write=True)
    assert project(server, CATALOGUE).confidence.max() == 1.0
    for change in ("r.valid_from = 'yesterday'", "r.valid_from = 1.5", "r.confidence = 'sure'"):
        server.load(ENTITIES, FACTS)
        server.query(f"MATCH (:Song {{key: 'song:1'}})-[r:SUNG_BY]->() SET {change}", write=True)
        with pytest.raises(UserError, match=r"wrong type in .*song:1"):
            project(server, CATALOGUE)
    server.load(ENTITIES, FACTS)
    server.query("MATCH (n:Song {key: 'song:1'}) SET n.name = 7", write=True)
    with pytest.raises(UserError, match=r"wrong type in .*song:1"):
        project(server, CATALOGUE)
