"""`recommend` for one user and `batch` for all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from etl.errors import UserError
from kg_recall.batch import FIELDS, chosen_users
from kg_recall.batch_engines import ENGINES, write_batch
from kg_recall.batch_job import workspace_job
from kg_recall.commands.options import DEFAULT_CONFIG, SCENARIOS, Config, Quiet, Repeats, Scenario, chosen, chosen_repeats
from kg_recall.context import Context
from kg_recall.feedback_file import read_feedback
from kg_recall.listing import list_lines
from kg_recall.near_ids import unknown_user

User = Annotated[str, typer.Argument(metavar="USER", help="A user_id of the source.")]
Length = Annotated[int, typer.Option("-k", min=1, help="How many items a user gets.")]
Explain = Annotated[bool, typer.Option("--explain", help="Show the path behind every item as well.")]
Acts = Annotated[
    Path | None,
    typer.Option("--feedback", metavar="FILE", help="Acts of this fm session, JSON lines or CSV of song_id and behaviour: the next songs."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print an array with the fields of `batch`.")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="Where the lists go.")]
Users = Annotated[Path | None, typer.Option("--users", metavar="FILE", help="One user_id a line; default: every user.")]
Engine = Annotated[str, typer.Option("--engine", metavar="local|ray", help="What does the work: this machine, or a Ray cluster.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes (local) or actors (ray); default: what the job is worth.")]


def recommend(
    user: User,
    k: Length = 20,
    scenario: Scenario = "daily",
    repeats: Repeats = None,
    feedback: Acts = None,
    explain: Explain = False,
    as_json: AsJson = False,
    config: Config = DEFAULT_CONFIG,
    quiet: Quiet = False,
) -> None:
    """A user's list: rank, title, artist, score, the routes that found it, and why."""
    chosen("scenario", scenario, SCENARIOS)
    if feedback is not None and scenario != "fm":
        raise UserError(f"--feedback is for a stream, and {scenario} is none: add --scenario fm")
    acts = None if feedback is None else read_feedback(feedback)
    context = Context.open(config, quiet=quiet)
    allowed = chosen_repeats(repeats, context.settings.recommend.repeats)
    context.serving()
    catalogue = context.lake().catalogue
    row = catalogue.user(user)
    if row is None:
        raise unknown_user(catalogue.users["user_id"], user, context.settings.source_url().shown)
    from kg_recall.recommender import Recommender

    with context.progress.task("recommend"):
        recommender = Recommender.load(context)
        if acts is None:
            frame = recommender.recommend(np.array([row], dtype=np.int32), k, scenario, allowed)
        else:
            session = recommender.fm(row, allowed)
            session.tell_all(acts)
            frame = session.next(k)
    if as_json:
        typer.echo(json.dumps(frame.select(FIELDS).to_dicts(), ensure_ascii=False, indent=2))
    elif frame.is_empty():
        typer.echo(f"nothing to recommend to {user} for {scenario}")
    else:
        typer.echo("\n".join(list_lines(frame, explain=explain)))


def batch(
    out: Out,
    scenario: Scenario = "daily",
    k: Length = 100,
    users: Users = None,
    engine: Engine = "local",
    repeats: Repeats = None,
    workers: Workers = None,
    config: Config = DEFAULT_CONFIG,
    quiet: Quiet = False,
) -> None:
    """Lists for all users into one Parquet file, written whole or not at all."""
    chosen("scenario", scenario, SCENARIOS)
    chosen("engine", engine, ENGINES)
    context = Context.open(config, quiet=quiet)
    allowed = chosen_repeats(repeats, context.settings.recommend.repeats)
    context.serving()
    rows = chosen_users(context.lake().catalogue, users)
    job = workspace_job(context, config, rows, out, k, scenario, allowed)
    context.release()  # workers read what they need; the event log of all users would lie here for nothing
    written = write_batch(job, engine=engine, workers=workers, progress=context.progress)
    if not quiet:
        typer.echo(f"{written:,} rows for {len(rows):,} users in {out}")
