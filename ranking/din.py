"""DIN, the deep interest network (Zhou et al., KDD 2018), with rich song profiles through the shared song encoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import nn

from ranking.deep_ranker import Batches, DeepRanker
from ranking.din_inputs import DinInputs, HistoryColumns
from ranking.din_network import DinBatch, DinNetwork, DinSettings
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.song_inputs import complete
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

    def _batches(self, inputs: DinInputs, columns: HistoryColumns, rng: np.random.Generator) -> Iterable[DinBatch]:
        """Batches drawn at random; within one, examples of like histories follow each other, whose songs are then still in the cache."""

        def of_part(part: HistoryColumns) -> DinBatch:
            batch: DinBatch = complete(inputs, *inputs.batch(part.take(np.argsort(part.start, kind="stable"))))
            return batch

        return Batches(columns, rng.permutation(len(columns.item)), self.settings.batch_size, of_part)
