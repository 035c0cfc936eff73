"""DIN, the deep interest network (Zhou et al., KDD 2018), with rich song profiles through the shared song encoder."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import nn

from ranking.deep_ranker import DeepRanker
from ranking.din_inputs import DinInputs
from ranking.din_network import DinNetwork, DinSettings
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.song_network import DeepSettings
from recall.snapshot import Snapshot


class Din(DeepRanker):
    """Ranks by a network that weighs each song of the listener's history by what it says about the target song."""

    name: ClassVar[str] = "din"
    settings_kind: ClassVar[type[DeepSettings]] = DinSettings
    network_kind: ClassVar[type[nn.Module]] = DinNetwork
    settings: DinSettings

    def _inputs_of(self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]) -> DinInputs:
        return DinInputs.of(features, vocabulary, snapshot, given, self.settings.history)
