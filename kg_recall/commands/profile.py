"""`profile`: what a listener likes and dislikes, by facet."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from kg_recall.commands.options import DEFAULT_CONFIG, Config, Quiet
from kg_recall.context import Context
from kg_recall.near_ids import unknown_user

User = Annotated[str, typer.Argument(metavar="USER", help="A user_id of the source.")]
Most = Annotated[int, typer.Option("-k", min=1, help="The most values of a facet, and entries of every other list.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as one object; times are Unix seconds.")]


def profile(user: User, k: Most = 5, as_json: AsJson = False, config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """A listener's activity, likes and dislikes by facet, favourites and changes, as of `[recommend] now`."""
    context = Context.open(config, quiet=quiet)
    lake, settings = context.lake(), context.settings
    row = lake.catalogue.user(user)
    if row is None:
        raise unknown_user(lake.catalogue.users["user_id"], user, settings.source_url().shown)
    from kg_recall.profile_page import page
    from kg_recall.profile_reader import ProfileReader

    with context.progress.task("profile"):
        reader = ProfileReader(settings.recommend.now_ts, settings.evaluate.split != "time", k, settings.etl.profile, settings.etl.sessions)
        told = reader.read(lake, row)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(told), ensure_ascii=False, indent=2))
    else:
        typer.echo(page(told, settings.recommend.language, k))
