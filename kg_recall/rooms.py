"""The sections of the config that belong to a room, and the dataclass of each."""

from __future__ import annotations

import importlib
from typing import Any, Final

ROOMS: Final[dict[str, str]] = {}
"""Section of `kg-recall.toml` to `module:dataclass` of its settings. Named as text, so that only a section that is used is imported."""


def room_class(section: str) -> type[Any]:
    """The settings dataclass of a room's section."""
    module, _, name = ROOMS[section].partition(":")
    kind: type[Any] = getattr(importlib.import_module(module), name)
    return kind
