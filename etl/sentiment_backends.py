"""Sentiment backends that wrap a library, and one that says nothing."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.sentiment import Scores

CHINESE: Final = "[\u4e00-\u9fa5]"
PIECE: Final = f"{CHINESE}+|[^\u4e00-\u9fa5\\s]+"
"""Runs of Chinese characters, and of anything else between white space: SnowNLP cuts texts there before it looks for words."""


class WordModel(Protocol):
    """What SnowNLP's `Sentiment` class offers: words of a text, and naive Bayes counts of them."""

    classifier: Any

    def handle(self, doc: str) -> list[str]:
        """The words of a text without stop words."""
        ...


class SnowNlp:
    """SnowNLP's naive Bayes over words (github.com/isnowfy/snownlp), learned from reviews of books, hotels and computers.

    For simplified Chinese. The same values as `SnowNLP(text).sentiments`, as 2p - 1. Texts without Chinese characters are 0:
    SnowNLP would answer with its prior.
    """

    def __init__(self, model: WordModel | None = None) -> None:
        """`model`: one trained anew; without it the library's own, which takes seconds and 400 MB to load."""
        if model is None:
            from snownlp import sentiment  # type: ignore[import-untyped]

            model = sentiment.classifier
        self.model = model

    def score(self, texts: pl.Series) -> Scores:
        """One run of Chinese is cut into words once, however many texts hold it: finding words is nearly all of the time."""
        scores = np.zeros(len(texts), dtype=np.float32)
        readable = texts.str.contains(CHINESE).to_numpy()
        if readable.any():
            log_odds = self._prior() + self._evidence(texts.filter(pl.Series(readable)))
            scores[readable] = np.tanh(log_odds / 2)
        return scores

    def _prior(self) -> float:
        counts = self.model.classifier.d
        return float(np.log(counts["pos"].getsum()) - np.log(counts["neg"].getsum()))

    def _evidence(self, texts: pl.Series) -> npt.NDArray[np.float64]:
        """Sum over the words of each text of log p(word | pos) - log p(word | neg), `[n]`."""
        pieces = texts.str.extract_all(PIECE)
        flat = pl.DataFrame({"piece": pieces.explode()})
        distinct = flat["piece"].unique(maintain_order=True)
        table = pl.DataFrame({"piece": distinct, "evidence": [self._evidence_of_piece(piece) for piece in distinct]})
        evidence = flat.join(table, on="piece", how="left", maintain_order="left")["evidence"].to_numpy()
        ends = np.cumsum(pieces.list.len().to_numpy(), dtype=np.int64)
        return np.add.reduceat(evidence, np.append(0, ends[:-1]))

    def _evidence_of_piece(self, piece: str) -> float:
        pos, neg = self.model.classifier.d["pos"], self.model.classifier.d["neg"]
        words = self.model.handle(piece)
        return float(sum(np.log(pos.freq(word)) - np.log(neg.freq(word)) for word in words))


class Vader:
    """VADER's lexicon and rules for English (Hutto and Gilbert, ICWSM 2014): its compound score; 0 for texts without a word it knows."""

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

        self.analyser = SentimentIntensityAnalyzer()

    def score(self, texts: pl.Series) -> Scores:
        """Compound scores, `[n]`."""
        return np.array([self.analyser.polarity_scores(text)["compound"] for text in texts], dtype=np.float32)


class Indifferent:
    """Reads nothing."""

    def score(self, texts: pl.Series) -> Scores:
        """Zeros, `[n]`."""
        return np.zeros(len(texts), dtype=np.float32)
