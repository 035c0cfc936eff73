"""A small graph with every shape that the stores' tests ask about, and questions that both stores must answer alike."""

import polars as pl

from etl.catalogue import Catalogue

FACT_SCHEMA = {
    "head": pl.String,
    "relation": pl.String,
    "tail": pl.String,
    "source": pl.String,
    "confidence": pl.Float32,
    "valid_from": pl.Int64,
}

ENTITIES = pl.DataFrame(
    [
        ("song:1", "song", "夜航星"),
        ("song:2", "song", "type(r) of love"),
        ("song:3", "song", "It's [*1..2] // not a comment"),
        ("album:1", "album", "原声带"),
        ("artist:1", "artist", "Ana"),
        ("artist:2", "artist", "周深"),
        ("drama:1", "drama", "吞噬星空"),
        ("show:1", "show", "Singers"),
        ("season:1/1", "season", "Singers 1"),
        ("season:1/2", "season", "Singers 2"),
        ("label:x", "label", "X Records"),
    ],
    schema=["key", "kind", "name"],
    orient="row",
)

FACTS = pl.DataFrame(
    [
        ("song:1", "SUNG_BY", "artist:1", "catalogue", 1.0, None),
        ("song:2", "SUNG_BY", "artist:2", "catalogue", 0.8, None),
        ("song:2", "SUNG_BY", "artist:1", "catalogue", 0.8, None),
        ("song:3", "SUNG_BY", "artist:2", "catalogue", 1.0, None),
        ("song:1", "SOUNDTRACK_OF", "drama:1", "catalogue", 1.0, 1_600_000_000),
        ("song:3", "IN_ALBUM", "album:1", "catalogue", 1.0, None),
        ("album:1", "SOUNDTRACK_OF", "drama:1", "catalogue", 1.0, None),
        ("artist:1", "COMPETED_IN", "season:1/1", "shows", 1.0, 1_500_000_000),
        ("artist:2", "COMPETED_IN", "season:1/2", "shows", 1.0, 1_550_000_000),
        ("artist:2", "COMPETED_IN", "season:1/1", "shows", 1.0, 1_500_000_000),
        ("season:1/1", "SEASON_OF", "show:1", "shows", 1.0, None),
        ("season:1/2", "SEASON_OF", "show:1", "shows", 1.0, None),
        ("album:1", "ISSUED_BY", "label:x", "triples", 0.5, None),
    ],
    schema=FACT_SCHEMA,
    orient="row",
)

SONGS = pl.DataFrame({"song_id": ["1", "2", "3"]})
CATALOGUE = Catalogue(ENTITIES, SONGS, pl.DataFrame({"user_id": []}, schema={"user_id": pl.String}))

