import json
import os
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa
import strange_schemas
import stranger_schemas
from hypothesis import given
from hypothesis import strategies as st

from kg_recall.cli import invoke
from kg_recall.init import shown_url
from kg_recall.proposal_text import comment, toml_string
from kg_recall.settings import Settings
from kg_recall.source_url import resolve_url

SECRET = "s3cret/w@rd"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def out(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    """Lines that a command prints, errors too."""
    assert invoke(arguments) == code
    printed = capsys.readouterr()
    return (printed.out + printed.err).splitlines()


def lake_report(folder: Path) -> dict[str, dict[str, object]]:
    report: dict[str, dict[str, object]] = json.loads((folder / "kg-recall-workspace" / "reports" / "etl.json").read_text())
    return report


@pytest.mark.parametrize("schema", ["renamed", "chinese", "shop", "star", "hostile"])
def test_the_written_config_works(folder: Path, capsys: pytest.CaptureFixture[str], schema: str) -> None:
    strange_schemas.write(folder / "music.db", getattr(strange_schemas, schema)())
    lines = out(capsys, "init", "--source", "sqlite:///music.db")
    assert lines[-1] == "kg-recall.toml written: read it, correct it, then run `kg-recall etl`"
    assert Settings.load(folder / "kg-recall.toml").source.url == "sqlite:///music.db"
    out(capsys, "etl")
    report = lake_report(folder)
    assert not any(report["rejected"].values())
    assert report["kept"]["songs"] in (60, 40)


def test_the_file_tells_its_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange_schemas.write(folder / "music.db", strange_schemas.renamed())
    out(capsys, "init", "--source", "sqlite:///music.db")
    text = (folder / "kg-recall.toml").read_text(encoding="utf-8")
    for line in (
        "#   songs             sure     `tracks`",
        "# songs: sure. named like songs; primary key `id`; of music: table `albums`",
        "#     duration_ms   `length_seconds`: named like it; values 125…394, in seconds → × 1000",
        "#     position      `position`: has the contract's name",
        "#     behaviour     (fixed): every row of `favourites` is a collect, by its name",
        "#   and `listens` (300 rows)",
        "#     not found: popularity",
        "#   sample: song_id=1, title=Track 1, album_id=2, language=en, release_date=2001-05-01, duration_ms=252000",
        "#   dramas: no table that is named like dramas and has a key",
        "#   table `schema_migrations` (2 rows): version",
        "#   columns of `listeners`: email",
    ):
        assert line in text.splitlines(), line
    assert "@mail.example" not in text


def test_a_gap_is_named_and_is_no_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange_schemas.write(folder / "other.db", strange_schemas.hospital())
    lines = out(capsys, "init", "--source", "sqlite:///other.db")
    assert lines[-1] == (
        "kg-recall.toml written with a gap: no table for `songs` and `events` was found; nothing in it speaks of music; "
        "the file says what to write there"
    )
    text = (folder / "kg-recall.toml").read_text()
    assert "# GAP: nothing in the names or values of this database speaks of music, so no table was taken for songs" in text
    example = next(line for line in text.splitlines() if line.startswith("# songs ="))
    assert tomllib.loads(example[2:])["songs"].startswith("SELECT your_song_id AS song_id, your_title AS title")
    assert "no table `songs`" in out(capsys, "etl", code=2)[-1]


def test_tables_of_the_contracts_names_that_hold_something_else_are_left_unread(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = strange_schemas.renamed() | {"dramas": ("line TEXT", [("To be",)]), "Comments": ("on_page TEXT", [("x",)])}
    strange_schemas.write(folder / "music.db", tables)
    out(capsys, "init", "--source", "sqlite:///music.db")
    assert tomllib.loads((folder / "kg-recall.toml").read_text())["source"]["tables"]["dramas"] == ""
    out(capsys, "etl")
    assert "dramas" not in lake_report(folder)["read"]


def test_no_file_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange_schemas.write(folder / "music.db", strange_schemas.star())
    (folder / "kg-recall.toml").write_text("mine")
    said = out(capsys, "init", "--source", "sqlite:///music.db", code=2)
    assert said == ["kg-recall: kg-recall.toml exists and is left as it is: name another file with -c, or move this one away"]
    assert (folder / "kg-recall.toml").read_text() == "mine"


def test_the_file_may_lie_elsewhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A path typed relative to the current folder is written relative to the config."""
    strange_schemas.write(folder / "mu sic%.db", stranger_schemas.sessions())
    (folder / "deep").mkdir()
    out(capsys, "init", "--source", "sqlite:///mu sic%.db", "-c", "deep/own.toml")
    assert Settings.load(folder / "deep" / "own.toml").source.url.startswith("sqlite:///../mu sic")
    out(capsys, "etl", "-c", "deep/own.toml")
    assert "cannot write" in out(capsys, "init", "--source", "sqlite:///mu sic%.db", "-c", "nowhere/own.toml", code=2)[-1]
    assert "no database file" in out(capsys, "init", "--source", "sqlite:///none.db", "-c", "x.toml", code=2)[-1]
    assert sorted(os.listdir(folder)) == ["deep", "mu sic%.db"]


def test_a_password_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = sa.URL.create("postgresql+psycopg", "me", SECRET, "host", 5432, "mu/sic", {"sslpassword": SECRET, "application_name": "x"})
    source = typed.render_as_string(hide_password=False)
    shown, names = shown_url(source, resolve_url(source, tmp_path, {}, literal_password=True), tmp_path / "kg-recall.toml")
    assert SECRET not in shown
    assert "s3cret" not in shown
    assert names == ["KG_RECALL_SOURCE_PASSWORD"]
    back = sa.make_url(resolve_url(shown, tmp_path, {"KG_RECALL_SOURCE_PASSWORD": SECRET}).url)
    assert (back.password, back.host, back.database, back.query["application_name"]) == (SECRET, "host", "mu/sic", "x")

    named = "mysql://me:${MY_WORD}@host/music"
    url = resolve_url(named, tmp_path, {"MY_WORD": SECRET}, literal_password=True)
    assert shown_url(named, url, tmp_path / "kg-recall.toml") == (named, ["MY_WORD"])


def test_a_server_that_is_not_there_says_so_without_the_password(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = out(capsys, "init", "--source", "postgresql://me:hush-hush@127.0.0.1:1/music", code=2)
    assert "check that the server runs" in said[-1]
    assert "hush-hush" not in said[-1]
    assert not (folder / "kg-recall.toml").exists()


@given(st.text())
def test_any_text_is_a_toml_string_and_a_comment(text: str) -> None:
    text = text.replace("\r\n", "\n")
    written = f"{comment(text)}\nvalue = {toml_string(text)}\n"
    assert tomllib.loads(written) == {"value": f"{text}\n" if "\n" in text else text}
