"""The tokens of a Cypher text: enough grammar to read and rewrite a query and leave strings, backticks and comments alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from etl.errors import UserError

_TOKEN: Final = re.compile(
    r"""
    (?P<space>(?:\s|//[^\n]*|/\*.*?\*/)+)
  | (?P<string>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
  | (?P<name>`(?:``|[^`])*`)
  | (?P<parameter>\$(?:\w+|`[^`]+`))
  | (?P<number>\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)?)
  | (?P<word>\w+)
  | (?P<symbol>\.\.|<>|<=|>=|=~|\+=|\|\||!=|.)
    """,
    re.VERBOSE | re.DOTALL,
)

_PAIRS: Final = {"(": ")", "[": "]", "{": "}"}

CLAUSES: Final = frozenset((
    "MATCH", "OPTIONAL", "WHERE", "WITH", "RETURN", "UNWIND", "CREATE", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "ORDER",
    "SKIP", "OFFSET", "LIMIT", "UNION", "CALL", "FOREACH", "ON", "USE", "LOAD", "FINISH",
))  # fmt: skip
"""Words that begin a clause."""

OPERATORS: Final = CLAUSES | frozenset((
    "AND", "OR", "XOR", "NOT", "IN", "IS", "NULL", "CONTAINS", "STARTS", "ENDS", "CASE", "WHEN", "THEN", "ELSE", "END", "AS",
    "BY", "DISTINCT", "ASC", "DESC", "ASCENDING", "DESCENDING", "ALL", "EXISTS", "COUNT",
))  # fmt: skip
"""Words that are not the end of an operand, so that a bracket after one is a list and not an index."""

_WRITING: Final = frozenset((
    "CREATE", "MERGE", "SET", "DELETE", "REMOVE", "DROP", "ALTER", "FOREACH",
))  # fmt: skip


@dataclass
class Token:
    """One token with the white space and comments before it."""

    kind: str
    """`word`, `name` (in backticks), `string`, `number`, `parameter` or `symbol`."""
    text: str
    before: str = ""

    def is_word(self, *words: str) -> bool:
        """Whether it is one of the words (given in capitals), in any case."""
        return self.kind == "word" and self.text.upper() in words

    @property
    def identifier(self) -> str | None:
        """The name it stands for, or None where it cannot be one."""
        if self.kind == "name":
            return self.text[1:-1].replace("``", "`")
        return self.text if self.kind == "word" else None


def tokenize(text: str) -> list[Token]:
    """Tokens of one query; a closing semicolon is dropped.

    Raises:
        UserError: a string or bracket does not end, or there is more than one query.
    """
    tokens: list[Token] = []
    before = ""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "symbol"
        if kind == "space":
            before = match.group()
            continue
        if match.group() in ("'", '"', "`"):
            raise UserError(f"the query has a {match.group()} that does not close, before {text[match.end() : match.end() + 20]!r}")
        tokens.append(Token(kind, match.group(), before))
        before = ""
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if any(token.text == ";" for token in tokens):
        raise UserError("more than one query in one text: ask them one by one")
    matching(tokens)
    return tokens


def render(tokens: Sequence[Token]) -> str:
    """The text of the tokens."""
    return "".join(token.before + token.text for token in tokens)


def matching(tokens: Sequence[Token]) -> dict[int, int]:
    """Index of the closing bracket of each opening one, and the reverse."""
    partner: dict[int, int] = {}
    stack: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind != "symbol":
            continue
        if token.text in _PAIRS:
            stack.append(index)
        elif token.text in _PAIRS.values():
            if not stack or _PAIRS[tokens[stack[-1]].text] != token.text:
                raise UserError(f"the query has a {token.text} that nothing opens")
            opened = stack.pop()
            partner[opened], partner[index] = index, opened
    if stack:
        raise UserError(f"the query has a {tokens[stack[-1]].text} that does not close")
    return partner


def is_clause(tokens: Sequence[Token], index: int) -> bool:
    """Whether the token begins a clause (and is no property, label, key of a map or part of an operator)."""
    token = tokens[index]
    if token.kind != "word" or token.text.upper() not in CLAUSES:
        return False
    previous = tokens[index - 1] if index else Token("symbol", "")
    following = tokens[index + 1] if index + 1 < len(tokens) else Token("symbol", "")
    if previous.text in (".", ":", "|", "$") or previous.is_word("STARTS", "ENDS", "ON", "AS") or following.text == ":":
        return False
    return not (token.is_word("ORDER", "WITH", "RETURN", "UNWIND") and following.text in (".", ")"))


def clause_end(tokens: Sequence[Token], start: int, partner: dict[int, int]) -> int:
    """Index after the last token of the clause whose first token is at `start`."""
    index = start + 1
    while index < len(tokens) and not is_clause(tokens, index):
        if tokens[index].text in ("}", ")", "]") and tokens[index].kind == "symbol":
            break
        index = partner.get(index, index) + 1
    return index


def writes(tokens: Sequence[Token]) -> bool:
    """Whether the query changes the graph or its schema."""
    for index, token in enumerate(tokens):
        if token.kind == "word" and token.text.upper() in _WRITING:
            schema = index == 0
            if schema or is_clause(tokens, index) or tokens[index - 1].is_word("DETACH", "ON"):
                return True
    return False


def split_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    """The parts between commas that stand in no bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "symbol":
            depth += (token.text in _PAIRS) - (token.text in _PAIRS.values())
        if token.text == "," and depth == 0 and token.kind == "symbol":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def columns(tokens: Sequence[Token]) -> list[str] | None:
    """Names of the result's columns as Neo4j gives them: the alias, or else the expression as it was written.

    None where they are not in the text: a result of `*`, a plan, or no RETURN at all.
    """
    if tokens and tokens[0].is_word("EXPLAIN", "PROFILE"):
        return None
    partner = matching(tokens)
    index, found = 0, -1
    while index < len(tokens) and found < 0:
        if is_clause(tokens, index) and tokens[index].is_word("RETURN"):
            found = index
        index = partner.get(index, index) + 1
    if found < 0:
        return None
    items = list(tokens[found + 1 : clause_end(tokens, found, partner)])
    if items and items[0].is_word("DISTINCT"):
        items = items[1:]
    parts = split_commas(items)
    if any(len(part) == 0 or part[0].text == "*" for part in parts):
        return None
    return [_column(part) for part in parts]


def _column(part: Sequence[Token]) -> str:
    if len(part) > 2 and part[-2].is_word("AS"):
        return part[-1].identifier or part[-1].text
    if len(part) == 1:
        return part[0].identifier or part[0].text
    return render(part)[len(part[0].before) :]
