"""What every step and command works with: settings, workspace, progress, and the artefacts, each read once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from etl.errors import UserError
from kg_recall.logs import log_into
from kg_recall.progress import Progress
from kg_recall.settings import Settings
from kg_recall.steps import STEP, serving_step
from kg_recall.workspace import Record, Workspace

if TYPE_CHECKING:  # the rooms are imported by whoever needs them: an up-to-date run needs none
    from etl.lake import Lake
    from graph.projection import Projection

T = TypeVar("T")


class Context:
    """The application at work on one config."""

    def __init__(self, settings: Settings, workspace: Workspace, progress: Progress) -> None:
        self.settings = settings
        self.workspace = workspace
        self.progress = progress
        self._read: dict[str, tuple[str, object]] = {}

    @classmethod
    def open(cls, config: Path, *, quiet: bool = False) -> Context:
        """The context of a config file; its workspace need not exist yet.

        Raises:
            UserError: the config is wrong, or its workspace was made from another source.
        """
        settings = Settings.load(config)
        workspace = Workspace(settings.workspace_folder)
        workspace.check_source(settings.source_url())
        if workspace.folder.is_dir():
            log_into(workspace.path("logs"))
        return cls(settings, workspace, Progress(quiet=quiet))

    def require(self, name: str) -> Record:
        """The record of a step whose artefact is there and was made from the artefacts that are there now.

        Raises:
            UserError: the step has not been run, or something that it was made from has changed since.
        """
        step = STEP[name]
        record = self.workspace.record(name)
        if record is None:
            if self.has_no_events() and step.of_events:
                raise UserError(
                    f"{self.settings.source_url().shown} has no events, so nothing is learned from it: `graph`, `cypher` and `path` work"
                )
            raise UserError(f"the step {name} has not been run in {self.workspace.folder}: run `kg-recall {step.command}` first")
        for need in step.needs:
            if self.require(need).content != record.needs.get(need):
                raise UserError(f"what {name} made in {self.workspace.folder} is older than {need}: run `kg-recall {step.command}` first")
        return record

    def lake(self) -> Lake:
        """The lake of the step `etl`."""
        from etl.lake import Lake

        return self._artefact("etl", lambda: Lake.read(self.workspace.path("lake")))

    def projection(self) -> Projection:
        """The projection of the step `graph`: every fact, whatever its date."""
        from graph.projection import Projection

        return self._artefact("graph", lambda: Projection.load(self.workspace.path("graph", "projection")))

    def release(self) -> None:
        """Let go of the artefacts that were read; who asks for one again reads it again."""
        self._read.clear()

    def serving(self) -> Path:
        """Folder of the models that serve: fitted anew on all events, or, with `evaluate.refit = false`, the evaluated ones."""
        name = serving_step(self.settings)
        self.require(name)
        self.settings.check_rooms()
        return self.workspace.path(STEP[name].outputs[0])

    def has_no_events(self) -> bool:
        """True where the lake is there and holds no event."""
        if self.workspace.record("etl") is None:
            return False
        meta = json.loads(self.workspace.path("lake", "meta.json").read_text(encoding="utf-8"))
        return meta["last_ts"] is None

    def _artefact(self, name: str, read: Callable[[], T]) -> T:
        """What `read` gives, kept for as long as the step's artefact stays the same."""
        content = self.require(name).content
        if name not in self._read or self._read[name][0] != content:
            self._read[name] = (content, read())
        value: T = self._read[name][1]  # type: ignore[assignment]
        return value
