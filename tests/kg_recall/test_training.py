"""A tiny simulated service through every learned step."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from etl.simulation.service import run_simulation
from etl.simulation.settings import SimulationSettings
from kg_recall.context import Context
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments, Window, some_of
from kg_recall.recommender import Recommender
from kg_recall.runner import run_steps
from kg_recall.steps import flow

SMALL = """
[embed]
dim = 4
epochs = 1
min_batches = 2
[cascade]
route_k = 30
new_k = 20
[recall.interest]
max_epochs = 1
[recall.merge]
trees = 15
min_leaf = 10
threads = 1
[rank]
compared = ["logistic", "domains"]
[rank.din]
max_epochs = 1
[rank.domains]
max_epochs = 1
"""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("service")
    run_simulation(SimulationSettings(n_songs=150, n_users=40, n_days=15), f"sqlite:///{folder / 'music.db'}")
    config = folder / "kg-recall.toml"
    config.write_text(config.read_text() + SMALL)
    context = Context.open(config, quiet=True)
    assert [outcome.did for outcome in run_steps(context, flow(context.settings))] == ["done"] * 6
    return context


def test_moments_never_show_what_comes_later(context: Context) -> None:
    moments = Moments.of(context)
    for part in (TRAIN, VALID):
        snapshot = moments.after(part)
        assert (snapshot.events.ts <= snapshot.now).all()
        assert len(snapshot.events) == moments.split.seen(part).sum()
        assert (snapshot.projection.valid_from <= snapshot.now).all()
    assert moments.after(TEST).now == moments.now == moments.events.ts[-1]
    assert len(moments.window(TEST).users) > 0


def test_the_report_judges_every_stage(context: Context) -> None:
    rows = json.loads(context.workspace.path("reports", "evaluation.json").read_text())["rows"]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    assert set(frame["stage"]) == {"route", "merged", "ranked", "final"}
    assert set(frame["graph"]) == {"true", "removed", "randomised"}
    assert {"recall", "ndcg", "coverage", "auc", "gauc", "log_loss", "calibration_error"} <= set(frame["metric"])
    assert frame["value"].is_finite().all()
    bounded = frame.drop_nulls("low")
    assert (bounded["low"] <= bounded["value"]).all()
    assert (bounded["value"] <= bounded["high"]).all()


def test_rankers_stand_beside_each_other_in_the_report_and_one_serves(context: Context) -> None:
    rows = json.loads(context.workspace.path("reports", "evaluation.json").read_text())["rows"]
    judged = {metric: {row["name"] for row in rows if (row["stage"], row["metric"]) == ("ranked", metric)} for metric in ("gauc", "ndcg")}
    assert judged == {"gauc": {"din", "logistic", "domains", "popular"}, "ndcg": {"din"}}
    saved = {
        part: sorted(path.name for path in context.workspace.path("models", part, "rankers").iterdir()) for part in ("evaluated", "serving")
    }
    assert saved == {"evaluated": ["din", "domains", "logistic"], "serving": ["din", "encoder"]}


def test_what_serves_is_the_same_whenever_it_is_loaded(context: Context) -> None:
    users = np.arange(12, dtype=np.int32)
    first = Recommender.load(context).recommend(users, 20)
    assert first.height == 240
    assert first["reason"].str.contains("because").all()
    assert first.equals(Recommender.load(Context.open(Path(context.settings._file), quiet=True)).recommend(users, 20))
    kinds = Recommender.load(context).recommend(users, 5, scenario="mv")
    assert kinds.height > 0
    assert set(kinds["item_kind"]) == {"mv"}


def test_of_too_many_users_some_are_drawn_by_seed() -> None:
    users = np.arange(100, dtype=np.int32)
    some = some_of(users, 10, np.random.default_rng(3))
    assert len(np.unique(some)) == 10
    np.testing.assert_array_equal(some, np.sort(some))
    np.testing.assert_array_equal(some, some_of(users, 10, np.random.default_rng(3)))
    assert some_of(users, 100, np.random.default_rng(3)) is users
    window = Window(np.array([1, 1, 5], np.int32), np.array([7, 8, 9], np.int32)).of(np.array([1], np.int32))
    assert window.item.tolist() == [7, 8]
