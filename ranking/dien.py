"""DIEN, the deep interest evolution network (Zhou et al., AAAI 2019), over the live sequence of full plays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from ranking.deep_ranker import Batches, DeepRanker
from ranking.dien_inputs import DienColumns, DienInputs, bundled
from ranking.dien_network import DienBatch, DienNetwork, DienSettings
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.song_network import DeepSettings
from recall.snapshot import Snapshot


class Dien(DeepRanker):
    """Ranks by how a listener's interests evolve towards the target song."""

    name: ClassVar[str] = "dien"
    settings_kind: ClassVar[type[DeepSettings]] = DienSettings
    network_kind: ClassVar[type[nn.Module]] = DienNetwork
    settings: DienSettings

    def _inputs_of(self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]) -> DienInputs:
        return DienInputs.of(features, vocabulary, snapshot, given, self.settings.history)

    def _batches(self, inputs: DienInputs, columns: DienColumns, rng: np.random.Generator) -> Iterable[DienBatch]:
        order = bundled(columns.run, self.settings.together, rng)
        return Batches(columns, order, self.settings.batch_size, lambda part: inputs.training_batch(part, rng))

    def _loss(self, batch: DienBatch) -> Tensor:
        """Cross-entropy plus the auxiliary loss."""
        song = self._network.songs(batch.given, batch.facets)
        interests = self._network.interests(song, batch)
        logits = self._network.head(song, interests, batch)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.label)
        auxiliary: Tensor = self._network.auxiliary_loss(song, interests, batch.next_plays)
        return loss + self.settings.auxiliary * auxiliary
