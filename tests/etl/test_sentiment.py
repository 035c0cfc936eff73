import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import UserError
from etl.review_ngrams import Model, ReviewNgrams, Reviews, counts, shipped_reviews, train
from etl.sentiment import Scores, score, signs
from etl.sentiment_backends import SnowNlp
from etl.sentiment_rules import BACKENDS, SentimentRules

CHINESE = ["snownlp", "ngrams"]
MIXED = st.text(alphabet="这首歌真好难听不没酒店差，。 \n!ab😂❤️𠀀", max_size=30)


class Counting:
    """Gives each text its length over 10, and notes what it was asked."""

    asked: list[str] = []  # noqa: RUF012

    def score(self, texts: pl.Series) -> Scores:
        Counting.asked = texts.to_list()
        return (texts.str.len_chars() / 10).to_numpy().astype(np.float32)


class OutOfScale:
    def score(self, texts: pl.Series) -> Scores:
        return np.full(len(texts), 2, dtype=np.float32)


class TooFew:
    def score(self, texts: pl.Series) -> Scores:
        return np.zeros(0, dtype=np.float32)


class NotABackend:
    pass


class NeedsMore:
    def __init__(self, more: int) -> None: ...

    def score(self, texts: pl.Series) -> Scores:
        raise NotImplementedError


def scored(texts: list[str | None], backend: str, **rules: float) -> list[float]:
    return score(pl.Series(texts, dtype=pl.String), SentimentRules(backend, **rules)).tolist()  # type: ignore[arg-type]


def test_distinct_texts_are_scored_once_and_nulls_are_empty() -> None:
    assert scored(["ab", "abc", None, "ab"], f"{__name__}:Counting") == pytest.approx([0.2, 0.3, 0.0, 0.2])
    assert Counting.asked == ["ab", "abc", ""]


def test_only_the_head_of_a_text_is_read() -> None:
    assert scored(["很" * 9, "很" * 400], f"{__name__}:Counting", max_chars=7) == pytest.approx([0.7, 0.7])
    assert Counting.asked == ["很" * 7]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"backend": "snow"}, '"snow" is unknown: take one of snownlp'),
        ({"neutral_band": 1.0}, "neutral_band is 1.0"),
        ({"neutral_band": -0.1}, "neutral_band is -0.1"),
        ({"neutral_band": float("nan")}, "neutral_band is nan"),
        ({"max_chars": 0}, "max_chars is 0"),
    ],
)
def test_a_wrong_rule_is_a_users_mistake(rules: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        SentimentRules(**rules)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", ["no_such_module:Class", f"{__name__}:NoSuchClass", f"{__name__}:", ":Class", f"{__name__}:NotABackend",
                                     f"{__name__}:NeedsMore", f"{__name__}:OutOfScale", f"{__name__}:TooFew"])  # fmt: skip
def test_a_backend_that_is_none_is_a_users_mistake(backend: str) -> None:
    with pytest.raises(UserError, match="sentiment backend") as raised:
        scored(["好听"], backend)
    assert backend in str(raised.value)
    assert "\n" not in str(raised.value)


def test_heavy_libraries_are_loaded_only_when_asked_for() -> None:
    code = (
        "import sys, polars as pl; from etl.sentiment import SentimentRules, score; score(pl.Series(['a']), SentimentRules('none'));"
        "assert not {'snownlp', 'vaderSentiment', 'etl.review_ngrams'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_signs_leave_the_band_out() -> None:
    scores = np.array([-1, -0.21, -0.2, 0, 0.2, 0.21, 1], dtype=np.float32)
    assert signs(scores, SentimentRules("none", neutral_band=float(np.float32(0.2)))).tolist() == [-1, -1, 0, 0, 0, 1, 1]
    assert signs(scores, SentimentRules("none", neutral_band=0)).tolist() == [-1, -1, -1, 0, 1, 1, 1]


def test_none_says_nothing() -> None:
    assert scored(["好听", "love it", ""], "none") == [0, 0, 0]


def test_vader_reads_english() -> None:
    good, bad, turned, blank, chinese = scored(["I love this song", "horrible noise", "not good", "", "好听"], "vader")
    assert good > 0.5 > 0 > bad
    assert turned < 0
    assert (blank, chinese) == (0, 0)


@pytest.mark.parametrize("backend", CHINESE)
def test_texts_without_chinese_are_neutral(backend: str) -> None:
    assert scored(["", " ", "😂😂", "so good", "2022", "。！", None], backend) == [0] * 7


@pytest.mark.parametrize("backend", CHINESE)
def test_plain_reviews_are_told_apart(backend: str) -> None:
    good, bad = scored(["很喜欢，非常满意，值得推荐", "太差了，很失望，浪费时间"], backend)
    assert good > 0.5
    assert bad < -0.5


@pytest.mark.parametrize("backend", CHINESE)
def test_a_very_long_text_costs_no_more_than_its_head(backend: str) -> None:
    head = "这首歌非常好听" * 60
    assert scored([head + "太差了" * 100_000], backend, max_chars=len(head)) == scored([head], backend, max_chars=len(head))


@pytest.mark.parametrize("backend", list(BACKENDS))
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(MIXED, max_size=6), order=st.randoms(use_true_random=False))
def test_a_score_is_in_scale_and_depends_on_its_text_alone(backend: str, texts: list[str], order: object) -> None:
    together = scored([*texts], backend)
    assert all(-1 <= value <= 1 for value in together)
    assert together == [scored([text], backend)[0] for text in texts]
    assert scored(texts[::-1], backend) == together[::-1]


