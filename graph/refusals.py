"""What a Cypher text may hold and LadybugDB cannot be given: one line that names the construct and its alternative."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from etl.errors import UserError
from graph.patterns import chains
from graph.tokens import OPERATORS, Token, is_clause, matching

LONGEST_WALK: Final = 30
"""LadybugDB's bound on the hops of a walk."""

_FUNCTIONS: Final = {
    "elementid": ("elementId()", "compare nodes by their key, as in a.key"),
    "datetime": ("datetime()", "times are Unix seconds: compare valid_from with a number"),
    "localdatetime": ("localdatetime()", "times are Unix seconds: compare valid_from with a number"),
    "duration": ("duration()", "times are Unix seconds: add or subtract a number"),
    "reduce": ("reduce()", "UNWIND the list and aggregate, as in sum() or collect()"),
    "tointeger": ("toInteger()", "store the number, or write floor(x)"),
    "toboolean": ("toBoolean()", "compare with the text, as in x = 'true'"),
    "tail": ("tail()", "write a slice, as in x[1..]"),
}

_STATEMENTS: Final = ("MATCH", "OPTIONAL", "WITH", "RETURN", "UNWIND", "CREATE", "MERGE", "CALL", "EXPLAIN", "PROFILE", "FOREACH", "USE")


def unsupported(construct: str, alternative: str) -> UserError:
    """The error for a construct that this store cannot be given."""
    return UserError(f"the embedded store (LadybugDB) does not take {construct}: {alternative}")


def refuse(tokens: Sequence[Token]) -> None:
    """Raise for the first construct that LadybugDB does not have."""
    if not tokens:
        raise UserError("the query is empty: write one, for example MATCH (n) RETURN n.key LIMIT 5")
    if not tokens[0].is_word(*_STATEMENTS):
        raise UserError(f"a query cannot begin with {tokens[0].text!r}: begin with MATCH, WITH, UNWIND, RETURN, CREATE, MERGE or CALL")
    for construct, alternative in _found(tokens):
        raise unsupported(construct, alternative)


def _found(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    partner = matching(tokens)
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else Token("symbol", "")
        if token.kind == "word":
            yield from _word(tokens, index, following, partner)
        elif token.text == "{" and token.kind == "symbol":
            yield from _brace(tokens, index, following)
        elif token.text == "+=" and token.kind == "symbol":
            yield "SET with +=", "set the properties one by one, as in SET a.name = 'x'"
    yield from _patterns(tokens)


def _word(tokens: Sequence[Token], index: int, following: Token, partner: dict[int, int]) -> Iterator[tuple[str, str]]:
    token = tokens[index]
    after_dot = index > 0 and tokens[index - 1].text == "."
    if following.text == "(" and after_dot:
        yield f"procedures and functions of plug-ins ({tokens[index - 2].text}.{token.text})", "write it in plain Cypher"
    elif following.text == "(" and token.text.lower() in _FUNCTIONS:
        yield _FUNCTIONS[token.text.lower()]
    if token.is_word("EXISTS", "COUNT") and following.text == "{":
        inner = range(index + 2, partner[index + 1])
        if any(tokens[place].is_word("RETURN", "UNION", "WITH") and is_clause(tokens, place) for place in inner):
            yield f"{token.text} {{}} with RETURN, WITH or UNION inside", "leave only MATCH and WHERE in the braces"
    if not is_clause(tokens, index):
        yield from _selector(tokens, index)
    elif token.is_word("FOREACH"):
        yield "FOREACH", "UNWIND the list, then CREATE or SET"
    elif token.is_word("USE"):
        yield "USE", "name the database in [graph]"
    elif token.is_word("CALL") and (following.text == "{" or _is_scoped_call(tokens, index, partner)):
        yield "CALL {} subqueries", "use WITH, OPTIONAL MATCH and collect(), or UNION"
    elif token.is_word("CALL") and index + 2 < len(tokens) and tokens[index + 2].text == ".":
        yield (
            f"the procedure {following.text}.{tokens[index + 3].text if index + 3 < len(tokens) else ''}",
            "labels are listed by CALL show_tables() RETURN *",
        )
    elif token.is_word("SET", "REMOVE") and index + 2 < len(tokens) and tokens[index + 2].text == ":":
        yield "a change of a node's label", "create the node anew with the other label"


def _is_scoped_call(tokens: Sequence[Token], index: int, partner: dict[int, int]) -> bool:
    close = partner.get(index + 1, index)
    return (
        tokens[index + 1 : index + 2] != [] and tokens[index + 1].text == "(" and close + 1 < len(tokens) and tokens[close + 1].text == "{"
    )


def _selector(tokens: Sequence[Token], index: int) -> Iterator[tuple[str, str]]:
    native = index > 0 and (
        tokens[index - 1].text == "*" or (index > 1 and tokens[index - 2].text == "*" and tokens[index - 1].is_word("ALL"))
    )
    starts_path = index > 0 and (tokens[index - 1].text in ("=", ",") or tokens[index - 1].is_word("MATCH", "ANY", "ALL"))
    if tokens[index].is_word("SHORTEST") and not native and starts_path:
        yield "the path selector SHORTEST", "write shortestPath((a)-[*..4]-(b))"


def _brace(tokens: Sequence[Token], index: int, following: Token) -> Iterator[tuple[str, str]]:
    previous = tokens[index - 1] if index else Token("symbol", "")
    if previous.kind == "symbol" and previous.text in (")", ">", "-"):
        yield "quantified path patterns", "write a walk of variable length, as in -[:SUNG_BY*1..3]-"
    is_operand = previous.kind == "name" or (previous.kind == "word" and previous.text.upper() not in OPERATORS)
    if is_operand and following.text == ".":
        yield "map projections", "return the properties one by one, or a map as in {key: a.key}"


def _patterns(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    for chain in chains(tokens, 0, len(tokens)):
        for node in chain.nodes:
            inner = tokens[node.start + 1 : node.end]
            if any(part.is_word("WHERE") for part in inner):
                yield "WHERE inside a node", "put the condition into the WHERE of the MATCH"
            head = [part.text for part in inner if part.kind == "symbol"]
            if (len(node.labels) > 1 and "|" not in head) or (":" in head and any(sign in head for sign in "&!%")):
                yield (
                    "several labels on one node and label expressions",
                    "a node has one label here: ask for one of them, or for any with (a:A|B)",
                )
        for part in chain.relationships:
            inner = tokens[part.bracket + 1 : part.end] if part.bracket >= 0 else []
            if any(token.is_word("WHERE") for token in inner):
                yield "WHERE inside a relationship", "name it and put the condition into the WHERE of the MATCH"
        after = tokens[chain.end + 1] if chain.end + 1 < len(tokens) else Token("symbol", "")
        if chain.relationships and chain.start and tokens[chain.start - 1].text == "[" and (after.text == "|" or after.is_word("WHERE")):
            yield "pattern comprehensions", "OPTIONAL MATCH the pattern and collect()"
