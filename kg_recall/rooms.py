"""The sections of the config that belong to a room, and the dataclass of each."""

from __future__ import annotations

import importlib
from typing import Any, Final

ROOMS: Final[dict[str, str]] = {
    "embed": "embeddings.knowledge:KnowledgeSettings",
    "recall.popular": "recall.popular:PopularSettings",
    "recall.repeat": "recall.repeat:RepeatSettings",
    "recall.itemcf": "recall.itemcf:ItemCfSettings",
    "recall.usercf": "recall.usercf:UserCfSettings",
    "recall.ease": "recall.ease:EaseSettings",
    "recall.graph": "recall.graph:GraphRecallSettings",
    "recall.interest": "recall.interest:InterestSettings",
    "recall.lifted": "recall.lifted:LiftedSettings",
    "recall.swing": "recall.swing:SwingSettings",
    "recall.ials": "recall.ials:IalsSettings",
    "recall.neighbours": "recall.neighbours:NeighboursSettings",
    "recall.ppr": "recall.ppr:PprSettings",
    "recall.sasrec": "recall.sasrec:SasRecSettings",
    "recall.capsules": "recall.capsules:CapsuleSettings",
    "recall.clusters": "recall.clusters:ClusterSettings",
    "recall.sdm": "recall.sdm:SdmSettings",
    "recall.two_spaces": "recall.two_spaces:TwoSpacesSettings",
    "recall.merge": "recall.merge:MergeSettings",
    "rank": "ranking.din_network:DinSettings",
    "cascade": "kg_recall.cascade:CascadeSettings",
}
"""Section of `kg-recall.toml` to `module:dataclass` of its settings. Named as text, so that only a section that is used is imported."""


def room_class(section: str) -> type[Any]:
    """The settings dataclass of a room's section."""
    module, _, name = ROOMS[section].partition(":")
    kind: type[Any] = getattr(importlib.import_module(module), name)
    return kind
