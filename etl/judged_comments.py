"""The sentiment of comments, judged once: a lake keeps what an earlier one judged by the same rules."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import polars as pl

from etl.sentiment import score
from etl.sentiment_rules import SentimentRules

JUDGE: Final = "sentiment.json"


def judged(texts: pl.Series, rules: SentimentRules, lake: Path | None) -> pl.Series:
    """`score` of texts, Float32; of those that an earlier lake in `lake` holds, judged by the same rules, the score it has."""
    known = _earlier(lake, rules)
    frame = texts.to_frame("text").join(known, on="text", how="left", maintain_order="left")
    new = frame["sentiment"].is_null()
    return frame["sentiment"].scatter(new.arg_true(), score(frame["text"].filter(new), rules)) if new.any() else frame["sentiment"]


def write_judge(lake: Path, rules: SentimentRules) -> None:
    """Note in a lake's folder by which rules its comments are judged."""
    (lake / JUDGE).write_text(json.dumps(asdict(rules)) + "\n", encoding="utf-8")


def _earlier(lake: Path | None, rules: SentimentRules) -> pl.DataFrame:
    try:
        same = lake is not None and json.loads((lake / JUDGE).read_text(encoding="utf-8")) == asdict(rules)
    except FileNotFoundError:
        same = False
    if lake is None or not same:
        return pl.DataFrame(schema={"text": pl.String, "sentiment": pl.Float32})
    return pl.read_parquet(lake / "comments.parquet", columns=["text", "sentiment"]).unique("text", keep="first")
