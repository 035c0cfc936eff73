"""`kg-recall demo`: a simulated service through the whole flow, and three listeners' explained lists."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
import typer

from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.simulation.service import run_simulation
from etl.simulation.settings import SimulationSettings
from kg_recall.batch import chosen_users
from kg_recall.batch_engines import write_batch
from kg_recall.batch_job import workspace_job
from kg_recall.commands.flow import bring_up_to_date
from kg_recall.context import Context
from kg_recall.listing import list_lines
from kg_recall.progress import Progress
from kg_recall.settings import CONFIG_NAME
from kg_recall.steps import flow

SIZE: Final = SimulationSettings(n_songs=1_500, n_users=400, n_days=40)
LIST_LENGTH: Final = 10
N_LISTENERS: Final = 3
CROSSINGS: Final = (("drama:",), ("show:", "season:"))
"""Kinds of key that one of the shown reasons should cross each: a drama, a variety show."""


def run_demo(folder: Path, *, quiet: bool = False) -> None:
    """Simulate (unless an earlier demo has), run the flow, recommend to everybody, and print the lists of a few.

    Raises:
        UserError: `folder` cannot be written, or holds something else.
    """
    database = folder / "music.db"
    if not database.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {folder} ({error.strerror}): name another folder") from None
        with Progress(quiet=quiet).task("simulate"):
            typer.echo(run_simulation(SIZE, f"sqlite:///{database}"))
    context = Context.open(folder / CONFIG_NAME, quiet=quiet)
    bring_up_to_date(context, flow(context.settings), quiet=quiet)
    out = folder / "recommendations.parquet"
    _recommend_all(context, folder / CONFIG_NAME, out)
    _show(pl.read_parquet(out), context.lake().catalogue)
    typer.echo(f"\nall lists: {out}; next: kg-recall recommend USER -c {folder / CONFIG_NAME} --explain (repeats included)")


def _recommend_all(context: Context, config: Path, out: Path) -> None:
    users = chosen_users(context.lake().catalogue, None)
    # Half of what people hear they have heard before, which needs no explaining: the demo shows what is new to them.
    job = workspace_job(context, config, users, out, LIST_LENGTH, "daily", "exclude")
    write_batch(job, progress=context.progress)


def _show(lists: pl.DataFrame, catalogue: Catalogue) -> None:
    songs = catalogue.songs.select(pl.col("song_id").alias("item_id"), "title", "artist")
    lists = lists.join(songs, on="item_id", how="left", maintain_order="left")
    for user_id in chosen_listeners(lists):
        typer.echo(f"\nnew to {user_id}:")
        typer.echo("\n".join(list_lines(lists.filter(pl.col("user_id") == user_id))))


def chosen_listeners(lists: pl.DataFrame) -> list[str]:
    """A few listeners whose lists show what the graph can say: for each of `CROSSINGS` one with such a path, highest in the list.

    The rest are those whose lists give the most different reasons; ties by `user_id`.
    """
    chosen: list[str] = []
    for prefixes in CROSSINGS:
        crosses = pl.any_horizontal(pl.col("path").list.eval(pl.element().str.starts_with(prefix)).list.any() for prefix in prefixes)
        found = lists.filter(crosses, ~pl.col("user_id").is_in(chosen)).sort("rank", "user_id")["user_id"]
        chosen += found.head(1).to_list()
    others = lists.filter(~pl.col("user_id").is_in(chosen)).group_by("user_id").agg(pl.col("reason").n_unique())
    others = others.sort("reason", "user_id", descending=[True, False]).head(N_LISTENERS - len(chosen))
    return [*chosen, *others["user_id"].to_list()]
