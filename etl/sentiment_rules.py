"""The named rules by which comments are read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from etl.errors import UserError

LIBRARIES: Final = {"snownlp": "snownlp", "vader": "vaderSentiment"}
"""Backend → the library that it wraps."""
BACKENDS: Final = {
    "snownlp": "etl.sentiment_backends:SnowNlp",
    "ngrams": "etl.review_ngrams:ReviewNgrams",
    "vader": "etl.sentiment_backends:Vader",
    "none": "etl.sentiment_backends:Indifferent",
}
"""Backends by name, as `module:Class`; a module is imported when its backend is asked for."""


@dataclass(frozen=True)
class SentimentRules:
    """How comments are read."""

    backend: str = "snownlp"
    """`snownlp` and `ngrams` (Chinese), `vader` (English), `none` (0 for every comment), or `module:Class` of your own."""
    neutral_band: float = 0.2
    """A comment counts as positive above it, as negative below its negative, and as neither within it."""
    max_chars: int = 400
    """Characters of a comment that are read: SnowNLP's time grows with the square of a text's length."""

    def __post_init__(self) -> None:
        _check_backend(self.backend)
        if not 0 <= self.neutral_band < 1:
            raise UserError(f"sentiment neutral_band is {self.neutral_band}: scores are in [-1, 1], so give a number from 0 to below 1")
        if self.max_chars < 1:
            raise UserError(f"sentiment max_chars is {self.max_chars}: give 1 or more characters to read")


def _check_backend(backend: str) -> None:
    """Raise `UserError` where there can be no such backend. Nothing is imported: a library of words takes seconds."""
    module, colon, name = backend.partition(":")
    if backend not in BACKENDS and not colon:
        raise UserError(f'sentiment backend "{backend}" is unknown: take one of {", ".join(BACKENDS)}, or "module:Class" of your own')
    if colon and not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise UserError(f'sentiment backend "{backend}" names no class: write "module:Class" of your own, or one of {", ".join(BACKENDS)}')
    # Only the outermost package is looked for: to look further would import it.
    library = module.split(".")[0] if colon else LIBRARIES.get(backend)
    if library is not None and library not in sys.modules and find_spec(library) is None:
        raise UserError(f'sentiment backend "{backend}" needs {library!r}, which is not installed here: install it, or name another')
