"""The path patterns of a Cypher text: chains of `(node)-[relationship]->(node)` and what each part says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graph.tokens import Token, clause_end, is_clause, matching


@dataclass
class Element:
    """A node or a relationship of a pattern."""

    start: int
    """Index of its first token (`(` of a node; `-` or `<` of a relationship)."""
    end: int
    """Index of its last token."""
    bracket: int = -1
    """Index of `[` of a relationship; -1 where it has none (`-->`)."""
    variable: str | None = None
    labels: list[str] = field(default_factory=list)
    """Labels of a node, types of a relationship; empty: any."""
    star: int = -1
    """Index of the `*` of a walk of variable length; -1 for one hop."""
    backward: bool = False
    """A relationship written `<-…-`."""


@dataclass
class Chain:
    """A node and the relationships and nodes that follow it."""

    nodes: list[Element]
    relationships: list[Element]

    @property
    def start(self) -> int:
        """Index of its first token."""
        return self.nodes[0].start

    @property
    def end(self) -> int:
        """Index of its last token."""
        return self.nodes[-1].end


def chains(tokens: Sequence[Token], start: int, end: int) -> list[Chain]:
    """The chains that stand in `tokens[start:end]`, at any depth, a single node in brackets included."""
    partner = matching(tokens)
    found, index = [], start
    while index < end:
        if tokens[index].text == "(" and tokens[index].kind == "symbol" and not _is_call(tokens, index):
            chain = _chain(tokens, index, partner)
            if chain is not None:
                found.append(chain)
                index = chain.end
        index += 1
    return found


def pattern_end(tokens: Sequence[Token], match: int, partner: dict[int, int]) -> int:
    """Index after the patterns of the MATCH at `match`: at its WHERE, the next clause or the end."""
    return clause_end(tokens, match, partner)


def matches(tokens: Sequence[Token]) -> list[int]:
    """Index of every MATCH that begins a clause."""
    return [index for index, token in enumerate(tokens) if token.is_word("MATCH") and is_clause(tokens, index)]


def _is_call(tokens: Sequence[Token], index: int) -> bool:
    """Whether the bracket at `index` holds the arguments of a function."""
    previous = tokens[index - 1] if index else Token("symbol", "")
    return previous.kind == "name" or (previous.kind == "word" and not _opens_pattern(previous))


def _opens_pattern(word: Token) -> bool:
    return word.is_word(
        "MATCH", "CREATE", "MERGE", "WHERE", "AND", "OR", "XOR", "NOT", "RETURN", "WITH", "WHEN", "THEN", "ELSE", "DISTINCT", "BY", "IN"
    )


def _chain(tokens: Sequence[Token], index: int, partner: dict[int, int]) -> Chain | None:
    node = _node(tokens, index, partner[index])
    if node is None:
        return None
    chain = Chain([node], [])
    while True:
        relationship = _relationship(tokens, chain.end + 1, partner)
        if relationship is None:
            return chain
        after = relationship.end + 1
        node = _node(tokens, after, partner[after])
        if node is None:
            return chain
        chain.relationships.append(relationship)
        chain.nodes.append(node)


def _node(tokens: Sequence[Token], start: int, end: int) -> Element | None:
    """The node between the brackets at `start` and `end`, or None where they hold something else."""
    node = Element(start, end)
    index = _name_and_labels(tokens, start + 1, node)
    whole = (
        index == end
        or tokens[index].text == "{"
        or tokens[index].is_word("WHERE")
        or tokens[index].text in ("&", "!", "%")
        or tokens[index].kind == "parameter"
    )
    return node if whole else None


def _relationship(tokens: Sequence[Token], start: int, partner: dict[int, int]) -> Element | None:
    """The relationship that begins at `start` and leads to a `(`, or None."""
    here = Element(start, start)
    index = start
    here.backward = _symbol(tokens, index) == "<"
    index += here.backward
    if _symbol(tokens, index) != "-":
        return None
    index += 1
    if _symbol(tokens, index) == "[":
        here.bracket = index
        _read_bracket(tokens, index, here)
        index = partner[index] + 1
    if _symbol(tokens, index) != "-":
        return None
    index += 1
    index += _symbol(tokens, index) == ">"
    here.end = index - 1
    return here if _symbol(tokens, index) == "(" else None


def _read_bracket(tokens: Sequence[Token], bracket: int, element: Element) -> None:
    index = _name_and_labels(tokens, bracket + 1, element)
    if _symbol(tokens, index) == "*":
        element.star = index


def _name_and_labels(tokens: Sequence[Token], index: int, element: Element) -> int:
    """Read `name:A|B`; the index after it."""
    if tokens[index].identifier is not None and not tokens[index].is_word("WHERE"):
        element.variable = tokens[index].identifier
        index += 1
    while _symbol(tokens, index) in (":", "|") and tokens[index + 1].text != "]":
        index += 1
        index += _symbol(tokens, index) == ":"
        label = tokens[index].identifier
        if label is None:
            break
        element.labels.append(label)
        index += 1
    return index


def _symbol(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text if index < len(tokens) and tokens[index].kind == "symbol" else ""
