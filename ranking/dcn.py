"""DCN-V2, the deep and cross network (Wang et al., WWW 2021)."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from ranking.dcn_network import DcnNetwork, DcnSettings
from ranking.pair_ranker import PairRanker
from ranking.song_network import DeepSettings


class Dcn(PairRanker):
    """Ranks by layers that cross all features explicitly, with a tower after or beside them."""

    name: ClassVar[str] = "dcn"
    settings_kind: ClassVar[type[DeepSettings]] = DcnSettings
    network_kind: ClassVar[type[nn.Module]] = DcnNetwork
    settings: DcnSettings
