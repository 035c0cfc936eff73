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
    "recall.rules": "recall.rules:RulesSettings",
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
    "rank.logistic": "ranking.logistic:LogisticSettings",
    "rank.ftrl": "ranking.ftrl_ranker:FtrlRankerSettings",
    "rank.fm": "ranking.fm:FmSettings",
    "rank.dcn": "ranking.dcn_network:DcnSettings",
    "rank.din": "ranking.din_network:DinSettings",
    "rank.dien": "ranking.dien_network:DienSettings",
    "rank.dsin": "ranking.dsin_network:DsinSettings",
    "rank.domains": "ranking.domain_settings:DomainSettings",
    "rank.sim": "ranking.sim:SimSettings",
    "cascade": "kg_recall.cascade:CascadeSettings",
}
"""Section of `kg-recall.toml` to `module:dataclass` of its settings. Named as text, so that only a section that is used is imported."""

NAMED_FREELY: Final[dict[str, str]] = {"rank.utility": "ranking.utility:Utility"}
"""The same of sections whose tables have names of the user's own: `[rank.utility.SCENE]`."""


def room_class(section: str) -> type[Any]:
    """The settings dataclass of a room's section."""
    named = ROOMS.get(section) or next(kind for above, kind in NAMED_FREELY.items() if section.startswith(f"{above}."))
    module, _, name = named.partition(":")
    kind: type[Any] = getattr(importlib.import_module(module), name)
    return kind
