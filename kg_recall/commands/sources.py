"""`demo`, `simulate` and `import`: sources to try the application on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.simulation.settings import SMALLEST, SimulationSettings
from kg_recall.commands.options import Quiet
from kg_recall.progress import Progress

DEMO_FOLDER = Path("kg-recall-demo")
Folder = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the demo lives.")]
Songs = Annotated[int, typer.Option("--songs", metavar="N", min=SMALLEST["n_songs"])]
Users = Annotated[int, typer.Option("--users", metavar="N", min=SMALLEST["n_users"])]
Days = Annotated[int, typer.Option("--days", metavar="N", min=SMALLEST["n_days"])]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0)]
Out = Annotated[str, typer.Option("--out", metavar="URL", help="A new database, such as sqlite:///music.db.")]
Preset = Annotated[str, typer.Option("--preset", metavar="NAME", help="Which world to simulate.")]
Truth = Annotated[Path | None, typer.Option("--truth", metavar="FILE.parquet", help="Also write why everything was played.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A public data set, such as xiami.")]
DataFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds its files.")]


def demo(folder: Folder = DEMO_FOLDER, quiet: Quiet = False) -> None:
    """A simulated music service, end to end, in minutes; ends with explained recommendations."""
    from kg_recall.demo import run_demo

    run_demo(folder, quiet=quiet)


def simulate(
    out: Out,
    songs: Songs = SimulationSettings.n_songs,
    users: Users = SimulationSettings.n_users,
    days: Days = SimulationSettings.n_days,
    seed: Seed = SimulationSettings.seed,
    preset: Preset = SimulationSettings.preset,
    truth: Truth = None,
    quiet: Quiet = False,
) -> None:
    """Write a simulated music service into a new database, and a config for it."""
    url = _out_url(out)
    from etl.simulation.service import run_simulation

    settings = SimulationSettings(n_songs=songs, n_users=users, n_days=days, seed=seed, preset=preset)
    with Progress(quiet=quiet).stages() as tell:
        done = run_simulation(settings, url, truth, tell)
    typer.echo(done)


def import_data(name: Name, folder: DataFolder, out: Out, quiet: Quiet = False) -> None:
    """Bring a public data set into a new database, and write a config for it."""
    url = _out_url(out)
    from etl.imports.registry import run_import

    with Progress(quiet=quiet).task(f"import {name}"):
        done = run_import(name, folder, url)
    typer.echo(done)


def _out_url(out: str) -> str:
    """The URL of `--out` with what the environment gives; a SQLite file is relative to the current directory."""
    from kg_recall.source_url import resolve_url

    return resolve_url(out, Path.cwd(), literal_password=True).url
