"""Two tiny steps that stand for the real ones: `first` copies a setting, `second` reads what `first` wrote."""

from __future__ import annotations

from pathlib import Path

from kg_recall.context import Context
from kg_recall.progress import Progress
from kg_recall.settings import Settings
from kg_recall.steps import Step
from kg_recall.workspace import Workspace

CALLS: list[str] = []
FIRST = Step(
    name="etl",
    run="fake_steps:first",
    home="",
    outputs=("lake", "reports/etl.json"),
    hashed=("lake",),
    settings=("seed", "recommend.language"),
    command="etl",
)
SECOND = Step(name="graph", run="fake_steps:second", home="graph", outputs=("graph",), needs=("etl",), settings=("graph",), command="graph")
STEPS = (FIRST, SECOND)
CONTENT = {"en": "because", "zh": "因为"}


def first(context: Context, folder: Path) -> None:
    """The lake holds only what the language says; the report also the seed."""
    CALLS.append("etl")
    (folder / "lake").mkdir()
    (folder / "reports").mkdir()
    (folder / "lake" / "a.txt").write_text(CONTENT[context.settings.recommend.language])
    (folder / "lake" / "b.txt").write_text("b" * 1000)
    (folder / "lake" / "meta.json").write_text('{"last_ts": 1}')
    (folder / "reports" / "etl.json").write_text(str(context.settings.seed))


def second(context: Context, folder: Path) -> None:
    CALLS.append("graph")
    (folder / "deep").mkdir()
    (folder / "deep" / "c.txt").write_text(context.workspace.path("lake", "a.txt").read_text() * 2)


def context_at(folder: Path, text: str = "") -> Context:
    """A context whose config lies in `folder`: `text` after the source."""
    config = folder / "kg-recall.toml"
    config.write_text(f'{text}\n[source]\nurl = "sqlite:///music.db"\n')
    settings = Settings.load(config)
    return Context(settings, Workspace(settings.workspace_folder), Progress(quiet=True))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its bytes, without lock and log."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: data for name, data in files.items() if not name.endswith("lock") and "logs/" not in name}
