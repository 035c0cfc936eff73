"""The step graph: what each step reads, depends on and writes, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kg_recall.settings import Settings


@dataclass(frozen=True)
class Step:
    """One step of the flow. It is up to date while nothing that it depends on has changed and all that it wrote is there."""

    name: str
    run: str
    """`module:function`, called with the context and the draft's folder for `home`; imported only when the step has work."""
    home: str
    """Folder of the workspace that the function writes into, as a draft."""
    outputs: tuple[str, ...]
    """Paths of the workspace that the step replaces whole."""
    needs: tuple[str, ...] = ()
    """Steps whose artefacts it reads."""
    settings: tuple[str, ...] = ()
    """Keys and sections of the config that it depends on."""
    hashed: tuple[str, ...] | None = None
    """Outputs that later steps read, and whose bytes make the content fingerprint; None: all."""
    sized: tuple[str, ...] = ()
    """Outputs besides whose files must stay as large as they were written. What the step's user changes, such as a store, is none."""
    also: str = ""
    """`module:function` that gives, for the context, the fingerprint of what it depends on besides."""
    of_events: bool = False
    """True where there is nothing to do for a catalogue without events."""
    command: str = ""
    """The command line that runs it."""


MOMENTS: Final = ("evaluate.split", "evaluate.test_share", "evaluate.valid_share", "recommend.now")
LEARNING: Final = ("seed", "routes", "recall", "rank", "cascade", *MOMENTS)

STEPS: Final = (
    Step(
        name="etl",
        run="kg_recall.etl_step:run",
        home="",
        outputs=("lake", "staged", "reports/etl.json", "reports/etl.md"),
        hashed=("lake",),
        sized=("staged",),
        settings=("etl", "source.tables", "evaluate.split"),
        also="kg_recall.etl_step:source_fingerprint",
        command="etl",
    ),
    Step(
        name="graph",
        run="kg_recall.graph_step:run",
        home="graph",
        outputs=("graph/store", "graph/loaded.json", "graph/projection"),
        hashed=("graph/projection",),
        needs=("etl",),
        settings=("graph",),
        also="kg_recall.graph_step:edits_fingerprint",
        command="graph",
    ),
    Step(
        name="embed",
        run="kg_recall.training:embed",
        home="models/embeddings",
        outputs=("models/embeddings",),
        needs=("etl", "graph"),
        settings=("seed", "embed", *MOMENTS),
        of_events=True,
        command="embed",
    ),
    Step(
        name="train",
        run="kg_recall.training:train",
        home="models/evaluated",
        outputs=("models/evaluated",),
        needs=("etl", "graph", "embed"),
        settings=LEARNING,
        of_events=True,
        command="train",
    ),
    Step(
        name="evaluate",
        run="kg_recall.evaluation.run:evaluate",
        home="reports",
        outputs=("reports/evaluation.json", "reports/evaluation.md", "reports/figures"),
        needs=("etl", "graph", "embed", "train"),
        settings=(*LEARNING, "recommend.repeats", "recommend.rerank", "evaluate.max_users"),
        of_events=True,
        command="evaluate",
    ),
    Step(
        name="refit",
        run="kg_recall.training:refit",
        home="models/serving",
        outputs=("models/serving",),
        needs=("etl", "graph", "embed", "train"),
        settings=(*LEARNING, "embed"),
        of_events=True,
        command="run",
    ),
)
"""Every step, each after all that it needs."""

STEP: Final = {step.name: step for step in STEPS}


def serving_step(settings: Settings) -> str:
    """Name of the step whose models serve."""
    return "refit" if settings.evaluate.refit else "train"


def flow(settings: Settings) -> tuple[Step, ...]:
    """The steps of `kg-recall run`, in order."""
    return tuple(step for step in STEPS if step.name != "refit" or settings.evaluate.refit)
