"""A workspace of a tiny catalogue with a real lake and graph, and stand-ins for what is learned."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from fake_steps import context_at

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from etl.lake import TRIPLE_SCHEMA, Lake
from kg_recall.context import Context
from kg_recall.runner import run_step
from kg_recall.steps import STEP, STEPS, Step

KEYS = ["song:1", "song:2", "song:3", "artist:a", "artist:b", "drama:d"]
NAMES = ["夜航星", "Night Sail", "Harbour", "Ana", "贝贝", "The Long Tide"]
FACTS = [
    ("song:1", "SUNG_BY", "artist:a"),
    ("song:2", "SUNG_BY", "artist:b"),
    ("song:3", "SUNG_BY", "artist:b"),
    ("song:1", "SOUNDTRACK_OF", "drama:d"),
    ("song:2", "SOUNDTRACK_OF", "drama:d"),
]
USERS = ["u1", "u2", "u3"]


def tiny_lake() -> Lake:
    kinds = [key.split(":")[0] for key in KEYS]
    songs = pl.DataFrame({"song_id": ["1", "2", "3"], "title": NAMES[:3], "artist": ["Ana", "贝贝", "贝贝"]})
    catalogue = Catalogue(pl.DataFrame({"key": KEYS, "kind": kinds, "name": NAMES}), songs, pl.DataFrame({"user_id": USERS}))
    n = 3
    events = Events(
        user=np.arange(n, dtype=np.int32),
        item=np.arange(n, dtype=np.int32),
        behaviour=np.full(n, Behaviour.FULL_PLAY, dtype=np.int8),
        ts=np.arange(1000, 1000 + n, dtype=np.int64),
        scene=np.full(n, -1, dtype=np.int16),
        play_ms=np.full(n, -1, dtype=np.int32),
        is_organic=np.full(n, -1, dtype=np.int8),
        count=np.ones(n, dtype=np.float32),
        source=np.arange(n, dtype=np.int64),
    )
    facts = [(*fact, "songs", 1.0, None) for fact in FACTS]
    triples = pl.DataFrame(facts, schema=TRIPLE_SCHEMA, orient="row")
    empty = pl.DataFrame()
    return Lake(catalogue, events, triples, empty, empty, ())


def with_graph(folder: Path, text: str = "") -> Context:
    """A context whose steps etl (a stand-in) and graph (the real one) have been run."""
    shutil.copytree(_built(models=False) / "kg-recall-workspace", folder / "kg-recall-workspace", dirs_exist_ok=True)
    return context_at(folder, text)


def with_models(folder: Path, text: str = "") -> Context:
    """The same, with empty folders in the place of learned models."""
    shutil.copytree(_built(models=True) / "kg-recall-workspace", folder / "kg-recall-workspace", dirs_exist_ok=True)
    return context_at(folder, text)


@cache
def _built(*, models: bool) -> Path:
    """A folder with a config and a workspace, made once."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-workspace-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    context = with_graph(folder) if models else context_at(folder)
    with context.workspace.writing(context.settings.source_url()):
        if models:
            _stand_ins(context, STEPS[2:])
        else:
            _etl(context)
            run_step(context, STEP["graph"])
    return folder


def _etl(context: Context) -> None:
    etl = STEP["etl"]
    with context.workspace.publish("etl", "stand-in", {}, etl.outputs, etl.hashed) as draft:
        tiny_lake().write(draft / "lake")
        (draft / "staged").mkdir()
        (draft / "reports").mkdir()
        for name in ("etl.json", "etl.md"):
            (draft / "reports" / name).write_text("{}")


def _stand_ins(context: Context, steps: Iterable[Step]) -> None:
    for step in steps:
        needs = {need: context.require(need).content for need in step.needs}
        with context.workspace.publish(step.name, "stand-in", needs, step.outputs) as draft:
            for output in step.outputs:
                (draft / output).mkdir(parents=True)


class StandIn:
    """Recommends every song to everybody, the last first."""

    @classmethod
    def load(cls, context: Context) -> StandIn:
        return cls()

    def recommend(self, users: npt.NDArray[np.int32], k: int, scenario: str = "daily", repeats: str = "include") -> pl.DataFrame:
        songs = tiny_lake().catalogue.songs[::-1].head(min(k, 3 if repeats == "include" else 2)).with_row_index("rank", offset=1)
        lists = pl.DataFrame({"user_id": [USERS[user] for user in users]}).join(songs, how="cross")
        return lists.select(
            "user_id",
            pl.col("rank").cast(pl.Int32),
            pl.lit("song").alias("item_kind"),
            pl.col("song_id").alias("item_id"),
            (1 / pl.col("rank")).cast(pl.Float32).alias("score"),
            pl.lit(["graph", "repeat"]).alias("routes"),
            pl.lit(f"because it is {scenario}").alias("reason"),
            pl.concat_list(pl.lit("song:1"), pl.lit("SUNG_BY"), pl.lit("artist:a")).alias("path"),
            "title",
            "artist",
        )


class SlowStandIn(StandIn):
    """Takes its time, so that something can happen in the middle of a batch."""

    def recommend(self, users: npt.NDArray[np.int32], k: int, scenario: str = "daily", repeats: str = "include") -> pl.DataFrame:
        time.sleep(0.4)
        return super().recommend(users, k, scenario, repeats)
