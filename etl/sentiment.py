"""How favourable a comment is, in [-1, 1], by a backend that the config names.

The scale is 2p - 1 for a backend that gives the probability p of a favourable text: -1 is surely unfavourable, 0 undecided, 1 surely
favourable. 0 also stands for what the backend can't read: no text, emoji alone, another language.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.errors import UserError

Scores = npt.NDArray[np.float32]


class Sentiment(Protocol):
    """A backend: a class without arguments that scores texts, each on its own, the same way each time."""

    def score(self, texts: pl.Series) -> Scores:
        """Scores in [-1, 1] of distinct texts without nulls, `[n]`; 0 where the text says nothing that the backend can read."""
        ...


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


def score(texts: pl.Series, rules: SentimentRules) -> Scores:
    """The sentiment of each of `texts`, `[n]` in [-1, 1]; each distinct text is scored once, a null is 0."""
    heads = pl.DataFrame({"text": texts.cast(pl.String).fill_null("").str.head(rules.max_chars)})
    distinct = heads["text"].unique(maintain_order=True)
    table = pl.DataFrame({"text": distinct, "score": _checked(load(rules.backend).score(distinct), len(distinct), rules.backend)})
    return heads.join(table, on="text", how="left", maintain_order="left")["score"].to_numpy()


def signs(scores: Scores, rules: SentimentRules) -> npt.NDArray[np.int8]:
    """1 above the neutral band, -1 below it, 0 within it, `[n]`."""
    return np.where(np.abs(scores) > rules.neutral_band, np.sign(scores), 0).astype(np.int8)


def load(backend: str) -> Sentiment:
    """The backend of a name of `BACKENDS`, or of `module:Class`. Raises `UserError` where there is none."""
    module, _, name = BACKENDS.get(backend, backend).partition(":")
    try:
        found: Sentiment = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UserError(f'sentiment backend "{backend}" could not be loaded ({error}): install it, or name another') from error
    if not callable(getattr(found, "score", None)):
        raise UserError(f'sentiment backend "{backend}" has no method score(texts): give it one, or name another')
    return found


def _checked(scores: Scores, n: int, backend: str) -> Scores:
    """The backend's scores, which must be `[n]` and in [-1, 1]."""
    scores = np.asarray(scores, dtype=np.float32)
    if scores.shape != (n,) or not np.all(np.abs(scores) <= 1):
        raise UserError(f'sentiment backend "{backend}" gave other than one number in [-1, 1] for each text: mend its score(texts)')
    return scores
