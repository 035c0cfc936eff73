"""What LadybugDB answers, as both stores give it: JSON-like values, Neo4j's column names, errors in one line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from etl.errors import UserError
from graph.dialect import Adapted
from graph.dialect_expressions import HIDDEN
from graph.store import QueryResult


def plain(value: Any) -> Any:
    """A value as JSON has it: nodes and relationships as dicts without unset properties, a path as the list of both in turn."""
    if isinstance(value, dict):
        return _plain_dict(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _plain_dict(value: dict[str, Any]) -> Any:
    if "_NODES" in value:
        nodes, edges = plain(value["_NODES"]), plain(value["_RELS"])
        return [part for pair in zip(nodes, edges, strict=False) for part in pair] + nodes[-1:]
    if set(value) == {"offset", "table"}:
        return f"{value['table']}:{value['offset']}"
    told = {"type" if "_SRC" in value else "label": value["_LABEL"]} if "_LABEL" in value else {}
    properties = {name: plain(item) for name, item in sorted(value.items()) if not name.startswith("_") and item is not None}
    return told | properties


def visible(adapted: Adapted, columns: list[str], rows: list[tuple[Any, ...]]) -> QueryResult:
    """The result under Neo4j's column names; those of `*` sorted, without the variables that a rewrite added."""
    if adapted.columns is not None and len(adapted.columns) == len(columns):
        return QueryResult(adapted.columns, rows)
    if not any(name.startswith(HIDDEN) for name in columns) and "*" not in adapted.text:
        return QueryResult(columns, rows)
    kept = sorted((name, place) for place, name in enumerate(columns) if not name.startswith(HIDDEN))
    return QueryResult([name for name, _ in kept], [tuple(row[place] for _, place in kept) for row in rows])


def query_error(error: RuntimeError) -> UserError:
    """The error of a query that LadybugDB refuses."""
    line = str(error).splitlines()[0].strip()
    if "bound by multiple node labels" in line:
        return UserError("the ends of a new relationship need one label each, for example MATCH (a:Artist {key: 'artist:1'}) …")
    return UserError(f"the graph refuses the query: {line}")


def opening_error(path: Path, error: RuntimeError) -> UserError:
    """The error of a file that cannot be opened."""
    text = str(error)
    if "lock" in text.lower():
        return UserError(f"the graph at {path} is in use by another process: wait until it ends")
    if "not a valid" in text:
        return UserError(f"{path} is not a graph of this store: delete it and run `kg-recall graph`")
    return UserError(f"the graph at {path} cannot be opened ({text.splitlines()[0]}): delete it and run `kg-recall graph`")
