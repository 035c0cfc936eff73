"""What LadybugDB has to be told before it takes a node or an edge: labels, relations and the labels that each joins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, Final

import polars as pl

from etl.errors import UserError
from graph.ontology import LABELS, RELATIONS, label_name, label_of, relation_name
from graph.patterns import Chain, Element, chains
from graph.tokens import Token, clause_end, is_clause, matching

Run = Callable[[str], Any]

_NODE: Final = "key STRING PRIMARY KEY, name STRING, kind STRING"
_EDGE: Final = "source STRING, confidence DOUBLE, valid_from INT64"


def declare_ontology(run: Run, facts: pl.DataFrame) -> None:
    """Declare the ontology in an empty database, with the relations and pairs of labels that `facts` add to it."""
    for label in LABELS:
        run(f"CREATE NODE TABLE `{label}`({_NODE})")
    pairs = {relation: list(joined) for relation, joined in RELATIONS.items()}
    seen = facts.select("relation", "head_kind", "tail_kind").unique().sort("relation", "head_kind", "tail_kind")
    for relation, head_kind, tail_kind in seen.iter_rows():
        joined = pairs.setdefault(relation_name(relation), [])
        if (label_of(head_kind), label_of(tail_kind)) not in joined:
            joined.append((label_of(head_kind), label_of(tail_kind)))
    for relation, joined in pairs.items():
        ends = ", ".join(f"FROM `{head}` TO `{tail}`" for head, tail in joined)
        run(f"CREATE REL TABLE `{relation}`({ends}, {_EDGE})")


def declare_written(run: Run, tokens: Sequence[Token]) -> None:
    """Declare what the CREATE and MERGE of a query will need.

    Raises:
        UserError: a name has no proper form, or the query does not say which labels a relation joins.
    """
    known = {node.variable: node.labels for chain in chains(tokens, 0, len(tokens)) for node in chain.nodes if node.labels}
    for chain in _written(tokens):
        ends = [_labels(node, known) for node in chain.nodes]
        for label in sorted({label for labels in ends for label in labels}):
            run(f"CREATE NODE TABLE IF NOT EXISTS `{label}`({_NODE})")
        for relationship, left, right in zip(chain.relationships, ends[:-1], ends[1:], strict=True):
            heads, tails = (right, left) if relationship.backward else (left, right)
            for relation in relationship.labels:
                _declare_pairs(run, _named(relation_name, relation), list(product(heads, tails)))


def _written(tokens: Sequence[Token]) -> Iterator[Chain]:
    """The chains of CREATE and MERGE."""
    partner = matching(tokens)
    for index, token in enumerate(tokens):
        if token.is_word("CREATE", "MERGE") and is_clause(tokens, index):
            yield from chains(tokens, index + 1, clause_end(tokens, index, partner))


def _labels(node: Element, known: dict[str | None, list[str]]) -> list[str]:
    """Labels of a node, said here or where its variable was bound."""
    return [_named(label_name, label) for label in node.labels or (known.get(node.variable, []) if node.variable else [])]


def _declare_pairs(run: Run, relation: str, pairs: list[tuple[str, str]]) -> None:
    if not pairs:
        raise UserError(f"say which labels {relation} joins, for example MATCH (a:Artist), (d:Drama) WHERE … CREATE (a)-[:{relation}]->(d)")
    for head, tail in pairs:
        run(f"CREATE REL TABLE IF NOT EXISTS `{relation}`(FROM `{head}` TO `{tail}`, {_EDGE})")
        run(f"ALTER TABLE `{relation}` ADD IF NOT EXISTS FROM `{head}` TO `{tail}`")


def _named(check: Callable[[str], str], name: str) -> str:
    try:
        return check(name)
    except ValueError as error:
        raise UserError(f"{error}; write it so in the query") from None
