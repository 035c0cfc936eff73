"""Rewrites of expressions for LadybugDB: functions, lists, comprehensions, labels as conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graph.patterns import chains
from graph.refusals import unsupported
from graph.tokens import OPERATORS, Token, clause_end, is_clause, matching, render, split_commas, tokenize

_RENAMED: Final = {
    "type": "label",
    "tostring": "string",
    "tofloat": "to_double",
    "startnode": "start_node",
    "endnode": "end_node",
    "split": "string_split",
}
_WRAPPED: Final = {
    "labels": ("[label", ")]"),
    "head": ("list_extract", ", 1)"),
    "last": ("list_extract", ", -1)"),
    "isempty": ("(size", ") = 0)"),
}

HIDDEN: Final = "_added"
"""Prefix of the variables that a rewrite adds; a result never shows them."""

_ALL_ROWS: Final = 2**31 - 1


def functions(tokens: list[Token]) -> None:
    """`type(r)` is `label(r)`, `labels(n)` a list of the one label, positions in a text count from 1."""
    partner = matching(tokens)
    for index, token in enumerate(tokens[:-1]):
        if token.kind != "word" or tokens[index + 1].text != "(" or (index and tokens[index - 1].text == "."):
            continue
        name, close = token.text.lower(), partner[index + 1]
        token.text = _RENAMED.get(name, token.text)
        if name in _WRAPPED:
            token.text, tokens[close].text = _WRAPPED[name]
        arguments = split_commas(tokens[index + 2 : close])
        if name == "round" and len(arguments) == 1:
            tokens[close].text = ", 0)"
        if name == "substring" and len(arguments) > 1 and arguments[1]:
            arguments[1][-1].text += " + 1"
            tokens[close].text = ", 2147483647)" if len(arguments) == 2 else ")"


def symbols(tokens: list[Token]) -> None:
    """Joining texts or lists is `+`."""
    for token in tokens:
        if token.text == "||":
            token.text = "+"


def removals(tokens: list[Token]) -> None:
    """`REMOVE a.x` is `SET a.x = NULL`."""
    partner = matching(tokens)
    for index, token in enumerate(tokens):
        if token.is_word("REMOVE") and is_clause(tokens, index):
            token.text = "SET"
            for part in split_commas(tokens[index + 1 : clause_end(tokens, index, partner)]):
                part[-1].text += " = NULL"


def orders(tokens: list[Token]) -> None:
    """`WITH … ORDER BY` wants a LIMIT, and keeps its order up to an aggregation only where something stands between the two.

    LadybugDB 0.22 drops the ORDER BY of `WITH k ORDER BY k DESC LIMIT 2 RETURN collect(k)` and so collects other rows; an UNWIND of
    one value in between holds it.
    """
    partner = matching(tokens)
    for index, token in enumerate(tokens):
        if not (token.is_word("WITH") and is_clause(tokens, index)):
            continue
        order = clause_end(tokens, index, partner)
        if order >= len(tokens) or not tokens[order].is_word("ORDER"):
            continue
        end = clause_end(tokens, order, partner)
        if end == len(tokens) or not tokens[end].is_word("SKIP", "OFFSET", "LIMIT"):
            tokens[end - 1].text += f" LIMIT {_ALL_ROWS}"
        while end < len(tokens) and tokens[end].is_word("SKIP", "OFFSET", "LIMIT", "WHERE"):
            end = clause_end(tokens, end, partner)
        tokens[end - 1].text += f" UNWIND [1] AS {HIDDEN}{end}"


def comprehensions(tokens: list[Token]) -> None:
    """`[x IN list WHERE p | e]` is `list_transform(list_filter(list, x -> p), x -> e)`."""
    for start in range(len(tokens) - 3, -1, -1):
        if (
            tokens[start].text != "["
            or tokens[start].kind != "symbol"
            or not tokens[start + 2].is_word("IN")
            or _follows_operand(tokens, start)
        ):
            continue
        partner = matching(tokens)
        end = partner[start]
        marks = [index for index in _level(partner, start + 3, end) if tokens[index].text == "|" or tokens[index].is_word("WHERE")]
        variable = tokens[start + 1].text
        bounds = [*marks, end]
        text = render(tokens[start + 3 : bounds[0]]).strip()
        for mark, until in zip(marks, bounds[1:], strict=True):
            function = "list_transform" if tokens[mark].text == "|" else "list_filter"
            text = f"{function}({text}, {variable} -> ({render(tokens[mark + 1 : until]).strip()}))"
        tokens[start:] = _rewritten(tokens[start].before, text if marks else f"({text})", tokens[end + 1 :])


def _rewritten(before: str, text: str, rest: Sequence[Token]) -> list[Token]:
    """Tokens of a rewritten part followed by what was behind it."""
    part = tokenize(text)
    part[0].before = before
    return [*part, *rest]


def _level(partner: dict[int, int], start: int, end: int) -> list[int]:
    """Indices between `start` and `end` that stand in no inner bracket."""
    found, index = [], start
    while index < end:
        found.append(index)
        index = partner.get(index, index) + 1
    return found


def positions(tokens: list[Token]) -> None:
    """Positions of a list count from 1, and a slice includes its end."""
    partner = matching(tokens)
    for index, token in enumerate(tokens):
        if token.text != "[" or token.kind != "symbol" or not _follows_operand(tokens, index):
            continue
        inner = tokens[index + 1 : partner[index]]
        dots = [position for position in _level(partner, index + 1, partner[index]) if tokens[position].text == ".."]
        if dots:
            _slice(tokens, index, dots[0], partner[index])
        elif len(inner) == 1 and inner[0].kind == "number":
            inner[0].text = str(int(inner[0].text) + 1)
        elif len(inner) == 1 and inner[0].kind == "string":
            raise unsupported("properties by a computed name", "write the name, as in a.key")
        elif inner and inner[0].text != "-" and not any(part.text == ":" for part in inner):
            position = render(inner).strip()
            inner[0].text, inner[-1].text = (
                f"CASE WHEN ({position}) < 0 THEN ({inner[0].text}",
                f"{inner[-1].text}) ELSE ({position}) + 1 END",
            )
            if len(inner) == 1:
                inner[0].text = f"CASE WHEN ({position}) < 0 THEN ({position}) ELSE ({position}) + 1 END"


def _slice(tokens: list[Token], start: int, dots: int, end: int) -> None:
    first, last = tokens[start + 1 : dots], tokens[dots + 1 : end]
    if any(len(part) > 1 or (part and part[0].kind != "number") for part in (first, last)):
        raise unsupported("slices with computed or negative ends", "write them as numbers from 0, as in x[0..3]")
    tokens[dots].text = ":" if first else "1:"
    if first:
        first[0].text = str(int(first[0].text) + 1)


def _follows_operand(tokens: Sequence[Token], index: int) -> bool:
    """Whether the bracket at `index` comes after a value, so that it picks from it."""
    if index == 0:
        return False
    previous = tokens[index - 1]
    if previous.kind == "symbol":
        return previous.text in (")", "]", "}")
    is_property = index > 1 and tokens[index - 2].text == "."
    return previous.kind != "number" and (is_property or previous.kind != "word" or previous.text.upper() not in OPERATORS)


def label_conditions(tokens: list[Token]) -> None:
    """`a:Song` as a condition is `label(a) = 'Song'`."""
    inside = pattern_tokens(tokens) | _map_tokens(tokens)
    for index in range(1, len(tokens) - 1):
        named = tokens[index - 1].identifier is not None and tokens[index + 1].identifier is not None
        if tokens[index].text != ":" or tokens[index].kind != "symbol" or not named or index in inside:
            continue
        labels, end = [tokens[index + 1].identifier], index + 2
        while end + 1 < len(tokens) and tokens[end].text == "|" and tokens[end + 1].identifier is not None:
            labels.append(tokens[end + 1].identifier)
            end += 2
        if end < len(tokens) and tokens[end].text in (":", "&"):
            raise unsupported("several labels on one node", "a node has one label here: ask for one of them, or for any with a:A|B")
        variable = tokens[index - 1].text
        quoted = ", ".join(f"'{label}'" for label in labels)
        tokens[index - 1].text = f"label({variable}) IN [{quoted}]"
        for token in tokens[index:end]:
            token.text = token.before = ""


def pattern_tokens(tokens: Sequence[Token]) -> set[int]:
    """Indices inside patterns: those of MATCH, CREATE and MERGE, and those of several nodes wherever they stand."""
    partner = matching(tokens)
    inside: set[int] = set()
    for index, token in enumerate(tokens):
        if token.is_word("MATCH", "CREATE", "MERGE") and is_clause(tokens, index):
            inside.update(range(index, clause_end(tokens, index, partner)))
    for chain in chains(tokens, 0, len(tokens)):
        # Chains of a MATCH, CREATE or MERGE are in already; one node in brackets elsewhere is an expression.
        if len(chain.relationships) == 1 or chain.start in inside:
            inside.update(range(chain.start, chain.end + 1))
    return inside


def _map_tokens(tokens: Sequence[Token]) -> set[int]:
    """Indices inside the braces of maps, and of slices in LadybugDB's own notation."""
    partner = matching(tokens)
    inside: set[int] = set()
    for index, token in enumerate(tokens):
        subquery = index > 0 and tokens[index - 1].is_word("EXISTS", "COUNT")
        slice_ = token.text == "[" and token.kind == "symbol" and _follows_operand(tokens, index)
        if slice_ or (token.text == "{" and token.kind == "symbol" and not subquery):
            inside.update(range(index, partner[index]))
    return inside
