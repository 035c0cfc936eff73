"""Options that several commands share, and the choices that they take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from etl.errors import UserError
from kg_recall.settings import CONFIG_NAME

Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The config; its folder is where relative paths start.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Scenario = Annotated[
    str, typer.Option("--scenario", metavar="|".join(("daily", "fm", "playlist", "mlog", "mv")), help="What the list is for.")
]
Repeats = Annotated[str | None, typer.Option("--repeats", metavar="include|exclude", help="Whether songs already played may appear.")]

DEFAULT_CONFIG = Path(CONFIG_NAME)
SCENARIOS = ("daily", "fm", "playlist", "mlog", "mv")
REPEATS = ("include", "exclude")


def chosen(option: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value`, where the option takes it.

    Raises:
        UserError: it does not.
    """
    if value in allowed:
        return value
    listed = f"{', '.join(allowed[:-1])} or {allowed[-1]}" if len(allowed) > 1 else allowed[0]
    raise UserError(f"unknown {option} {value!r}: --{option} takes {listed}")


def chosen_repeats(value: str | None, default: Literal["include", "exclude"]) -> Literal["include", "exclude"]:
    """The option `--repeats`, or what the config says."""
    return default if value is None else "include" if chosen("repeats", value, REPEATS) == "include" else "exclude"
