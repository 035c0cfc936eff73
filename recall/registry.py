"""The routes by name, in the order of their columns."""

from __future__ import annotations

from typing import Final

from recall.capsules import CapsuleRoute
from recall.clusters import ClusterRoute
from recall.ease import EaseRoute
from recall.graph import GraphRoute
from recall.ials import IalsRoute
from recall.interest import InterestRoute
from recall.itemcf import ItemCfRoute
from recall.lifted import LiftedRoute
from recall.neighbours import NeighboursRoute
from recall.popular import PopularRoute
from recall.ppr import PprRoute
from recall.repeat import RepeatRoute
from recall.route import RecallRoute
from recall.rules import RulesRoute
from recall.sasrec import SasRecRoute
from recall.sdm import SdmRoute
from recall.swing import SwingRoute
from recall.two_spaces import TwoSpacesRoute
from recall.usercf import UserCfRoute

ROUTES: Final[dict[str, type[RecallRoute]]] = {
    "popular": PopularRoute,
    "repeat": RepeatRoute,
    "itemcf": ItemCfRoute,
    "usercf": UserCfRoute,
    "ease": EaseRoute,
    "rules": RulesRoute,
    "graph": GraphRoute,
    "interest": InterestRoute,
    "lifted": LiftedRoute,
    "swing": SwingRoute,
    "ials": IalsRoute,
    "neighbours": NeighboursRoute,
    "ppr": PprRoute,
    "sasrec": SasRecRoute,
    "capsules": CapsuleRoute,
    "clusters": ClusterRoute,
    "sdm": SdmRoute,
    "two_spaces": TwoSpacesRoute,
}
