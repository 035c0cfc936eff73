"""A simulated service that several benchmarks stand on: made once in a folder, brought to the steps that they need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from embeddings.knowledge import KnowledgeEmbeddings
from etl.simulation.service import run_simulation
from etl.simulation.settings import SimulationSettings
from kg_recall.context import Context
from kg_recall.runner import run_steps
from kg_recall.settings import CONFIG_NAME
from kg_recall.steps import STEP
from recall.snapshot import Snapshot


def simulated(folder: Path, size: SimulationSettings, truth: str | None = None) -> Path:
    """The config of the service in `folder`, simulated where there is none; with `truth` the file of that name beside it."""
    config = folder / CONFIG_NAME
    if not config.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        run_simulation(size, f"sqlite:///{folder / 'music.db'}", None if truth is None else folder / truth)
    return config


def bring_to(context: Context, *steps: str) -> None:
    """Run those of the named steps that are not up to date, and say what each did."""
    for outcome in run_steps(context, [STEP[name] for name in steps]):
        print(context.workspace.folder.parent.name, outcome.step, outcome.did, flush=True)


def with_vectors(context: Context, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the embeddings that the step `embed` has trained."""
    knowledge = KnowledgeEmbeddings.load(context.workspace.path("models", "embeddings"))
    return replace(snapshot, vectors=knowledge.aligned(snapshot.projection))
