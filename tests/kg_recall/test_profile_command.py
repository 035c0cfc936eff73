import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fake_steps import context_at
from profile_house import ARTIST_X, DAY, KEYS, START, lake, log, played
from rich.cells import cell_len

from etl.behaviours import Behaviour
from etl.events import Events
from etl.lake import ROBOT_SCHEMA, Lake
from etl.session_rules import SessionRules
from kg_recall.cli import invoke
from kg_recall.near_ids import near_ids
from kg_recall.profile import ListenerProfile
from kg_recall.profile_changes import changed_shares
from kg_recall.profile_page import page
from kg_recall.profile_reader import ProfileReader
from kg_recall.steps import STEP

USERS = pl.DataFrame({"user_id": ["u0", "u1", "u2", "u3"], "gender": [None, "female", None, "male"], "plan": ["free", None, None, None]})


def events() -> Events:
    rows: list[tuple[Any, ...]] = []
    for day in range(6):
        rows += played(0, 0, START + day * DAY, Behaviour.FULL_PLAY, 10 * day)
        rows += [(0, 0, Behaviour.EXPOSURE, START + day * DAY, 1.0, 10 * day + 1)]
    for day in (6, 7):
        rows += played(0, 1, START + day * DAY + 3_600, Behaviour.SKIP, 10 * day)
    rows += [(0, 0, Behaviour.COLLECT, START + 8 * DAY, 1.0, 80), (0, 0, Behaviour.SHARE, START + 8 * DAY, 1.0, 81)]
    rows += [(0, 1, Behaviour.DISLIKE, START + 9 * DAY, 1.0, 90), (0, ARTIST_X, Behaviour.BLOCK_ARTIST, START + 9 * DAY, 1.0, 91)]
    rows += [(2, 2, Behaviour.FULL_PLAY, START + 9 * DAY, 1.0, 92)]
    return log(rows)


def house() -> Lake:
    return lake(events(), users=USERS)