QUESTIONS = (
    "MATCH (a)-[r]->(b) RETURN type(r), count(*) ORDER BY type(r)",
    "MATCH (n) RETURN labels(n)[0] AS label, count(*) AS n ORDER BY label",
    "MATCH (n) WHERE n.key = 'song:1' RETURN n, labels(n), properties(n)",
    "MATCH (s:Song)-[:SUNG_BY]->(a)<-[:SUNG_BY]-(t:Song) RETURN s.key, t.key ORDER BY s.key, t.key",
    "MATCH (s:Song {key: 'song:1'})-[*1..3]-(t:Song) RETURN t.key, count(*) AS walks ORDER BY t.key",
    "MATCH (s:Song {key: 'song:1'})-[:SUNG_BY]->(a), (b)<-[e:SUNG_BY*1..2]-(t) RETURN a.key, b.key, t.key ORDER BY a.key, b.key, t.key",
    "MATCH (s)-->(x)<--(t) WHERE s.key = 'song:1' RETURN * ORDER BY t.key",
    "MATCH p = shortestPath((s:Song {key: 'song:2'})-[*..5]-(t:Drama)) RETURN length(p), [n IN nodes(p) | labels(n)[0]] AS labels",
    "MATCH p = allShortestPaths((s:Song {key: 'song:1'})-[*..4]-(t:Song {key: 'song:3'})) "
    "RETURN [r IN relationships(p) WHERE r.confidence > 0.5 | type(r)] AS steps ORDER BY length(p)",
    "MATCH p = (s:Song {key: 'song:3'})-[:IN_ALBUM]->(a) RETURN p, length(p)",
    "MATCH (s:Song) WHERE s.name CONTAINS 'type(r)' RETURN s.name // [*1..2] and type(x) in a comment",
    'MATCH (s:Song) /* labels(n) */ WHERE s.name <> "[*1..2]" RETURN s.key AS `type(r)` ORDER BY s.key',
    "MATCH (s:Song) WHERE (s)-[:SUNG_BY]->()<-[:SUNG_BY]-() RETURN s.key ORDER BY s.key",
    "MATCH (a:Album) WHERE (a)<-[:IN_ALBUM]-()-[:IN_ALBUM]->() RETURN a.key",
    "MATCH (s:Song) WHERE NOT (s)-[:IN_ALBUM]->() RETURN s.key ORDER BY s.key",
    "MATCH (s:Song) WHERE EXISTS { (s)-[:SUNG_BY]->(:Artist {name: 'Ana'}) } RETURN s.key ORDER BY s.key",
    "MATCH (a:Artist) RETURN a.key, COUNT { (a)<-[:SUNG_BY]-()-[:SUNG_BY]->() } AS shared ORDER BY a.key",
    "MATCH (n) WHERE (n:Song OR n:Drama) AND NOT n:Album RETURN n.key ORDER BY n.key",
    "MATCH (s:Song) WITH s ORDER BY s.key DESC WITH collect(s.key) AS keys "
    "RETURN keys, keys[0], keys[-1], keys[0..2], head(keys), last(keys)",
    "MATCH (s:Song) WITH s.key AS k ORDER BY k DESC LIMIT 2 RETURN collect(k) AS last_two",
    "RETURN substring('hello', 1, 3), substring('hello', 2), split('a,b', ','), toString(1) + 'x', toLower('A'), [1, 2] + [3] AS l",
    "UNWIND [1, 2, 3] AS x WITH collect(x) AS l RETURN [x IN l WHERE x > 1 | x * 10] AS y, [x IN l WHERE x <> 2] AS z, size(l)",
    "MATCH (s:Song {key: 'song:1'})-[*0..1]-(x) RETURN DISTINCT x.key ORDER BY x.key",
    "OPTIONAL MATCH (s:Song {key: 'nothing'})-[:SUNG_BY]->(a)<-[:SUNG_BY]-(t) RETURN s.key, a.key",
    "MATCH (s:Song) OPTIONAL MATCH (s)-[:IN_ALBUM]->(al) RETURN s.key, al.name ORDER BY al.name, s.key",
    "MATCH (a:Artist)-[r:COMPETED_IN]->(s) WHERE r.valid_from < 1540000000 "
    "RETURN startNode(r).key, endNode(r).name, properties(r) ORDER BY a.key",
    "MATCH ()-[r]->() RETURN sum(r.confidence) > 11, max(r.valid_from), avg(1), count(r.valid_from)",
    "MATCH (s:Song) RETURN CASE WHEN s.key = 'song:1' THEN 'one' ELSE 'other' END AS c, count(*) ORDER BY c",
    "MATCH (s:Song) WHERE s.name =~ '.*星' RETURN s.key UNION MATCH (s:Drama) RETURN s.key",
    "MATCH (x)-[r:ISSUED_BY|SOUNDTRACK_OF]->(y) RETURN x.key, type(r), y.key ORDER BY x.key, y.key",
    "MATCH (s:Song) RETURN {key: s.key, album: 'x:Y'} AS m, s.key IN ['song:1'] AS is_first ORDER BY s.key",
)
"""Texts that must give the same columns and rows on both stores."""
