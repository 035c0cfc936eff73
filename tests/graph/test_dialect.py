import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import UserError
from graph.dialect import adapt
from graph.tokens import columns, render, tokenize, writes


def adapted(text: str) -> str:
    return adapt(text).text


@pytest.mark.parametrize(
    "text",
    [
        "RETURN 'type(r) [*1..2] shortestPath((a)--(b))'",
        'RETURN "labels(n)[0] // REMOVE a.b"',
        "MATCH (n) RETURN n.key // type(r) and [*1..3]\nORDER BY n.key",
        "MATCH (n) /* type(r); labels(n)[0] */ RETURN n.type",
        "RETURN 1 AS `type(r)`",
        "MATCH (`type(x)`:Song) RETURN `type(x)`.key",
        'RETURN \'it\\\'s type(r)\' AS a, "say \\"type(r)\\"" AS b',
        "MATCH (type:Song) WHERE type.key = 'x' RETURN type",
        "MATCH (a:Song)-[* TRAIL 1..2]->(b) RETURN list_transform([1, 2], x -> x + 1)",
        "RETURN {order: 1, match: 2, type: 'A'} AS m",
        "MATCH (a:Song) WHERE (a)-[:SUNG_BY]->(:Artist) RETURN a.key ORDER BY a.key SKIP 1 LIMIT 2",
    ],
)
def test_what_needs_no_change_stays_as_it_is(text: str) -> None:
    assert adapted(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MATCH ()-[r]->() RETURN type(r)", "MATCH ()-[r]->() RETURN label(r)"),
        ("MATCH ()-[r]->() RETURN TYPE( r )", "MATCH ()-[r]->() RETURN label( r )"),
        ("MATCH (n) RETURN labels(n)[0]", "MATCH (n) RETURN [label(n)][1]"),
        ("MATCH (a)-[:X*1..3]-(b) RETURN b", "MATCH (a)-[:X* TRAIL 1..3]-(b) RETURN b"),
        ("MATCH (a)-[*2]-(b) RETURN b", "MATCH (a)-[* TRAIL 2..2]-(b) RETURN b"),
        ("MATCH (a)-[*..3 {source: 'x'}]-(b) RETURN b", "MATCH (a)-[* TRAIL 1..3 {source: 'x'}]-(b) RETURN b"),
        ("MATCH p = shortestPath((a)-[*..4]-(b)) RETURN p", "MATCH p = (a)-[* SHORTEST 1..4]-(b) RETURN p"),
        ("MATCH p=allShortestPaths((a)-[:X*]->(b)) RETURN p", "MATCH p=(a)-[:X* ALL SHORTEST 1..30]->(b) RETURN p"),
        ("MATCH (n) WHERE n:Song RETURN n", "MATCH (n) WHERE label(n) IN ['Song'] RETURN n"),
        ("MATCH (n) WHERE (n:Song|Artist) RETURN n", "MATCH (n) WHERE (label(n) IN ['Song', 'Artist']) RETURN n"),
        ("MATCH (a) REMOVE a.x, a.y", "MATCH (a) SET a.x = NULL, a.y = NULL"),
        ("RETURN [x IN [1] WHERE x > 0 | x]", "RETURN list_transform(list_filter([1], x -> (x > 0)), x -> (x))"),
        ("WITH [1] AS l RETURN l[0..2], l[-1]", "WITH [1] AS l RETURN l[1:2], l[-1]"),
        ("MATCH (a) WHERE EXISTS { (a)-->(b) } RETURN a", "MATCH (a) WHERE EXISTS { MATCH  (a)-->(b) } RETURN a"),
    ],
)
def test_the_same_in_the_words_of_the_embedded_store(text: str, expected: str) -> None:
    assert adapted(text) == expected


def test_relationships_of_one_match_are_told_apart() -> None:
    text = adapted("MATCH (a)-[:X]->(b)<-[:X]-(c) WHERE a.key = 1 OR c.key = 2 RETURN a")
    assert "WHERE id(`_added4`) <> id(`_added14`) AND ( a.key = 1 OR c.key = 2)" in text.replace("  ", " ")


def test_relationships_of_different_types_or_matches_need_no_condition() -> None:
    for text in ("MATCH (a)-[:X]->(b)<-[:Y]-(c) RETURN a", "MATCH (a)-[:X]->(b) MATCH (b)<-[:X]-(c) RETURN a"):
        assert adapted(text) == text


