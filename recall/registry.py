"""The routes by name, in the order of their columns."""

from __future__ import annotations

from typing import Final

from recall.ease import EaseRoute
from recall.graph import GraphRoute
from recall.interest import InterestRoute
from recall.itemcf import ItemCfRoute
from recall.lifted import LiftedRoute
from recall.popular import PopularRoute
from recall.repeat import RepeatRoute
from recall.route import RecallRoute
from recall.usercf import UserCfRoute

ROUTES: Final[dict[str, type[RecallRoute]]] = {
    "popular": PopularRoute,
    "repeat": RepeatRoute,
    "itemcf": ItemCfRoute,
    "usercf": UserCfRoute,
    "ease": EaseRoute,
    "graph": GraphRoute,
    "interest": InterestRoute,
    "lifted": LiftedRoute,
}
