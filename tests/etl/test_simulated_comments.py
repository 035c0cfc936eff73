import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.simulation.comment_phrases import TEMPLATES
from etl.simulation.comments import STYLES, compose, write

N = 30_000


@pytest.fixture(scope="module")
def comments() -> pl.DataFrame:
    mood = np.repeat(np.array([-1, 0, 1], dtype=np.int8), N // 3)
    return compose(np.random.default_rng(3), mood).with_columns(mood=pl.Series(mood))


def share(comments: pl.DataFrame, of: pl.Expr, among: pl.Expr | None = None) -> float:
    return float(comments.filter(True if among is None else among).select(of.mean()).item())


def test_shares_of_each_mood_sum_to_one() -> None:
    for templates in TEMPLATES.values():
        assert sum(template.share for template in templates) == pytest.approx(1.0)


def test_each_mood_has_its_own_texts(comments: pl.DataFrame) -> None:
    moods_of_text = comments.group_by("text").agg(pl.col("mood").n_unique())["mood"]
    assert moods_of_text.max() == 1


def test_thousands_of_distinct_texts_for_each_mood(comments: pl.DataFrame) -> None:
    distinct = comments.group_by("mood").agg(pl.col("text").n_unique())["text"]
    assert distinct.min() > 5_000  # type: ignore[operator]


def test_irony_is_six_percent_of_the_negative(comments: pl.DataFrame) -> None:
    irony = pl.col("style") == "irony"
    assert share(comments, irony, pl.col("mood") == -1) == pytest.approx(0.06, abs=0.01)
    assert comments.filter(irony)["mood"].unique().to_list() == [-1]


def test_a_fifth_of_each_mood_turns_on_a_negation(comments: pl.DataFrame) -> None:
    for mood in TEMPLATES:
        assert share(comments, pl.col("style") == "negation", pl.col("mood") == mood) == pytest.approx(0.2, abs=0.02)


def test_negation_is_where_the_style_says_so(comments: pl.DataFrame) -> None:
    assert share(comments, pl.col("text").str.contains("[不没]") == (pl.col("style") == "negation")) == 1.0


def test_no_part_is_missing_or_left_blank(comments: pl.DataFrame) -> None:
    parts = [part for templates in TEMPLATES.values() for template in templates for slot in template.slots for part in slot]
    assert not any("|" in part or "\n" in part or part != part.lstrip("\n") for part in parts)
    assert comments["text"].null_count() == 0
    assert comments["text"].str.len_chars().min() >= 1  # type: ignore[operator]


def test_some_have_emoji_some_english_some_neither(comments: pl.DataFrame) -> None:
    emoji, english = pl.col("text").str.contains(r"\p{Extended_Pictographic}"), pl.col("text").str.contains("[A-Za-z]{3}")
    assert 0.1 < share(comments, emoji) < 0.4
    assert 0.03 < share(comments, english) < 0.2
    assert set(comments["style"].unique()) == set(STYLES)


def test_write_gives_texts_and_irony() -> None:
    mood = np.array([-1, 0, 1, -1] * 300, dtype=np.int8)
    texts, ironic = write(np.random.default_rng(0), mood)
    composed = compose(np.random.default_rng(0), mood)
    assert texts.to_list() == composed["text"].to_list()
    assert ironic.tolist() == [style == "irony" for style in composed["style"]]
    assert ironic.any()


def test_no_rows() -> None:
    texts, ironic = write(np.random.default_rng(0), np.zeros(0, dtype=np.int8))
    assert (texts.dtype, len(texts), ironic.shape) == (pl.String, 0, (0,))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=40), st.integers(0, 2**32 - 1))
def test_every_row_has_a_text_of_its_mood_and_the_seed_decides(moods: list[int], seed: int) -> None:
    mood = np.array(moods, dtype=np.int8)
    once, again = (compose(np.random.default_rng(seed), mood) for _ in range(2))
    assert once.equals(again)
    assert once.height == len(moods)
    for value, style in zip(moods, once["style"], strict=True):
        assert style in {template.style for template in TEMPLATES[value]}
