import subprocess
import sys
from pathlib import Path

import fake_steps
import pytest
from fake_steps import FIRST, SECOND, STEPS, context_at, tree
from source_house import house, write_sqlite

from etl.errors import UserError
from kg_recall.runner import run_steps
from kg_recall.steps import STEP, flow, serving_step
from kg_recall.steps import STEPS as REAL_STEPS


def did(folder: Path, text: str = "") -> dict[str, str]:
    """Run both fake steps and say what became of each; the calls that were really made must agree."""
    fake_steps.CALLS.clear()
    outcomes = {outcome.step: outcome.did for outcome in run_steps(context_at(folder, text), STEPS)}
    assert [step for step, what in outcomes.items() if what == "done"] == fake_steps.CALLS
    return outcomes


DONE, NOTHING = {"etl": "done", "graph": "done"}, {"etl": "up to date", "graph": "up to date"}


def test_what_is_up_to_date_is_not_run_again(tmp_path: Path) -> None:
    assert did(tmp_path) == DONE
    before = tree(tmp_path)
    assert did(tmp_path) == NOTHING
    assert tree(tmp_path) == before


def test_a_setting_rebuilds_the_steps_that_depend_on_it(tmp_path: Path) -> None:
    did(tmp_path)
    assert did(tmp_path, 'graph.store = "neo4j"') == {"etl": "up to date", "graph": "done"}
    assert did(tmp_path, 'graph.store = "neo4j"\nrecommend.language = "zh"') == DONE
    assert did(tmp_path, 'graph.store = "neo4j"\nrecommend.language = "zh"\nrecommend.repeats = "exclude"') == NOTHING


def test_a_rebuild_that_gives_the_same_bytes_ends_there(tmp_path: Path) -> None:
    did(tmp_path)
    # The seed is in the report, which nothing reads: the lake stays the same.
    assert did(tmp_path, "seed = 5") == {"etl": "done", "graph": "up to date"}
    assert did(tmp_path, "seed = 5") == NOTHING


@pytest.mark.parametrize(
    ("part", "rebuilt"),
    [
        ("lake", "etl"),
        ("lake/a.txt", "etl"),
        ("reports", "etl"),
        ("reports/etl.json", "etl"),
        ("steps/etl.json", "etl"),
        ("graph", "graph"),
        ("graph/deep/c.txt", "graph"),
        ("steps/graph.json", "graph"),
    ],
)
def test_what_a_person_deletes_is_rebuilt_and_nothing_else(tmp_path: Path, part: str, rebuilt: str) -> None:
    did(tmp_path)
    before = tree(tmp_path)
    path = tmp_path / "kg-recall-workspace" / part
    for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
        file.unlink()
    assert did(tmp_path) == NOTHING | {rebuilt: "done"}
    assert tree(tmp_path) == before


def test_a_new_version_rebuilds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    did(tmp_path)
    monkeypatch.setattr("kg_recall.runner.version", lambda _: "999")
    assert did(tmp_path)["etl"] == "done"


def test_a_failure_stops_there_and_the_next_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(context: object, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(fake_steps, "second", full)
        with pytest.raises(UserError, match="disk full"):
            list(run_steps(context_at(tmp_path), STEPS))
    assert did(tmp_path) == {"etl": "up to date", "graph": "done"}


def test_a_step_needs_what_comes_before_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the step etl has not been run in .*: run `kg-recall etl` first"):
        list(run_steps(context_at(tmp_path), [SECOND]))


def test_an_artefact_older_than_what_it_was_made_from_is_not_used(tmp_path: Path) -> None:
    did(tmp_path)
    context_at(tmp_path).require("graph")
    list(run_steps(context_at(tmp_path, 'recommend.language = "zh"'), [FIRST]))
    with pytest.raises(UserError, match=r"what graph made in .* is older than etl: run `kg-recall graph` first"):
        context_at(tmp_path).require("graph")


def test_a_catalogue_without_events_ends_after_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fake_steps.first

    def without_events(context: fake_steps.Context, folder: Path) -> None:
        real(context, folder)
        (folder / "lake" / "meta.json").write_text('{"last_ts": null}')

    monkeypatch.setattr(fake_steps, "first", without_events)
    outcomes = [(outcome.step, outcome.did) for outcome in run_steps(context_at(tmp_path), [*STEPS, *REAL_STEPS[2:]])]
    assert outcomes == [("etl", "done"), ("graph", "done"), ("embed", "no events")]
    with pytest.raises(UserError, match="has no events, so nothing is learned from it"):
        context_at(tmp_path).serving()


def test_every_step_comes_after_what_it_needs_and_owns_its_outputs() -> None:
    seen: set[str] = set()
    outputs: list[str] = []
    for step in REAL_STEPS:
        assert set(step.needs) <= seen
        assert all(output == step.home or output.startswith(step.home) for output in step.outputs)
        seen.add(step.name)
        outputs += step.outputs
    assert len(outputs) == len(set(outputs))


def test_the_flow_ends_with_the_models_that_serve(tmp_path: Path) -> None:
    refit = context_at(tmp_path).settings
    plain = context_at(tmp_path, "evaluate.refit = false").settings
    assert [step.name for step in flow(refit)] == ["etl", "graph", "embed", "train", "evaluate", "refit"]
    assert [step.name for step in flow(plain)] == ["etl", "graph", "embed", "train", "evaluate"]
    assert (serving_step(refit), serving_step(plain)) == ("refit", "train")
    assert STEP["train"].outputs == ("models/evaluated",)


def test_the_machinery_imports_no_model_code() -> None:
    heavy = ("torch", "pykeen", "lightgbm", "numba", "ladybug", "scipy", "matplotlib")
    code = f"import sys, kg_recall.cli, kg_recall.runner; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("damage", ["removed", "cut off"])
def test_a_staged_day_that_is_gone_is_read_anew(tmp_path: Path, damage: str) -> None:
    write_sqlite(tmp_path / "music.db", house())

    def etl() -> str:
        return next(run_steps(context_at(tmp_path), [STEP["etl"]])).did

    assert (etl(), etl()) == ("done", "up to date")
    staged = tree(tmp_path / "kg-recall-workspace" / "staged")
    day = min((tmp_path / "kg-recall-workspace" / "staged" / "rows").glob("*.parquet"))
    if damage == "removed":
        day.unlink()
    else:
        day.write_bytes(day.read_bytes()[:-1])
    assert (etl(), etl()) == ("done", "up to date")
    assert tree(tmp_path / "kg-recall-workspace" / "staged") == staged
