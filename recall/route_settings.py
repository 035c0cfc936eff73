"""What every route does with its settings: a part of them for each of its components, and a file of them beside what was learned."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from recall.profile_features import ProfileSchema

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILE: Final = "settings.json"
Part = TypeVar("Part", bound="DataclassInstance")


def part_of(settings: DataclassInstance, kind: type[Part]) -> Part:
    """The settings of one component: those fields of `kind` that the route's settings have; the others keep their defaults."""
    return kind(**{field.name: getattr(settings, field.name) for field in fields(kind) if hasattr(settings, field.name)})


def write_settings(folder: Path, settings: DataclassInstance) -> None:
    """Write the settings of a route into its `folder`."""
    (folder / FILE).write_text(json.dumps(asdict(settings)))


def read_settings(folder: Path, kind: type[Part]) -> Part:
    """The settings of a route saved in `folder`; lists become the tuples that they were."""
    saved = json.loads((folder / FILE).read_text())
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in saved.items()})


class TrainedHead(NamedTuple):
    """What a trained route keeps beside its parameters."""

    settings: dict[str, Any]
    epochs_found: int
    schema: ProfileSchema

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        profile = [asdict(column) for column in self.schema.columns]
        head = {"settings": self.settings, "epochs_found": self.epochs_found, "profile": profile}
        path.write_text(json.dumps(head, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TrainedHead:
        """The head written at `path`."""
        head = json.loads(path.read_text(encoding="utf-8"))
        return cls(head["settings"], head["epochs_found"], ProfileSchema.from_json(head["profile"]))
