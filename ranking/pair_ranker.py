"""What deep rankers without histories share: songs and listeners are vectors of their ids, each pair has the declared features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ranking.deep_ranker import DeepRanker, known_songs
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.ranker import Examples
from ranking.song_inputs import PairInputs, user_keys
from recall.snapshot import Snapshot


class PairRanker(DeepRanker):
    """A ranker whose vocabulary holds the listeners of its training examples beside songs and facets; another listener has code 0."""

    def _inputs_of(self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]) -> PairInputs:
        return PairInputs.of(features, vocabulary, snapshot, given)

    def _new_vocabulary(self, snapshot: Snapshot, train: Examples) -> FacetVocabulary:
        users = user_keys(snapshot.catalogue.users["user_id"][np.unique(train.user)])
        return FacetVocabulary.of(snapshot.projection, known_songs(snapshot, train), users)

    def _penalty(self, batch: Any, occurrences: Tensor) -> Tensor:
        # Songs' and listeners' ids together: each look-up in the table costs a gradient as large as the table.
        penalty: Tensor = self._network.penalty_of(torch.cat((batch.facets.codes, batch.user)), occurrences)
        return penalty
