import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from tiny_workspace import StandIn, with_models

from etl.behaviours import Behaviour
from etl.errors import UserError
from kg_recall.cli import invoke
from kg_recall.feedback_file import Feedback, read_feedback

LINES = """{"song_id": "12", "behaviour": "skip", "ts": 1700000000}

{"item_id": 7, "behaviour": "red_heart", "ts": "2023-11-14T22:13:21Z"}
{"artist_id": "a1", "behaviour": "block_artist"}
"""
TABLE = 'song_id, behaviour, ts, artist_id\n12,skip,,\n"7",collect,1700000000,\n,block_artist,,a1\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "acts"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(("text", "lines"), [(LINES, (1, 3, 4)), (TABLE, (2, 3, 4)), ("\ufeff" + TABLE, (2, 3, 4))])
def test_json_lines_and_csv_say_the_same(tmp_path: Path, text: str, lines: tuple[int, ...]) -> None:
    path = written(tmp_path, text)
    where = [f"{path}, line {line}" for line in lines]
    assert read_feedback(path) == [
        Feedback(where[0], Behaviour.SKIP, "12"),
        Feedback(where[1], Behaviour.COLLECT, "7"),
        Feedback(where[2], Behaviour.BLOCK_ARTIST, None, "a1"),
    ]


@pytest.mark.parametrize("text", ["", "\n \n", "song_id,behaviour\n"])
def test_a_session_that_has_only_begun(tmp_path: Path, text: str) -> None:
    assert read_feedback(written(tmp_path, text)) == []


GOOD = '{"song_id": "1", "behaviour": "skip", "ts": 5000}\n'
MISTAKES = {
    "no JSON": ('{"song_id": "1", behaviour: skip}', 2),
    "no JSON object": ("[1, 2]", 2),
    "unknown field 'song'": ('{"song": "1", "behaviour": "skip"}', 2),
    "no behaviour": ('{"song_id": "1"}', 2),
    "unknown behaviour 'hated'": ('{"song_id": "1", "behaviour": "hated"}', 2),
    "no song": ('{"behaviour": "skip"}', 2),
    "is no id": ('{"song_id": [1], "behaviour": "skip"}', 2),
    "both song_id and item_id": ('{"song_id": "1", "item_id": "1", "behaviour": "skip"}', 2),
    "goes with block_artist alone": ('{"artist_id": "a", "behaviour": "skip"}', 2),
    "may be a song or an artist": ('{"item_id": "a", "behaviour": "block_artist"}', 2),
    "is no time": ('{"song_id": "1", "behaviour": "skip", "ts": "soon"}', 2),
    "earlier than that of an act above": ('{"song_id": "1", "behaviour": "skip", "ts": 4999}', 2),
}


@pytest.mark.parametrize("says", MISTAKES)
def test_a_mistake_names_its_line(tmp_path: Path, says: str) -> None:
    text, line = MISTAKES[says]
    path = written(tmp_path, GOOD + text + "\n")
    with pytest.raises(UserError, match=says) as caught:
        read_feedback(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert "\n" not in str(caught.value)


def test_mistakes_of_a_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 1: 12,skip is no header"):
        read_feedback(written(tmp_path, "12,skip\n"))
    with pytest.raises(UserError, match="line 3: 1 values for the 2 columns song_id,behaviour"):
        read_feedback(written(tmp_path, "song_id,behaviour\n1,skip\n2\n"))
    with pytest.raises(UserError, match="line 2: unknown field 'mood'"):
        read_feedback(written(tmp_path, "song_id,behaviour,mood\n1,skip,bad\n"))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read the feedback file .*none: "):
        read_feedback(tmp_path / "none")
    (tmp_path / "raw").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_feedback(tmp_path / "raw")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trained workspace whose models nobody may need: every mistake comes before or without them."""
    with_models(tmp_path)
    module = ModuleType("kg_recall.recommender")
    monkeypatch.setitem(sys.modules, "kg_recall.recommender", module)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert invoke(["recommend", "u1", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


def test_the_command_refuses_mistakes_in_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    acts = written(models, GOOD)
    assert "--feedback is for a stream, and daily is none: add --scenario fm" in complaint(capsys, "--feedback", str(acts))
    assert "cannot read the feedback file nowhere" in complaint(capsys, "--scenario", "fm", "--feedback", "nowhere")
    acts.write_text(GOOD + "{}\n")
    assert "acts, line 2: no behaviour" in complaint(capsys, "--scenario", "fm", "--feedback", str(acts))


def test_the_command_tells_the_session_and_prints_what_comes_next(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Feedback] = []

    class Session:
        def tell_all(self, acts: list[Feedback]) -> None:
            told.extend(acts)

        def next(self, n: int) -> pl.DataFrame:
            return StandIn().recommend(np.array([0], np.int32), n, "fm, told")

    class Recommender(StandIn):
        def fm(self, user: int, repeats: str) -> Session:
            assert (user, repeats) == (0, "exclude")
            return Session()

    monkeypatch.setattr(sys.modules["kg_recall.recommender"], "Recommender", Recommender, raising=False)
    path = written(models, GOOD)
    assert invoke(["recommend", "u1", "--scenario", "fm", "-k", "2", "--repeats", "exclude", "--feedback", str(path)]) == 0
    assert capsys.readouterr().out.count("because it is fm, told") == 2
    assert told == [Feedback(f"{path}, line 1", Behaviour.SKIP, "1")]
