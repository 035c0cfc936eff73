import sqlite3
import tomllib
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from etl.config_out import EvaluateDefaults, write_config
from etl.errors import UserError
from etl.tables_out import open_writer, parse_url, without_secret, write_tables

TABLES = {
    "songs": pl.DataFrame({"song_id": ["1", "2"], "title": ["夜航", None], "popularity": [0.5, 1.0]}),
    "events": pl.DataFrame(schema={"user_id": pl.String, "ts": pl.Int64, "is_organic": pl.Boolean}),
}


def test_every_row_and_type_comes_back(tmp_path: Path) -> None:
    write_tables(f"sqlite:///{tmp_path}/deep/music.db", TABLES)
    with sqlite3.connect(tmp_path / "deep" / "music.db") as connection:
        assert connection.execute("SELECT song_id, title, popularity FROM songs").fetchall() == [("1", "夜航", 0.5), ("2", None, 1.0)]
        assert connection.execute("SELECT * FROM events").fetchall() == []
        assert [row[2] for row in connection.execute("PRAGMA table_info(events)")] == ["TEXT", "BIGINT", "BOOLEAN"]


def test_a_filled_database_is_refused_and_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/music.db"
    write_tables(url, TABLES)
    before = (tmp_path / "music.db").read_bytes()
    with pytest.raises(UserError, match="already holds the table events"):
        write_tables(url, TABLES)
    assert (tmp_path / "music.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["music.db"]


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    (tmp_path / "music.db").touch()
    write_tables(f"sqlite:///{tmp_path}/music.db", TABLES)
    assert (tmp_path / "music.db").stat().st_size > 0


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "music.db").write_text("not a database, but long enough to look like a file of one" * 20)
    with pytest.raises(UserError, match="file is not a database"):
        write_tables(f"sqlite:///{tmp_path}/music.db", TABLES)


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no SQL type"):
        write_tables(f"sqlite:///{tmp_path}/music.db", {**TABLES, "odd": pl.DataFrame({"x": [[1]]})})
    assert list(tmp_path.iterdir()) == []


def test_rows_are_appended_in_order(tmp_path: Path) -> None:
    rows = pl.DataFrame({"n": range(7), "known": [True, None] * 3 + [False], "nothing": [None] * 7})
    with open_writer(f"sqlite:///{tmp_path}/music.db", ["numbers"]) as writer:
        writer.create("numbers", rows.schema)
        for part in (rows[:3], rows[3:3], rows[3:]):
            writer.append("numbers", part)
        assert not (tmp_path / "music.db").exists()
    with sqlite3.connect(tmp_path / "music.db") as connection:
        assert (
            connection.execute("SELECT * FROM numbers ORDER BY rowid").fetchall() == rows.with_columns(pl.col("known").cast(pl.Int8)).rows()
        )


def broken_off(url: str) -> None:
    with open_writer(url, TABLES) as writer:
        writer.create("songs", TABLES["songs"].schema)
        writer.append("songs", TABLES["songs"])
        raise RuntimeError("no more")


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no more"):
        broken_off(f"sqlite:///{tmp_path}/music.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="name a place you may write to"):
        write_tables(f"sqlite:///{tmp_path}/file/music.db", TABLES)


@pytest.mark.parametrize("url", ["music.db", "sqlite://", "sqlite:///:memory:", ""])
def test_what_is_no_database_url_is_refused(url: str) -> None:
    with pytest.raises(UserError, match=r"sqlite:///music\.db"):
        parse_url(url)


def test_an_unknown_dialect_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="use sqlite, postgresql"):
        write_tables("oraculum://host/db", TABLES)


def test_a_refused_server_is_one_line_without_the_password() -> None:
    with pytest.raises(UserError) as caught:
        write_tables("postgresql+psycopg://me:hush@127.0.0.1:1/db?connect_timeout=2", TABLES)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_secret_of_a_broken_url_is_shown() -> None:
    assert without_secret("pg//me:hush@host") == "pg//***@host"


def test_config_lies_beside_the_file_with_a_relative_url(tmp_path: Path) -> None:
    message = write_config(f"sqlite:///{tmp_path}/music.db", EvaluateDefaults("random", 0.2, 0.3, why="because"))
    config = tomllib.loads((tmp_path / "kg-recall.toml").read_text(encoding="utf-8"))
    assert config == {"source": {"url": "sqlite:///music.db"}, "evaluate": {"split": "random", "test_share": 0.2, "valid_share": 0.3}}
    assert "# because" in (tmp_path / "kg-recall.toml").read_text(encoding="utf-8")
    assert str(tmp_path / "kg-recall.toml") in message


def test_config_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kg-recall.toml").write_text("seed = 7\n")
    message = write_config(f"sqlite:///{tmp_path}/music.db", EvaluateDefaults("last"))
    assert (tmp_path / "kg-recall.toml").read_text() == "seed = 7\n"
    assert "left as it is" in message
    assert "last" in message


def test_config_of_a_server_takes_the_password_from_the_environment(tmp_path: Path) -> None:
    write_config("postgresql+psycopg://me:hush@host/db", EvaluateDefaults(), folder=tmp_path)
    text = (tmp_path / "kg-recall.toml").read_text()
    assert "hush" not in text
    assert tomllib.loads(text)["source"]["url"] == "postgresql+psycopg://me:${KG_RECALL_SOURCE_PASSWORD}@host/db"


def test_config_of_a_server_without_a_password_names_none(tmp_path: Path) -> None:
    write_config("postgresql+psycopg://me:@host/db", EvaluateDefaults(), folder=tmp_path)
    assert tomllib.loads((tmp_path / "kg-recall.toml").read_text())["source"]["url"] == "postgresql+psycopg://me@host/db"


def test_config_goes_to_the_current_directory_for_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config("mysql+pymysql://host/db", EvaluateDefaults())
    assert sa.make_url(tomllib.loads((tmp_path / "kg-recall.toml").read_text())["source"]["url"]).host == "host"
