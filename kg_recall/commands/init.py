"""`init`: a config for a database never seen before."""

from __future__ import annotations

from typing import Annotated

import typer

from kg_recall.commands.options import DEFAULT_CONFIG, Config, Quiet
from kg_recall.progress import Progress

SourceOption = Annotated[str, typer.Option("--source", metavar="URL", help="The database to inspect, such as sqlite:///music.db.")]


def init(source: SourceOption, config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Inspect a database and write a commented config: its tables mapped, its gaps named."""
    from kg_recall.init import write_proposal

    with Progress(quiet=quiet).stages() as tell:
        lines = write_proposal(source, config, tell)
    for line in lines:
        typer.echo(line)
