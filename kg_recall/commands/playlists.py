"""`playlists`: playlists that the service writes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kg_recall.commands.options import DEFAULT_CONFIG, Config, Quiet
from kg_recall.context import Context

Out = Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="Where the playlists go, a row for each song.")]


def playlists(out: Out, config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """Write themed playlists, style × scene × emotion, of songs that go together; part of each changes every week."""
    from kg_recall.batch import check_place

    check_place(out)
    context = Context.open(config, quiet=quiet)
    settings = context.settings.recommend
    with context.progress.task("playlists"):
        from kg_recall.themed import summary, themed, write_themed

        found, snapshot = themed(context)
        write_themed(found, snapshot, settings.language, out)
    if not quiet:
        typer.echo("\n".join(summary(found, settings.language, settings.themes.least)))
        typer.echo(f"{found.themes.height} playlists in {out}; two songs of the catalogue have coherence {found.of_random:.2f}")
