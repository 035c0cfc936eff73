"""Identifiers and values → concepts of the vocabulary."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from etl.inspection.vocabulary import BEHAVIOURS, PHRASES, PRIVATE, WORDS

PIECES: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[\u3400-\u9fff]+|\d+")
CONCEPT: Final = {word: concept for concept, words in WORDS.items() for word in words.split()}
"""Word → its concept."""
LONGEST: Final = max(map(len, CONCEPT))
THINGS: Final = frozenset(("song", "album", "artist", "user", "playlist", "mv", "mlog", "item", "product", "happen", "act"))


@cache
def concepts(name: str) -> tuple[str, ...]:
    """Concepts of an identifier in order; an unknown word stands for itself behind a "?", a word that says nothing is left out."""
    found = [concept for piece in PIECES.findall(name) for concept in _of_piece(piece)]
    return tuple(concept for concept in found if concept)


def same(name: str, alternatives: str, *without: str) -> int | None:
    """Place of the alternative ("a b, c") whose concepts `name` has, no more and no fewer, after dropping `without`; None: no match."""
    own = frozenset(concepts(name))
    for place, alternative in enumerate(alternatives.split(",")):
        wanted = frozenset(alternative.split())
        if wanted in (own, own - (frozenset(without) - wanted)):
            return place
    return None


def behaviour_of(value: str) -> str | None:
    """Behaviour of the contract that a value says, such as `like`, `track_played`, `收藏`; None where it says none."""
    phrase = " ".join(value.lower().replace("_", " ").replace("-", " ").split())
    found = concepts(value)
    whole = " ".join(found)
    rest = " ".join(concept for concept in found if concept not in THINGS)
    return PHRASES.get(phrase) or BEHAVIOURS.get(whole) or BEHAVIOURS.get(rest)


def is_private(name: str) -> bool:
    """True for a column of contact data, credentials or a person's name; longer words count inside others too."""
    pieces = {piece.lower() for piece in PIECES.findall(name)}
    squeezed = name.lower().replace("_", "").replace(" ", "")
    return any(word in pieces or (word in squeezed and (len(word) > 4 or not word.isascii())) for word in PRIVATE.split())


def _of_piece(piece: str) -> list[str]:
    word = piece.lower()
    if word in CONCEPT:
        return [CONCEPT[word]]
    if word[0] >= "\u3400":
        return _chinese(word)
    base = next((form for form in _base_forms(word) if form in CONCEPT), None)
    if base is not None:
        return [CONCEPT[base]]
    return _joined(word) or [f"?{next(iter(_base_forms(word)), word)}"]


def _base_forms(word: str) -> list[str]:
    """What an inflected English word may come from."""
    forms = []
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    if word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        forms += [word[:-1], word[:-2]] if word.endswith("es") else [word[:-1]]
    for ending in ("ed", "ing"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2:
            forms += [stem, f"{stem}e", stem[:-1]]
    return forms


def _chinese(text: str) -> list[str]:
    """Longest known words from the left; characters between them are unknown words."""
    found: list[str] = []
    while text:
        size = next((n for n in range(min(LONGEST, len(text)), 0, -1) if text[:n] in CONCEPT), 0)
        found.append(CONCEPT[text[:size]] if size else f"?{text[0]}")
        text = text[size or 1 :]
    return found


def _joined(word: str) -> list[str]:
    """Concepts of words written together, such as `userid`; nothing where any part is unknown."""
    for size in range(len(word) - 2, 2, -1):
        first = next((form for form in (word[:size], *_base_forms(word[:size])) if form in CONCEPT), None)
        rest = word[size:]
        if first is not None and rest in CONCEPT:
            return [CONCEPT[first], CONCEPT[rest]]
    return []