def read(user: int = 0, **reader: Any) -> ListenerProfile:
    return ProfileReader(**reader).read(house(), user)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a config and a workspace that has run `etl`."""
    workspace_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def workspace_of(folder: Path, text: str = "") -> None:
    context, etl = context_at(folder, text), STEP["etl"]
    files = [output for output in etl.outputs if output.endswith((".json", ".md"))]
    with (
        context.workspace.writing(context.settings.source_url()),
        context.workspace.publish("etl", "stand-in", {}, ("lake", *files), etl.hashed) as draft,
    ):
        house().write(draft / "lake")
        for name in files:
            (draft / name).parent.mkdir(exist_ok=True)
            (draft / name).write_text("{}")


def test_the_page_reads_as_a_portrait(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["profile", "u0"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "u0  plan free, as of 2020-09-22"
    assert "8 plays of 2 songs, 75 % of them repeats." in text
    assert "75 % heard to the end, 25 % skipped." in text
    assert "1 heart, 1 share" in text
    likes, dislikes = text[text.index("LIKES") : text.index("DISLIKES")], text[text.index("DISLIKES") :]
    assert "folk" in likes
    assert "6 plays, 1 heart, shared once" in likes
    assert "2 plays, 2 skips, 1 refusal" in dislikes
    assert "artist blocked  x" in dislikes
    assert "One · X, Y" in dislikes  # the favourites
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_json_says_the_same_as_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["profile", "u0", "--json", "-k", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["activity"]["plays"] == 8
    assert [taste["name"] for taste in told["likes"]["artist"]] == ["y"]
    assert told["likes"]["style"][0]["example"] == {"key": "song:1", "title": "One", "artist": "X, Y"}
    assert told["dislikes"]["artist"][0]["key"] == "artist:x"
    assert [refusal["behaviour"] for refusal in told["blocked"]] == ["block_artist", "dislike"]
    assert sum(told["activity"]["hours"]) == pytest.approx(1)


def test_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    workspace_of(tmp_path, '[recommend]\nlanguage = "zh"\nnow = 2020-09-20T00:00:00Z\n')
    monkeypatch.chdir(tmp_path)
    assert invoke(["profile", "u0"]) == 0
    text = capsys.readouterr().out
    assert "喜欢" in text
    assert "风格" in text
    assert "截至2020-09-20" in text
    assert "不再推荐" not in text  # the refusals come later than now
    assert "LIKES" not in text
    assert "《One》 X, Y" in text
    assert "100%" in text


def test_unknown_and_silent_users(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["profile", "u9"]) == 2
    assert "u0, u1, u2" in (said := capsys.readouterr().err)
    assert said.count("\n") == 1
    assert invoke(["profile", "u1"]) == 0
    assert capsys.readouterr().out == "u1  female, as of 2020-09-22\nNo events yet, so nothing is known of taste.\n"
    assert invoke(["profile", "u2"]) == 0
    assert "Nothing liked has a known artist" in capsys.readouterr().out
    assert invoke(["profile", "u0", "-k", "0"]) == 2


def test_nothing_after_now_has_a_part() -> None:
    early = read(now=START + 5 * DAY)
    assert early.activity is not None
    assert early.activity.plays == 6
    assert (early.dislikes, early.blocked, early.now) == ({}, [], START + 5 * DAY)
    assert read(now=START - 1).activity is None


def test_ordinal_time_has_no_clock() -> None:
    told = read(ordinal=True)
    assert told.activity is not None
    assert (told.now, told.activity.since, told.activity.hours, told.activity.weekdays) == (None, None, None, None)
    assert {refusal.ts for refusal in told.blocked} == {None}
    text = page(told, "en", 5)
    assert "UTC" not in text
    assert "LAST 50 EVENTS" in text


def test_what_the_source_does_not_tell_is_not_told() -> None:
    rows = [row for place in range(3) for row in played(0, 1, START + place, Behaviour.FULL_PLAY, place)]
    told = ProfileReader().read(lake(log(rows)), 0)
    assert told.activity is not None
    assert (told.activity.full_play_rate, told.activity.skip_rate, told.activity.scenes) == (None, None, {})
    assert "heard to the end" not in page(told, "en", 5)


def test_a_robot_is_named_and_its_plays_are_no_taste() -> None:
    spans = [(0, START, START + 5 * DAY, "robot", "never pauses"), (3, START, START, "background", "an empty room")]
    robots = pl.DataFrame(spans, schema=ROBOT_SCHEMA, orient="row")
    service = house()
    flagged = (service.events.ts <= START + 5 * DAY).astype(np.int8) * 3
    told = ProfileReader().read(replace(service, robots=robots, flag=flagged), 0)
    assert [span["kind"] for span in told.robot] == ["robot"]
    assert told.activity is not None
    assert told.activity.plays == 8
    assert told.likes["style"][0].plays == 0
    assert told.likes["style"][0].positive < read().likes["style"][0].positive
    assert "Taken for a robot, 2020-09-13 to 2020-09-18: never pauses." in page(told, "en", 5)
    assert "never pauses" in page(told, "zh", 5)
    everything = ProfileReader().read(replace(service, robots=robots, flag=np.full_like(flagged, 3)), 0)
    assert everything.likes == everything.dislikes == {}
    assert "Nothing liked" not in page(everything, "en", 5)
    assert "Playing to nobody" in page(ProfileReader().read(replace(service, robots=robots), 3), "en", 5)


def test_a_comment_counts_by_its_own_sentiment() -> None:
    rows = [(0, 1, Behaviour.COMMENT, START, 1.0, 0), (2, 1, Behaviour.COMMENT, START, 1.0, 1), (2, 1, Behaviour.DISLIKE, START, 1.0, 2)]
    comments = pl.DataFrame(
        [(0, 1, START, "love", 1.0), (2, 1, START, "no", -1.0)], schema=["user", "item", "ts", "text", "sentiment"], orient="row"
    )
    comments = comments.cast({"user": pl.Int32, "item": pl.Int32, "sentiment": pl.Float32})
    told = ProfileReader().read(lake(log(rows), comments), 2)
    assert told.likes == {}
    assert told.dislikes["artist"][0].negative == pytest.approx(5)


def test_shares_bars_and_evidence_agree() -> None:
    told = read()
    artists = {taste.name: taste for taste in told.likes["artist"]}
    assert artists["y"].share == pytest.approx(0.5)  # both sing the one song that is liked
    assert "x" not in artists  # who is blocked is not liked, however often they were heard before
    styles = told.likes["style"]
    assert [(taste.name, taste.share, taste.plays, taste.songs, taste.hearts, taste.shared) for taste in styles] == [
        ("folk", 1, 6, 1, 1, 1)
    ]
    assert told.likes["scene"][0].plays == 1  # the tag holds from the sixth day on
    assert list(told.likes) == ["artist", "album", "style", "scene"]
    assert {taste.name for taste in told.dislikes["artist"]} == {"x"}
    assert told.dislikes["artist"][0].example is None


def test_on_a_narrow_terminal_texts_are_cut_and_numbers_stay() -> None:
    lines = page(read(), "en", 5, width=60).splitlines()
    assert max(map(cell_len, lines)) <= 60
    folk = next(line for line in lines if "folk" in line)
    assert "style" in folk
    assert "100 %  ████████████" in folk
    assert "One" not in folk  # examples need room
    assert "…" in folk


def test_changes_count_days_and_not_evenings() -> None:
    def likings(days: int, value: int, *, recent: bool, each: int = 1) -> pl.DataFrame:
        day = [day + 100 * recent for day in range(days) for _ in range(each)]
        return pl.DataFrame({"facet": "style", "value": value, "recent": recent, "day": day})

    steady = [likings(20, 1, recent=False), likings(20, 1, recent=True)]
    found = changed_shares(pl.concat([*steady, likings(20, 2, recent=True)]))
    assert found.select("value", "before", "recent").rows() == [(1, 1.0, 0.5), (2, 0.0, 0.5)]
    assert found["z"].to_list() == pytest.approx([-(0.5 / (2 / 3 * 1 / 3 / 10) ** 0.5), 0.5 / (2 / 3 * 1 / 3 / 10) ** 0.5], rel=1e-6)
    assert changed_shares(pl.concat([*steady, likings(1, 2, recent=True, each=5)])).is_empty()
    assert changed_shares(pl.concat([likings(3, 1, recent=False), likings(20, 2, recent=True)])).is_empty()
    assert changed_shares(pl.concat(steady)).is_empty()


def test_near_ids() -> None:
    ids = pl.Series(["anna", "Anne", "bob", "u1", "u10", "u2"])
    assert near_ids(ids, "ANN") == ["Anne", "anna"]
    assert near_ids(ids, "u11")[0] == "u1"
    assert near_ids(ids, "[.*") == near_ids(ids, "zzz") == []
    assert near_ids(ids.clear(), "u1") == []
    assert KEYS[ARTIST_X] == "artist:x"


def test_sessions_follow_their_rules() -> None:
    plays = [(0, song, Behaviour.PLAY, START + at) for at, song in ((0, 0), (300, 1), (600, 0), (9_000, 1), (9_300, 0))]
    listened = lake(log(plays))
    told = ProfileReader().read(listened, 0).activity
    assert told is not None
    assert (told.sessions, told.plays_a_session) == (2, 2.5)
    whole = ProfileReader(sessions=SessionRules(gap=0, max_duration=0)).read(listened, 0).activity
    assert whole is not None
    assert (whole.sessions, whole.plays_a_session) == (1, 5.0)
