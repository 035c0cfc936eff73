"""How favourable a comment is, in [-1, 1], by a backend that the config names.

The scale is 2p - 1 for a backend that gives the probability p of a favourable text: -1 is surely unfavourable, 0 undecided, 1 surely
favourable. 0 also stands for what the backend can't read: no text, emoji alone, another language.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.errors import UserError
from etl.sentiment_rules import BACKENDS, SentimentRules

Scores = npt.NDArray[np.float32]


class Sentiment(Protocol):
    """A backend: a class without arguments that scores texts, each on its own, the same way each time."""

    def score(self, texts: pl.Series) -> Scores:
        """Scores in [-1, 1] of distinct texts without nulls, `[n]`; 0 where the text says nothing that the backend can read."""
        ...


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
    kind = backend_class(backend)
    try:
        return kind()
    except (ImportError, TypeError) as error:
        raise UserError(f'sentiment backend "{backend}" could not be loaded ({error}): install it, or name another') from error


def backend_class(backend: str) -> type[Sentiment]:
    """The class of `load`, not yet made one of: what it wraps is not loaded. Raises `UserError` where there is none."""
    module, _, name = BACKENDS.get(backend, backend).partition(":")
    try:
        found: type[Sentiment] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f'sentiment backend "{backend}" could not be loaded ({error}): install it, or name another') from error
    if not isinstance(found, type) or not callable(getattr(found, "score", None)):
        raise UserError(f'sentiment backend "{backend}" is no class with a method score(texts): give it one, or name another')
    return found


def _checked(scores: Scores, n: int, backend: str) -> Scores:
    """The backend's scores, which must be `[n]` and in [-1, 1]."""
    scores = np.asarray(scores, dtype=np.float32)
    if scores.shape != (n,) or not np.all(np.abs(scores) <= 1):
        raise UserError(f'sentiment backend "{backend}" gave other than one number in [-1, 1] for each text: mend its score(texts)')
    return scores
