"""Cypher as Neo4j reads it, rewritten for LadybugDB where the meaning is the same.

Rewriting works on tokens, so that strings, names in backticks and comments stay as they are. Each rewrite edits the text of
tokens in place, and the text is read anew before the next. What LadybugDB cannot do is refused in `graph.refusals`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graph.dialect_expressions import comprehensions, functions, label_conditions, orders, positions, removals, symbols
from graph.dialect_patterns import conditions, distinct_relationships, shortest_paths, subqueries, trails
from graph.refusals import refuse
from graph.tokens import columns, render, tokenize

_REWRITES: Final = (
    functions,
    symbols,
    removals,
    orders,
    subqueries,
    conditions,
    comprehensions,
    positions,
    label_conditions,
    shortest_paths,
    trails,
    distinct_relationships,
)


@dataclass(frozen=True)
class Adapted:
    """A query as LadybugDB takes it."""

    text: str
    columns: list[str] | None
    """Names of the columns as Neo4j gives them; None where the query has `*` or returns nothing."""


def adapt(text: str) -> Adapted:
    """The query for LadybugDB.

    Raises:
        UserError: it holds a construct that LadybugDB cannot be given; the line names it and its alternative.
    """
    tokens = tokenize(text)
    names = columns(tokens)
    refuse(tokens)
    for rewrite in _REWRITES:
        rewrite(tokens)
        tokens = tokenize(render(tokens))
    return Adapted(render(tokens), names)
