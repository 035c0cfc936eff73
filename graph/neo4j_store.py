"""The graph store behind a Neo4j server, over Bolt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import neo4j
import polars as pl
from neo4j.exceptions import AuthError, DriverError, Neo4jError, ServiceUnavailable
from neo4j.graph import Node, Path, Relationship

from etl.errors import UserError
from graph.ontology import LABELS, label_of, relation_name
from graph.store import EDGE_SCHEMA, QueryResult, checked_facts
from graph.tokens import tokenize, writes

_ADDRESS: Final = re.compile(r"(bolt|neo4j)(\+s|\+ssc)?://[^@\s/]+/?")

_BATCH: Final = 10_000
"""Rows of one transaction."""

_RECORDS: Final = 64
"""Records that a read of many rows comes in."""

_NODES: Final = "UNWIND $rows AS row CREATE (:`{0}` {{key: row[0], name: row[1], kind: row[2]}})"
_FACTS: Final = """
UNWIND $rows AS row
MATCH (a:`{1}` {{key: row[0]}}), (b:`{2}` {{key: row[1]}})
CREATE (a)-[:`{0}` {{source: row[2], confidence: row[3], valid_from: row[4]}}]->(b)
"""


class Neo4jStore:
    """Graph store in one database of a Neo4j server. The database may hold only this graph."""

    def __init__(self, uri: str, *, user: str = "neo4j", password: str | None = None, database: str = "neo4j") -> None:
        if not _ADDRESS.fullmatch(uri):
            # The text is not repeated: it may hold a password.
            raise UserError(
                "the `uri` in [graph] is no address of a Neo4j server: set it without user and password, for example bolt://localhost:7687"
            )
        self._uri, self._database = uri, database
        self._driver = neo4j.GraphDatabase.driver(
            uri, auth=(user, password) if password is not None else None, notifications_min_severity="OFF", user_agent="kg-recall"
        )
        try:
            with self._driver.session(database=database) as session:
                session.run("RETURN 1").consume()
        except (DriverError, Neo4jError, ValueError) as error:
            self._driver.close()
            raise _refused(uri, user, database, error) from None

    def load(self, entities: pl.DataFrame, triples: pl.DataFrame) -> None:
        """Replace the content, in batches of one transaction each."""
        facts = checked_facts(entities, triples)
        with self._driver.session(database=self._database) as session:
            self._check_ours(session)
            session.run(f"MATCH (n) WHERE n.key IS NOT NULL CALL {{ WITH n DETACH DELETE n }} IN TRANSACTIONS OF {_BATCH} ROWS").consume()
            for label in LABELS:
                session.run(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:`{label}`) REQUIRE n.key IS UNIQUE").consume()
            session.run("CALL db.awaitIndexes(300)").consume()
            for text, frame in _batches(entities, facts):
                session.execute_write(_write_rows, text, frame.rows())

    def query(self, text: str, parameters: dict[str, Any] | None = None, *, write: bool = False) -> QueryResult:
        """Answer one query as it stands."""
        tokens = tokenize(text)
        if not tokens:
            raise UserError("the query is empty: write one, for example MATCH (n) RETURN n.key LIMIT 5")
        if writes(tokens) and not write:
            raise UserError("the query changes the graph: give --write to allow that")
        access = neo4j.WRITE_ACCESS if write else neo4j.READ_ACCESS
        try:
            with self._driver.session(database=self._database, default_access_mode=access) as session:
                # An implicit transaction: the only one in which CALL {} IN TRANSACTIONS may run.
                result = session.run(text, parameters or {})
                return QueryResult(list(result.keys()), [tuple(plain(value) for value in record.values()) for record in result])
        except (Neo4jError, DriverError) as error:
            raise _query_error(error) from None

    def nodes(self) -> pl.DataFrame:
        """Every node that has a key: `key, name`.

        Raises:
            UserError: a key or a name is no text.
        """
        self._check_types(
            "MATCH (n) WHERE NOT n.key IS :: STRING OR NOT n.name IS :: STRING RETURN labels(n)[0], n.key, n.name", "key and name texts"
        )
        rows = self._rows("MATCH (n) WHERE n.key IS NOT NULL", "n.key, n.name")
        return pl.DataFrame(rows, {"key": pl.String, "name": pl.String}, orient="row").sort("key", "name")

    def edges(self) -> pl.DataFrame:
        """Every edge between nodes that have keys: `head, relation, tail, valid_from, confidence`.

        Raises:
            UserError: a `valid_from` is no whole number or a `confidence` no number.
        """
        self._check_types(
            "MATCH (a)-[r]->(b) WHERE NOT r.valid_from IS :: INTEGER OR NOT (r.confidence IS :: FLOAT OR r.confidence IS :: INTEGER) "
            "RETURN a.key, type(r), b.key, r.valid_from, r.confidence",
            "valid_from whole Unix seconds and confidence a number",
        )
        parts = [pl.DataFrame(schema=EDGE_SCHEMA)]
        for (relation,) in self._read("CALL db.relationshipTypes()"):
            name = str(relation).replace("`", "``")
            match = f"MATCH (a)-[r:`{name}`]->(b) WHERE a.key IS NOT NULL AND b.key IS NOT NULL"
            rows = self._rows(match, "a.key, type(r), b.key, r.valid_from, toFloat(r.confidence)")
            parts.append(pl.DataFrame(rows, EDGE_SCHEMA, orient="row"))
        return pl.concat(parts).sort(list(EDGE_SCHEMA), nulls_last=False)

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def _rows(self, match: str, values: str) -> list[list[Any]]:
        """Rows of `values`, in no order.

        They come in few large records: the driver takes 30 times as long for one record a row. Which row comes in which does not matter.
        """
        records = self._read(f"{match} WITH toInteger(rand() * {_RECORDS}) AS record, collect([{values}]) AS rows RETURN rows")
        return list(chain.from_iterable(rows for (rows,) in records))

    def _check_types(self, wrong: str, wanted: str) -> None:
        """Raise where the query `wrong` finds a row."""
        for row in self._read(f"{wrong} LIMIT 1"):
            raise UserError(f"the graph has a value of the wrong type in {row}: make {wanted} with `kg-recall cypher --write`")

    def _read(self, text: str) -> list[list[Any]]:
        try:
            with self._driver.session(database=self._database, default_access_mode=neo4j.READ_ACCESS) as session:
                return session.run(text).values()
        except (Neo4jError, DriverError) as error:
            raise _query_error(error) from None

    def _check_ours(self, session: neo4j.Session) -> None:
        record = session.run("MATCH (n) WHERE n.key IS NULL RETURN count(n)").single()
        foreign = record[0] if record else 0
        if foreign:
            raise UserError(
                f"the database {self._database} at {self._uri} holds {foreign} nodes of something else: set `database` to an empty one"
            )


def plain(value: Any) -> Any:
    """A value as JSON has it: nodes and relationships as dicts, a path as the list of both in turn; maps without unset values."""
    if isinstance(value, Node | Relationship):
        told = {"label": ":".join(sorted(value.labels))} if isinstance(value, Node) else {"type": value.type}
        return told | {name: plain(item) for name, item in sorted(value.items())}
    if isinstance(value, Path):
        nodes, edges = [plain(node) for node in value.nodes], [plain(edge) for edge in value.relationships]
        return [part for pair in zip(nodes, edges, strict=False) for part in pair] + nodes[-1:]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in sorted(value.items()) if item is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _batches(entities: pl.DataFrame, facts: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Query and rows of each batch: nodes by label, then edges by relation and labels."""
    labels = {kind: label_of(kind) for kind in entities["kind"].unique().to_list()}
    nodes = entities.select("key", "name", "kind", pl.col("kind").replace_strict(labels, return_dtype=pl.String).alias("label"))
    for (label,), frame in nodes.partition_by("label", as_dict=True, maintain_order=True).items():
        for batch in frame.select("key", "name", "kind").iter_slices(_BATCH):
            yield _NODES.format(label), batch
    edges = facts.with_columns(pl.col("head_kind", "tail_kind").replace_strict(labels, return_dtype=pl.String))
    for (relation, head, tail), frame in edges.partition_by(
        "relation", "head_kind", "tail_kind", as_dict=True, maintain_order=True
    ).items():
        for batch in frame.select("head", "tail", "source", "confidence", "valid_from").iter_slices(_BATCH):
            yield _FACTS.format(relation_name(str(relation)), head, tail), batch


def _write_rows(transaction: neo4j.ManagedTransaction, text: str, rows: list[tuple[Any, ...]]) -> None:
    transaction.run(text, rows=rows).consume()


def _query_error(error: Exception) -> UserError:
    message = getattr(error, "message", None) or str(error)
    return UserError(f"the graph refuses the query: {message.splitlines()[0].strip()}")


def _refused(uri: str, user: str, database: str, error: Exception) -> UserError:
    """The error of a server that does not let us in; the password is in no part of it."""
    if isinstance(error, AuthError):
        return UserError(f"Neo4j at {uri} refuses the user {user!r}: set `user` in [graph] and the password in KG_RECALL_NEO4J_PASSWORD")
    if isinstance(error, ServiceUnavailable):
        return UserError(f"no Neo4j server answers at {uri}: start it, or set `uri` in [graph]")
    line = (getattr(error, "message", None) or type(error).__name__).splitlines()[0]
    return UserError(f"Neo4j at {uri} does not open the database {database!r} ({line}): set `database` in [graph]")