@settings(max_examples=60, deadline=None)
@given(MIXED | st.text(max_size=20))
def test_snownlp_gives_what_the_library_gives(text: str) -> None:
    from snownlp import SnowNLP

    ours = SnowNlp().score(pl.Series([text], dtype=pl.String))[0]
    if any("\u4e00" <= character <= "\u9fa5" for character in text):
        assert ours == pytest.approx(2 * SnowNLP(text).sentiments - 1, abs=1e-6)
    else:
        assert ours == 0


def buckets(text: str) -> dict[int, float]:
    row = counts(pl.Series([text], dtype=pl.String))
    return dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))


def test_runs_of_characters_are_counted() -> None:
    assert sorted(buckets("好听").values()) == [1, 1, 1]
    assert sorted(buckets("好好好").values()) == [1, 2, 3]
    assert buckets("") == {}


def test_runs_after_a_negation_are_counted_once_more() -> None:
    plain, negated = buckets("很好听"), buckets("不好听")
    own = set(buckets("好听"))
    assert own <= set(plain) & set(negated)
    assert sum(negated.values()) - sum(plain.values()) == 3
    ended, far = buckets("不，好听"), buckets("不一二三四五六好听")
    assert sum(ended.values()) == 4 + 3 + 2
    assert set(negated) - set(buckets("不")) - own - set(buckets("不好")) - set(far)


def test_a_run_does_not_leave_its_text() -> None:
    together = counts(pl.Series(["不好", "听", "", "难"])).toarray()
    assert [row.sum() for row in together] == [2 + 1 + 1, 1, 0, 1]
    assert (together[1] == counts(pl.Series(["听"])).toarray()[0]).all()


def tiny_reviews() -> Reviews:
    good, bad = [f"喜欢{end}" for end in "甲乙丙丁"], [f"讨厌{end}" for end in "甲乙丙丁"]
    return Reviews(pl.Series(good + bad), np.arange(8) < 4)


def test_training_finds_the_minimum_of_the_penalised_loss() -> None:
    from etl.review_ngrams import PENALTY, _weighted

    model, reviews = train(tiny_reviews()), tiny_reviews()
    rows, sign = _weighted(counts(reviews.text), model.idf), np.where(reviews.favourable, 1.0, -1.0)
    pull = -sign / (1 + np.exp(sign * (rows @ model.weight)))
    assert np.abs(rows.T @ pull + PENALTY * model.weight).max() < 0.01


def test_training_learns_what_it_is_shown() -> None:
    liked, disliked, unknown = ReviewNgrams(train(tiny_reviews())).score(pl.Series(["真喜欢", "真讨厌", "一二"]))
    assert liked > 0.3
    assert disliked < -0.3
    assert unknown == 0


def test_a_text_without_evidence_is_undecided_whatever_the_mix_of_labels() -> None:
    reviews = tiny_reviews()
    mostly_good = Reviews(reviews.text[:6], reviews.favourable[:6])
    assert ReviewNgrams(train(mostly_good)).score(pl.Series(["一二"]))[0] == 0
    liked, disliked = ReviewNgrams(train(mostly_good)).score(pl.Series(["喜欢", "讨厌"]))
    assert liked == pytest.approx(-disliked, abs=0.2)


def test_training_twice_gives_the_same_model() -> None:
    one, other = train(tiny_reviews()), train(tiny_reviews())
    assert isinstance(one, Model)
    assert (one.weight == other.weight).all()


def test_shipped_reviews_are_distinct_and_of_one_label() -> None:
    reviews = shipped_reviews()
    assert reviews.text.n_unique() == len(reviews.text) == len(reviews.favourable)
    assert 0.4 < reviews.favourable.mean() < 0.6
    assert reviews.text.str.len_chars().min() >= 1  # type: ignore[operator]
