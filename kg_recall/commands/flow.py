"""`run` and the single steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from kg_recall.commands.options import DEFAULT_CONFIG, Config, Quiet, chosen
from kg_recall.context import Context
from kg_recall.runner import run_steps
from kg_recall.steps import STEP, Step, flow

Worth = Annotated[
    str, typer.Option("--worth", metavar="quick", help="What the graph is worth: quick changes it at recall time and retrains nothing.")
]


def run(config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """From the source to serving models: etl, graph, embed, train, evaluate, refit. Skips what is up to date."""
    context = Context.open(config, quiet=quiet)
    bring_up_to_date(context, flow(context.settings), quiet=quiet)


def etl(config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Read the source, clean it, and write the lake and its report."""
    _one("etl", config, quiet)


def graph(config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Load the lake's facts into the Cypher store and read the projection back."""
    _one("graph", config, quiet)


def embed(config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Train the knowledge-graph embeddings."""
    _one("embed", config, quiet)


def train(config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Fit the routes, the merge and the ranker that evaluation looks at."""
    _one("train", config, quiet)


def evaluate(config: Config = DEFAULT_CONFIG, worth: Worth = "quick", quiet: Quiet = False) -> None:
    """Measure routes, merge and ranker on the test part; write the report and its plots."""
    chosen("worth", worth, ("quick",))
    _one("evaluate", config, quiet)


def _one(name: str, config: Config, quiet: bool) -> None:
    bring_up_to_date(Context.open(config, quiet=quiet), [STEP[name]], quiet=quiet)


def bring_up_to_date(context: Context, steps: Sequence[Step], *, quiet: bool = False) -> None:
    """Run `steps` and say in a line each what became of them."""
    for outcome in run_steps(context, steps):
        if outcome.did == "no events":
            left = ", ".join(step.name for step in steps if step.of_events)
            typer.echo(f"the source has no events: nothing to do for {left}; graph, cypher and path work")
        elif not quiet:
            took = f" in {outcome.seconds:.1f} s" if outcome.did == "done" else ""
            typer.echo(f"{outcome.step:<9}{outcome.did}{took}")
