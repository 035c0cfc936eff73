"""The named rules by which comments are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from etl.errors import UserError

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
        if self.backend not in BACKENDS and ":" not in self.backend:
            raise UserError(
                f'sentiment backend "{self.backend}" is unknown: take one of {", ".join(BACKENDS)}, or "module:Class" of your own'
            )
        if not 0 <= self.neutral_band < 1:
            raise UserError(f"sentiment neutral_band is {self.neutral_band}: scores are in [-1, 1], so give a number from 0 to below 1")
        if self.max_chars < 1:
            raise UserError(f"sentiment max_chars is {self.max_chars}: give 1 or more characters to read")