def test_columns_are_named_as_they_were_written() -> None:
    text = "MATCH (n)-[r]->() RETURN DISTINCT type(r),  count( * ) AS `how many`, n.key ORDER BY n.key"
    assert adapt(text).columns == ["type(r)", "how many", "n.key"]
    assert adapt("MATCH (n) RETURN *").columns is None
    assert columns(tokenize("UNWIND [1] AS x RETURN x, [x, 2] UNION RETURN 1, 2")) == ["x", "[x, 2]"]


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("CALL { MATCH (n) RETURN n } RETURN n", "CALL {}"),
        ("MATCH (x) CALL (x) { RETURN 1 AS y } RETURN y", "CALL {}"),
        ("CALL db.labels()", "procedure db.labels"),
        ("RETURN apoc.text.join(['a'], 'b')", "plug-ins"),
        ("RETURN reduce(s = 0, x IN [1] | s + x)", "reduce()"),
        ("MATCH (n) RETURN elementId(n)", "elementId()"),
        ("RETURN datetime()", "datetime()"),
        ("MATCH (n) RETURN n {.key}", "map projections"),
        ("MATCH (a)-[:X]->{1,2}(b) RETURN a", "quantified"),
        ("MATCH ((a)-[:X]->(b)){1,2} RETURN a", "quantified"),
        ("MATCH (a:Song:Artist) RETURN a", "several labels"),
        ("MATCH (a:!Song) RETURN a", "several labels"),
        ("MATCH (a) WHERE a:Song:Artist RETURN a", "several labels"),
        ("MATCH (a:Song WHERE a.key = 'x') RETURN a", "WHERE inside a node"),
        ("MATCH (a)-[r:X WHERE r.confidence > 0]->() RETURN a", "WHERE inside a relationship"),
        ("MATCH (a)-[*]->(b) RETURN a", "longer than 30 hops"),
        ("MATCH (a)-[*2..40]->(b) RETURN a", "longer than 30 hops"),
        ("MATCH p = shortestPath((a)-[*0..3]-(b)) RETURN p", "no hop"),
        ("MATCH p = SHORTEST 1 (a)-[:X*]-(b) RETURN p", "SHORTEST"),
        ("MATCH (a) RETURN [(a)-[:X]->(b) | b.key]", "pattern comprehensions"),
        ("MATCH (a) SET a += {x: 1}", "+="),
        ("MATCH (a) SET a:Song", "label"),
        ("FOREACH (x IN [1] | CREATE (:Song))", "FOREACH"),
        ("MATCH (a) WHERE EXISTS { MATCH (a)-->(b) RETURN b } RETURN a", "RETURN"),
        ("MATCH (a) RETURN a['key']", "computed name"),
        ("WITH [1] AS l RETURN l[-2..]", "slices"),
    ],
)
def test_what_cannot_be_had_is_named_with_its_alternative(text: str, construct: str) -> None:
    with pytest.raises(UserError) as caught:
        adapt(text)
    assert construct in str(caught.value)
    assert ": " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["MATCH (n RETURN n", "RETURN 'a", "RETURN (1]", "MATCH (a) RETURN a; MATCH (b) RETURN b", "", "COMMIT", "DROP TABLE Song"]
)
def test_broken_texts_are_a_users_mistake(text: str) -> None:
    with pytest.raises(UserError):
        adapt(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MATCH (n) RETURN n.set, n.create", False),
        ("MATCH (n) WHERE n.name = 'SET x DELETE y' RETURN n", False),
        ("MATCH (set:Song) RETURN {set: 1}", False),
        ("MATCH (n) SET n.x = 1", True),
        ("MATCH (n) detach delete n", True),
        ("MERGE (n:Song {key: 'x'}) ON CREATE SET n.name = 'y'", True),
        ("MATCH (n) REMOVE n.x", True),
        ("CREATE INDEX FOR (n:Song) ON (n.name)", True),
    ],
)
def test_a_query_that_writes_is_known(text: str, expected: bool) -> None:
    assert writes(tokenize(text)) is expected


@given(
    st.lists(
        st.sampled_from(["'a''", '"x\\""', "`b c`", "// c\n", "/* type( */", "type(", "$p", "1..3", "1.5", "->", "<>", " ", "中", "'", ")"])
    )
)
def test_tokens_render_to_their_text(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        tokens = tokenize(text)
    except UserError:
        return
    assert text.startswith(render(tokens))
