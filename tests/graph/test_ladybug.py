from pathlib import Path

import polars as pl
import pytest
from known_graph import CATALOGUE, ENTITIES, FACTS, QUESTIONS

from etl.errors import UserError
from graph.ladybug import LadybugStore
from graph.ontology import LABELS, RELATIONS
from graph.queries import ARTISTS_ACROSS_SEASONS, ARTISTS_OF_DRAMA
from graph.read_back import project
from graph.store import open_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LadybugStore:
    store = LadybugStore(tmp_path_factory.mktemp("ladybug") / "graph.lbdb")
    store.load(ENTITIES, FACTS)
    return store


@pytest.fixture
def own(tmp_path: Path) -> LadybugStore:
    store = LadybugStore(tmp_path / "graph.lbdb")
    store.load(ENTITIES, FACTS)
    return store


def test_the_content_comes_back(store: LadybugStore) -> None:
    assert store.nodes().equals(ENTITIES.select("key", "name").sort("key"))
    columns = ["head", "relation", "tail", "valid_from"]
    assert store.edges().select(columns).equals(FACTS.select(columns).sort(columns, nulls_last=False))
    assert sorted(set(store.edges()["confidence"].to_list())) == [0.5, 0.8, 1.0]


@pytest.mark.parametrize("text", QUESTIONS)
def test_every_question_has_an_answer(store: LadybugStore, text: str) -> None:
    result = store.query(text)
    assert result.columns
    assert all(len(row) == len(result.columns) for row in result.rows)


def test_artists_of_one_drama_by_song_and_by_album(store: LadybugStore) -> None:
    for drama in ("drama:1", "吞噬星空"):
        rows = store.query(ARTISTS_OF_DRAMA, {"drama": drama}).rows
        assert sorted(rows) == [
            ("吞噬星空", "artist:1", "Ana", "夜航星"),
            ("吞噬星空", "artist:2", "周深", "It's [*1..2] // not a comment"),
        ]


def test_artists_of_different_seasons_of_one_show(store: LadybugStore) -> None:
    rows = store.query(ARTISTS_ACROSS_SEASONS, {"show": "show:1"}).rows
    assert rows == [("Singers", "Singers 1", "Ana", "Singers 2", "周深")]


def test_no_relationship_is_used_twice_in_one_match(store: LadybugStore) -> None:
    rows = store.query("MATCH (s:Song)-[:SUNG_BY]->(a)<-[:SUNG_BY]-(t:Song) WHERE s.key = t.key RETURN s.key").rows
    assert rows == []
    rows = store.query("MATCH (s:Song {key: 'song:3'})-[:IN_ALBUM*1..2]-(t) RETURN t.key").rows
    assert rows == [("album:1",)]


def test_order_before_an_aggregation_counts(store: LadybugStore) -> None:
    assert store.query("MATCH (s:Song) WITH s.key AS k ORDER BY k DESC LIMIT 2 RETURN collect(k)").rows == [(["song:3", "song:2"],)]


def test_all_labels_and_relations_of_the_ontology_may_be_asked_for(store: LadybugStore) -> None:
    for label in LABELS:
        assert store.query(f"MATCH (n:{label}) RETURN count(n)").columns == ["count(n)"]
    for relation in RELATIONS:
        assert store.query(f"MATCH ()-[r:{relation}]->() RETURN count(r)").rows[0][0] >= 0


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("MATCH (n:Sogn) RETURN n", "did you mean Song"),
        ("MATCH (n:song) RETURN n", "did you mean Song"),
        ("MATCH ()-[:SUNGBY]->() RETURN 1", "did you mean SUNG_BY"),
        ("MATCH (n) RETRUN n", "Parser exception"),
        ("MATCH (n:Song) RETURN n.nope", "nope"),
        ("MATCH (n) DELETE n", "--write"),
        ("MATCH (n {key: $key}) RETURN n", "$key"),
    ],
)
def test_mistakes_are_one_line(store: LadybugStore, text: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        store.query(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert store.query("MATCH (n:Song) RETURN count(n)").rows == [(3,)]


def test_values_are_parameters_and_never_text(store: LadybugStore) -> None:
    hostile = "x' OR 1=1 //"
    assert store.query("MATCH (n {name: $name}) RETURN n.key", {"name": hostile, "unused": 1}).rows == []


def test_curators_add_facts_that_the_projection_has(own: LadybugStore) -> None:
    text = "MATCH (a:Artist {key: 'artist:1'}), (d:Drama {key: 'drama:1'}) CREATE (a)-[:STARRED_IN]->(d)"
    with pytest.raises(UserError, match="--write"):
        own.query(text)
    own.query(text, write=True)
    own.query(
        "MATCH (s:Song {key: 'song:2'}) CREATE (s)-[:HAS_MOOD {confidence: 0.5, valid_from: 7}]->(:Mood {key: 'mood:calm'})", write=True
    )
    own.query("MATCH (s:Song {key: 'song:3'})-[r:SUNG_BY]->() DELETE r", write=True)
    own.close()
    projection = project(own, CATALOGUE)
    assert projection.keys[-1] == projection.names[-1] == "mood:calm"
    facts = {(projection.keys[h], projection.relations[r], projection.keys[t]): c for h, r, t, _, c in zip(*projection.facts, strict=True)}
    assert facts["artist:1", "STARRED_IN", "drama:1"] == 1.0
    assert facts["song:2", "HAS_MOOD", "mood:calm"] == 0.5
    assert ("song:3", "SUNG_BY", "artist:2") not in facts


def test_a_failed_write_changes_nothing(own: LadybugStore) -> None:
    with pytest.raises(UserError):
        own.query("MATCH (s:Song) SET s.name = 'x', s.nope = 1", write=True)
    with pytest.raises(UserError, match="labels"):
        own.query("MATCH (a {key: 'artist:1'}), (d:Drama) CREATE (a)-[:SOUNDTRACK_OF]->(d)", write=True)
    assert own.query("MATCH (s:Song {key: 'song:1'}) RETURN s.name").rows == [("夜航星",)]


def test_load_replaces_everything(own: LadybugStore) -> None:
    own.query("CREATE (:Artist {key: 'artist:9'})", write=True)
    own.load(ENTITIES.head(3), FACTS.clear())
    assert own.nodes()["key"].to_list() == ["song:1", "song:2", "song:3"]
    assert own.edges().height == 0
    assert [path.name for path in own.path.parent.iterdir()] == ["graph.lbdb"]


def test_facts_about_nothing_are_a_defect(own: LadybugStore) -> None:
    with pytest.raises(ValueError, match="no entities"):
        own.load(ENTITIES.head(3), FACTS)
    assert own.nodes().height == ENTITIES.height


def test_files_that_are_no_graph(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="kg-recall graph"):
        LadybugStore(tmp_path / "nothing").query("MATCH (n) RETURN n")
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 2000)
    with pytest.raises(UserError, match="not a graph"):
        LadybugStore(junk).nodes()


def test_open_store(tmp_path: Path) -> None:
    assert isinstance(open_store("ladybug", path=tmp_path / "g"), LadybugStore)
    with pytest.raises(UserError, match="ladybug, neo4j"):
        open_store("oracle")
    with pytest.raises(UserError, match="uri"):
        open_store("neo4j")


def test_nodes_without_facts(tmp_path: Path) -> None:
    store = LadybugStore(tmp_path / "g")
    store.load(ENTITIES, pl.DataFrame(schema=FACTS.schema))
    assert project(store, CATALOGUE).indptr[-1] == 0
