"""The small interface of a graph store, and which store a name means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl

from etl.errors import UserError


@dataclass(frozen=True)
class QueryResult:
    """The answer to one query; values are JSON-like (nodes and relationships are dicts, paths lists of both in turn)."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class GraphStore(Protocol):
    """A property graph that answers Cypher. Every node has `key, name, kind`, every edge `source, confidence, valid_from`."""

    def load(self, entities: pl.DataFrame, triples: pl.DataFrame) -> None:
        """Replace the whole content.

        `entities` has `key, kind, name`; `triples` has `head, relation, tail` (keys), `source`, `confidence` and `valid_from` (Unix
        seconds, null: always). Every label and relation of the ontology is declared, used or not.
        """
        ...

    def query(self, text: str, parameters: dict[str, Any] | None = None, *, write: bool = False) -> QueryResult:
        """Answer one Cypher query; only with `write` may it change the graph.

        Raises:
            UserError: the query is wrong, writes without leave, or asks for what this store cannot do; one line.
        """
        ...

    def nodes(self) -> pl.DataFrame:
        """Every node that has a key: `key, name`, sorted by key; a missing name is null."""
        ...

    def edges(self) -> pl.DataFrame:
        """Every edge between nodes with keys: `head, relation, tail, valid_from, confidence`, sorted so.

        Unset values are null and come first.
        """
        ...

    def close(self) -> None:
        """Give back files and connections."""
        ...


EDGE_SCHEMA: Final = {"head": pl.String, "relation": pl.String, "tail": pl.String, "valid_from": pl.Int64, "confidence": pl.Float64}
"""Columns of `GraphStore.edges`."""

STORES: Final = ("ladybug", "neo4j")
"""The kinds of store."""


def open_store(
    kind: str,
    *,
    path: Path | None = None,
    uri: str | None = None,
    user: str = "neo4j",
    password: str | None = None,
    database: str = "neo4j",
) -> GraphStore:
    """The store of a kind: `ladybug` lives in the file `path`, `neo4j` behind the Bolt address `uri`.

    Raises:
        UserError: the kind is unknown, its address is missing, or the server refuses.
    """
    if kind == "ladybug":
        from graph.ladybug import LadybugStore

        if path is None:
            raise ValueError("the store ladybug needs a path")
        return LadybugStore(path)
    if kind == "neo4j":
        from graph.neo4j_store import Neo4jStore

        if not uri:
            raise UserError('no address of the Neo4j server: set `uri` in [graph], for example uri = "bolt://localhost:7687"')
        return Neo4jStore(uri, user=user, password=password, database=database)
    raise UserError(f"unknown graph store {kind!r}: set `store` in [graph] to one of {', '.join(STORES)}")


def checked_facts(entities: pl.DataFrame, triples: pl.DataFrame) -> pl.DataFrame:
    """`triples` with `head_kind` and `tail_kind`, for a store that loads by label, and `confidence` in the shortest digits that tell it.

    Raises:
        ValueError: a head or tail is no entity.
    """
    kinds = entities.select("key", "kind")
    facts = triples.join(kinds.rename({"key": "head", "kind": "head_kind"}), on="head", how="left", maintain_order="left")
    facts = facts.join(kinds.rename({"key": "tail", "kind": "tail_kind"}), on="tail", how="left", maintain_order="left")
    dangling = facts.filter(pl.col("head_kind").is_null() | pl.col("tail_kind").is_null())
    if dangling.height:
        raise ValueError(f"{dangling.height} facts name keys that are no entities, the first is {dangling.row(0)[:3]}")
    if facts.schema["confidence"] == pl.Float32:
        # 0.8 in single precision is 0.800000011920929 in double: people should read 0.8.
        facts = facts.with_columns(pl.col("confidence").cast(pl.String).cast(pl.Float64))
    return facts
