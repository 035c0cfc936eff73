"""The embedded graph store: LadybugDB, one file in the workspace."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import ladybug
import polars as pl

from etl.errors import UserError
from graph.dialect import Adapted, adapt
from graph.ladybug_schema import declare_ontology, declare_written
from graph.ladybug_values import opening_error, plain, query_error, visible
from graph.ontology import label_of
from graph.patterns import chains
from graph.store import EDGE_SCHEMA, QueryResult, checked_facts
from graph.tokens import Token, tokenize, writes

_EDGES: Final = (
    "MATCH (a)-[r:`{0}`]->(b) "
    "RETURN a.key AS head, '{0}' AS relation, b.key AS tail, r.valid_from AS valid_from, r.confidence AS confidence"
)


class LadybugStore:
    """Graph store in the file `path`. It is opened at the first use, for reading only until something is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: Any = None
        self._connection: Any = None
        self._writable = False

    def load(self, entities: pl.DataFrame, triples: pl.DataFrame) -> None:
        """Replace the content: the new file is written beside the old one and takes its place when it is complete."""
        self.close()
        facts = checked_facts(entities, triples)
        fresh = LadybugStore(self.path.with_name(self.path.name + ".new"))
        _remove(fresh.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh._open(write=True)
        try:
            declare_ontology(fresh._run, facts)
            fresh._copy(entities, facts)
            fresh._run("CHECKPOINT")
        finally:
            fresh.close()
        _remove(self.path, only_log=True)
        os.replace(fresh.path, self.path)

    def query(self, text: str, parameters: dict[str, Any] | None = None, *, write: bool = False) -> QueryResult:
        """Answer one query, adapted to LadybugDB (`graph.dialect`)."""
        adapted = adapt(text)
        tokens = tokenize(text)
        changes = writes(tokens)
        if changes and not write:
            raise UserError("the query changes the graph: give --write to allow that")
        self._open(write=changes)
        if changes:
            self._declare_written(tokens)
        self._check_names(tokens)
        given = _used_parameters(tokenize(adapted.text), parameters or {})
        return self._answer(adapted, given, read_only=not changes)

    def nodes(self) -> pl.DataFrame:
        """Every node: `key, name`."""
        self._open(write=False)
        frame: pl.DataFrame = self._run("MATCH (n) WHERE n.key IS NOT NULL RETURN n.key AS key, n.name AS name").get_as_pl()
        return frame.cast({"key": pl.String, "name": pl.String}).sort("key", "name")

    def edges(self) -> pl.DataFrame:
        """Every edge: `head, relation, tail, valid_from, confidence`."""
        self._open(write=False)
        parts = [pl.DataFrame(schema=EDGE_SCHEMA)]
        for relation in self._tables("REL"):
            parts.append(self._run(_EDGES.format(relation)).get_as_pl().cast(EDGE_SCHEMA))
        return pl.concat(parts).sort(list(EDGE_SCHEMA), nulls_last=False)

    def close(self) -> None:
        """Close the file; the store opens it again when it is used again."""
        if self._connection is not None:
            self._connection.close()
            self._database.close()
        self._connection = self._database = None

    def _open(self, *, write: bool) -> None:
        if self._connection is not None and (self._writable or not write):
            return
        self.close()
        if not write and not self.path.exists():
            raise UserError(f"there is no graph at {self.path}: run `kg-recall graph` first")
        try:
            self._database = ladybug.Database(str(self.path), read_only=not write)
            self._connection = ladybug.Connection(self._database)
        except RuntimeError as error:
            self._database = None
            raise opening_error(self.path, error) from None
        self._writable = write

    def _run(self, text: str, parameters: dict[str, Any] | None = None) -> Any:
        return self._connection.execute(text, parameters or {})

    def _tables(self, kind: str) -> list[str]:
        frame = self._run("CALL show_tables() RETURN name, type").get_as_pl()
        return sorted(frame.filter(pl.col("type") == kind)["name"].to_list()) if frame.height else []

    def _copy(self, entities: pl.DataFrame, facts: pl.DataFrame) -> None:
        """Load every label and every (relation, head label, tail label) by COPY from Arrow."""
        labels = {kind: label_of(kind) for kind in entities["kind"].unique().to_list()}
        nodes = entities.select("key", "name", "kind", pl.col("kind").replace_strict(labels, return_dtype=pl.String).alias("label"))
        for (label,), frame in nodes.partition_by("label", as_dict=True, maintain_order=True).items():
            self._run(f"COPY `{label}` FROM $rows", {"rows": frame.select("key", "name", "kind").to_arrow()})
        edges = facts.with_columns(pl.col("head_kind", "tail_kind").replace_strict(labels, return_dtype=pl.String))
        columns = [pl.col("head"), pl.col("tail"), pl.col("source"), pl.col("confidence"), pl.col("valid_from").cast(pl.Int64)]
        for (relation, head, tail), frame in edges.partition_by(
            "relation", "head_kind", "tail_kind", as_dict=True, maintain_order=True
        ).items():
            self._run(f"COPY `{relation}` FROM $rows (from='{head}', to='{tail}')", {"rows": frame.select(columns).to_arrow()})

    def _declare_written(self, tokens: list[Token]) -> None:
        try:
            declare_written(self._run, tokens)
        except RuntimeError as error:
            raise query_error(error) from None

    def _answer(self, adapted: Adapted, parameters: dict[str, Any], *, read_only: bool) -> QueryResult:
        self._run("BEGIN TRANSACTION READ ONLY" if read_only else "BEGIN TRANSACTION")
        try:
            result = self._run(adapted.text, parameters)
            columns = list(result.get_column_names())
            rows = [tuple(map(plain, row)) for row in result.get_all()]
        except RuntimeError as error:
            # A failed statement may have ended the transaction already.
            self._end("ROLLBACK")
            raise query_error(error) from None
        self._end("COMMIT")
        return visible(adapted, columns, rows)

    def _end(self, statement: str) -> None:
        try:
            self._run(statement)
        except RuntimeError as error:
            if "No active transaction" not in str(error):
                raise

    def _check_names(self, tokens: list[Token]) -> None:
        """LadybugDB takes labels in any case; Cypher does not."""
        labels, relations = self._tables("NODE"), self._tables("REL")
        for chain in chains(tokens, 0, len(tokens)):
            for node in chain.nodes:
                _check(node.labels, labels, "label")
            for relationship in chain.relationships:
                _check(relationship.labels, relations, "relation")


def _check(names: list[str], known: list[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(name.lower(), [other.lower() for other in known], n=1)
            hint = f"did you mean {next(other for other in known if other.lower() == near[0])}" if near else f"there are {', '.join(known)}"
            raise UserError(f"the graph has no {what} {name}: {hint}")


def _used_parameters(tokens: list[Token], parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the query names; all of them must be given."""
    used = {token.text[1:].strip("`") for token in tokens if token.kind == "parameter"}
    missing = sorted(used - set(parameters))
    if missing:
        raise UserError(f"the query needs the parameter ${missing[0]}, which has no value: write the value into the query")
    return {name: parameters[name] for name in sorted(used)}


def _remove(path: Path, *, only_log: bool = False) -> None:
    for suffix in (".wal", ".shadow", ".tmp") + (() if only_log else ("",)):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
