import polars as pl
import pytest

from etl.works import works


def work_of(*titles_and_artists: tuple[str | None, str | None]) -> list[int]:
    return works(pl.DataFrame(titles_and_artists, schema={"title": pl.String, "artist": pl.String}, orient="row")).tolist()


@pytest.mark.parametrize(
    "version",
    [
        "Hello (Live)",
        "hello",
        "Hello - 2011 Remaster",
        "Hello [Deluxe Edition]",
        "Hello （现场版）",
        "Hello (Live) - Remastered",
        "Ｈｅｌｌｏ ",
    ],
)
def test_versions_of_a_title_are_one_work(version: str) -> None:
    assert work_of(("Other", "A"), ("Hello", "A"), (version, "a")) == [0, 1, 1]


@pytest.mark.parametrize("other", ["Hello (feat. B)", "Hello (X Remix)", "Hello - Part 2", "Alive", "Hello Live Forever"])
def test_other_songs_stay_their_own(other: str) -> None:
    assert work_of(("Hello", "A"), (other, "A")) == [0, 1]


def test_a_title_of_another_artist_or_without_artist_is_its_own() -> None:
    assert work_of(
        ("Hello", "A"), ("Hello", "B"), ("Hello", None), ("Hello", None), (None, "A"), (None, "A"), ("", "A"), ("", "A")
    ) == list(range(8))


def test_no_songs() -> None:
    assert work_of() == []


def test_a_title_that_is_only_a_qualifier_stays_its_own() -> None:
    assert work_of(("(Live)", "A"), ("(Live)", "A")) == [0, 1]
