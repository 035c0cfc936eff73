from pathlib import Path

import polars as pl
import pytest

from etl.errors import UserError
from etl.imports.cm100k import ANSWER_SECONDS, import_cm100k
from etl.imports.source import END_TS

ITEMS = "Item\tUrl\tTitle\tArtist\n7\thttp://x\tOne\tAsha\n8\thttp://y\tTwo\tAsha\n9\thttp://z\tThree\tBjörk\n"


def ratings(folder: Path, text: str) -> Path:
    (folder / "items.txt").write_text(ITEMS, encoding="utf-8")
    (folder / "ratings.txt").write_text(text, encoding="utf-8")
    return folder


def test_a_rating_is_an_exposure_and_what_the_answer_amounts_to(tmp_path: Path) -> None:
    source = import_cm100k(ratings(tmp_path, "1\t7\t4\t1\n1\t8\t2\t0\n1\t9\t1\t0\n2\t8\t3\t0\n"))
    events, answer = source.tables["events"], ANSWER_SECONDS
    assert events.filter(user_id="1").rows() == [
        ("1", "7", "play", END_TS - 480 - 720),
        ("1", "7", "exposure", END_TS - 480),
        ("1", "7", "full_play", END_TS - 480 + answer),
        ("1", "7", "collect", END_TS - 480 + answer),
        ("1", "8", "exposure", END_TS - 240),
        ("1", "9", "exposure", END_TS),
        ("1", "9", "dislike", END_TS + answer),
    ]
    assert events.filter(user_id="2")["behaviour"].to_list() == ["exposure", "full_play"]
    assert events["ts"].is_sorted()
    assert source.tables["song_artists"].rows() == [("7", "Asha"), ("8", "Asha"), ("9", "Björk")]
    assert source.tables["artists"].rows() == [("Asha", "Asha"), ("Björk", "Björk")]
    assert source.evaluate.split == "last"


def test_what_is_no_rating_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a rating is 5, expected 1 to 4"):
        import_cm100k(ratings(tmp_path, "1\t7\t5\t0\n"))
    with pytest.raises(UserError, match="column rating holds 'x'"):
        import_cm100k(ratings(tmp_path, "1\t7\tx\t0\n"))


@pytest.mark.real_data
def test_cm100k(data_dir: Path) -> None:
    tables = import_cm100k(data_dir / "cm100k").tables
    assert (tables["users"].height, tables["songs"].height) == (1_054, 1_084)
    of = dict(tables["events"].group_by("behaviour").len().rows())
    assert of == {"exposure": 103_584, "play": 11_594, "full_play": 29_624, "collect": 6_288, "dislike": 41_115}
    first = (
        tables["events"]
        .group_by("user_id")
        .agg(
            pl.col("ts").filter(pl.col("behaviour") == "exposure").min().alias("asked"),
            pl.col("ts").filter(pl.col("behaviour") == "play").max(),
        )
    )
    assert (first["ts"].fill_null(0) < first["asked"]).all()
