"""Rewrites of path patterns for LadybugDB: walks, shortest paths, and that no relationship of one MATCH is used twice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from graph.dialect_expressions import HIDDEN, pattern_tokens
from graph.patterns import Chain, Element, chains, matches, pattern_end
from graph.refusals import LONGEST_WALK, unsupported
from graph.tokens import Token, clause_end, matching

_NATIVE_WALKS: Final = ("TRAIL", "ACYCLIC", "SHORTEST", "WSHORTEST", "ALL")


def subqueries(tokens: list[Token]) -> None:
    """`EXISTS { (a)-->(b) }` wants its MATCH, and a pattern of several hops as a condition becomes one."""
    for index, token in enumerate(tokens[:-1]):
        if token.is_word("EXISTS", "COUNT") and tokens[index + 1].text == "{" and not tokens[index + 2].is_word("MATCH", "OPTIONAL"):
            tokens[index + 1].text = "{ MATCH "


def conditions(tokens: list[Token]) -> None:
    """A pattern of several hops that stands as a condition becomes `EXISTS { MATCH … }`, where its relationships can be told apart."""
    inside = pattern_tokens(tokens)
    for chain in chains(tokens, 0, len(tokens)):
        if len(chain.relationships) > 1 and chain.start not in inside:
            tokens[chain.start].text = "EXISTS { MATCH ("
            tokens[chain.end].text += " }"


def shortest_paths(tokens: list[Token]) -> None:
    """`shortestPath((a)-[*..4]-(b))` is `(a)-[* SHORTEST 1..4]-(b)`."""
    partner = matching(tokens)
    for index, token in enumerate(tokens[:-1]):
        if not token.is_word("SHORTESTPATH", "ALLSHORTESTPATHS") or tokens[index + 1].text != "(":
            continue
        kind = "SHORTEST" if token.is_word("SHORTESTPATH") else "ALL SHORTEST"
        for chain in chains(tokens, index + 2, partner[index + 1]):
            for relationship in chain.relationships:
                if relationship.star >= 0:
                    low, high = _bounds(tokens, relationship.star)
                    if low == 0:
                        raise unsupported("shortest paths of no hop", "begin at 1 hop, as in *1..4")
                    _set_walk(tokens, relationship.star, f"{kind} 1..{high or LONGEST_WALK}")
        token.text = tokens[index + 1].text = tokens[partner[index + 1]].text = ""


def trails(tokens: list[Token]) -> None:
    """A walk of variable length uses no relationship twice: `[*1..3]` is `[* TRAIL 1..3]`."""
    for chain in chains(tokens, 0, len(tokens)):
        for relationship in chain.relationships:
            star = relationship.star
            if star < 0 or tokens[star + 1].is_word(*_NATIVE_WALKS):
                continue
            low, high = _bounds(tokens, star)
            if high is None or high > LONGEST_WALK:
                raise unsupported(f"a walk that may be longer than {LONGEST_WALK} hops", "give an upper bound, as in *1..4")
            _set_walk(tokens, star, f"TRAIL {low}..{high}")


def _bounds(tokens: Sequence[Token], star: int) -> tuple[int, int | None]:
    """Least and greatest number of hops of the walk whose `*` is given; None: no bound."""
    numbers: list[int | None] = [None, None]
    index, side = star + 1, 0
    while tokens[index].kind == "number" or tokens[index].text == "..":
        if tokens[index].text == "..":
            side = 1
        else:
            numbers[side] = int(tokens[index].text)
        index += 1
    if side == 0 and numbers[0] is not None:
        return numbers[0], numbers[0]
    return 1 if numbers[0] is None else numbers[0], numbers[1]


def _set_walk(tokens: list[Token], star: int, walk: str) -> None:
    index = star + 1
    while tokens[index].kind == "number" or tokens[index].text == "..":
        tokens[index].text = tokens[index].before = ""
        index += 1
    tokens[star].text = f"* {walk}"


def distinct_relationships(tokens: list[Token]) -> None:
    """No relationship stands for two of one MATCH: LadybugDB is told so by a condition."""
    partner = matching(tokens)
    for match in matches(tokens):
        end = pattern_end(tokens, match, partner)
        conditions = _distinct_conditions(tokens, chains(tokens, match + 1, end))
        if not conditions:
            continue
        text = " AND ".join(conditions)
        if end < len(tokens) and tokens[end].is_word("WHERE"):
            tokens[end].text = f"WHERE {text} AND ("
            tokens[clause_end(tokens, end, partner) - 1].text += ")"
        else:
            tokens[end - 1].text += f" WHERE {text}"


def _distinct_conditions(tokens: list[Token], of: list[Chain]) -> list[str]:
    relationships = [part for chain in of for part in chain.relationships if not _is_shortest(tokens, part)]
    conditions = []
    for one, other in combinations(relationships, 2):
        disjoint = one.labels and other.labels and not set(one.labels) & set(other.labels)
        if not disjoint and (one.variable is None or one.variable != other.variable):
            conditions.append(_differ(_named(tokens, one), one.star >= 0, _named(tokens, other), other.star >= 0))
    return conditions


def _is_shortest(tokens: Sequence[Token], relationship: Element) -> bool:
    return relationship.star >= 0 and tokens[relationship.star + 1].is_word("SHORTEST", "WSHORTEST", "ALL")


def _named(tokens: list[Token], relationship: Element) -> str:
    """The variable of the relationship, which gets one where it has none."""
    if relationship.variable is None:
        relationship.variable = f"{HIDDEN}{relationship.start}"
        if relationship.bracket >= 0:
            tokens[relationship.bracket].text += relationship.variable
        else:
            tokens[relationship.start + relationship.backward].text += f"[{relationship.variable}]"
    return f"`{relationship.variable}`"


def _differ(one: str, one_is_walk: bool, other: str, other_is_walk: bool) -> str:
    if one_is_walk and other_is_walk:
        ids = (f"list_transform(rels({walk}), x -> id(x))" for walk in (one, other))
        return f"NOT list_has_any({', '.join(ids)})"
    if one_is_walk or other_is_walk:
        walk, single = (one, other) if one_is_walk else (other, one)
        return f"NONE(x IN rels({walk}) WHERE id(x) = id({single}))"
    return f"id({one}) <> id({other})"
