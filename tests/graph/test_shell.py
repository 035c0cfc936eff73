import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from known_graph import ENTITIES, FACTS

from graph.answers import as_csv, as_json, as_table
from graph.ladybug import LadybugStore
from graph.shell import run_shell
from graph.store import QueryResult

RESULT = QueryResult(["name", "n", "l"], [("夜航星", 1, ["a"]), ('say "x", y', None, [])])


def test_json_has_objects_by_column() -> None:
    assert json.loads(as_json(RESULT)) == [{"name": "夜航星", "n": 1, "l": ["a"]}, {"name": 'say "x", y', "n": None, "l": []}]
    assert json.loads(as_json(QueryResult(["x"], []))) == []


def test_csv_has_a_header_and_quotes() -> None:
    assert as_csv(RESULT).splitlines() == ["name,n,l", '夜航星,1,"[""a""]"', '"say ""x"", y",,[]']


def test_tables_align_by_what_the_eye_sees() -> None:
    lines = as_table(RESULT).splitlines()
    assert lines[0] == "name        n     l"
    assert lines[2] == '夜航星      1     ["a"]'
    assert lines[-1] == "2 rows"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LadybugStore:
    path: Path = tmp_path_factory.mktemp("shell") / "g"
    store = LadybugStore(path)
    store.load(ENTITIES, FACTS)
    return store


def typed(text: str) -> Callable[[str], str]:
    lines = iter(text.splitlines())

    def read(prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    return read


def test_the_shell_goes_on_after_an_error(store: LadybugStore) -> None:
    out = io.StringIO()
    run_shell(
        store,
        False,
        out,
        typed("MATCH (n:Sogn) RETURN n\n\nMATCH (n:Song)\nRETURN count(n) AS n;\n:help\n:nothing\nMATCH (n) DELETE n\n:quit\nRETURN 99"),
    )
    text = out.getvalue()
    assert "error: the graph has no label Sogn" in text
    assert "n\n─\n3\n1 row" in text
    assert ":quit" in text
    assert "unknown command :nothing" in text
    assert "--write" in text
    assert "99" not in text


def test_a_text_without_an_end_is_asked_at_the_end(store: LadybugStore) -> None:
    out = io.StringIO()
    run_shell(store, False, out, typed("MATCH (n:Song)\nRETURN min(n.key) AS least"))
    assert "song:1" in out.getvalue()
