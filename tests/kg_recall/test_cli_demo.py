import sqlite3
from pathlib import Path

import polars as pl
import pytest

from kg_recall.cli import invoke
from kg_recall.demo import chosen_listeners


def lists(*rows: tuple[str, int, list[str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"user_id": pl.String, "rank": pl.Int32, "path": pl.List(pl.String)}, orient="row")
    return frame.with_columns(reason=pl.col("path").list.join(" "))


def test_shown_listeners_have_reasons_by_a_drama_and_by_a_show() -> None:
    drama = ["song:1", "SOUNDTRACK_OF", "drama:d", "<SOUNDTRACK_OF", "song:2"]
    show = ["song:1", "SUNG_BY", "artist:a", "COMPETED_IN", "season:s/1", "SEASON_OF", "show:s", "<SEASON_OF", "season:s/2"]
    plain = ["song:1", "SUNG_BY", "artist:a", "<SUNG_BY", "song:2"]
    frame = lists(
        ("a", 1, plain), ("b", 3, drama), ("c", 2, drama), ("c", 1, show), ("d", 4, show), ("e", 1, []), ("f", 1, plain), ("f", 2, [])
    )
    assert chosen_listeners(frame) == ["c", "d", "f"]  # c crosses a drama highest, d is then the best left that crosses a show
    assert chosen_listeners(lists(("a", 1, plain), ("b", 1, plain))) == ["a", "b"]
    assert chosen_listeners(lists()) == []


def test_a_catalogue_without_events_gets_a_graph_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("music.db") as connection:
        connection.executescript(
            "CREATE TABLE songs (song_id TEXT, title TEXT); INSERT INTO songs VALUES ('1', '夜航星'), ('2', 'Harbour');"
            "CREATE TABLE artists (artist_id TEXT, name TEXT); INSERT INTO artists VALUES ('a', 'Ana');"
            "CREATE TABLE song_artists (song_id TEXT, artist_id TEXT); INSERT INTO song_artists VALUES ('1', 'a'), ('2', 'a');"
            "CREATE TABLE events (user_id TEXT, item_id TEXT, behaviour TEXT, ts INTEGER);"
        )
    (tmp_path / "kg-recall.toml").write_text('[source]\nurl = "sqlite:///music.db"\n')
    for did in ("done in", "up to date"):
        assert invoke(["run"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[:2]] == ["etl", "graph"]
        assert all(did in line for line in lines[:2])
        assert lines[2:] == [
            "the source has no events: nothing to do for embed, train, evaluate, refit; graph, cypher and path work",
        ]
    assert invoke(["path", "song:1", "song:2"]) == 0
    assert "artist:a “Ana”" in capsys.readouterr().out
    assert invoke(["recommend", "u1"]) == 2
    assert "no events" in capsys.readouterr().err
    with sqlite3.connect("music.db") as connection:
        connection.execute("INSERT INTO songs VALUES ('3', 'Tide')")
    assert invoke(["graph"]) == 0  # one step alone looks at the lake, not at the source
    assert "up to date" in capsys.readouterr().out
    assert invoke(["run", "--quiet"]) == 0
    assert invoke(["cypher", "MATCH (s:Song) RETURN count(s) AS n", "--json"]) == 0
    assert '"n": 3' in capsys.readouterr().out
