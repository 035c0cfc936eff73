"""DSIN, the deep session interest network (Feng et al., IJCAI 2019), with the talk's rules of what a session is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ranking.deep_ranker import DeepRanker, scored_in_parts
from ranking.dsin_inputs import DsinInputs, SessionColumns
from ranking.dsin_network import DsinNetwork, DsinSettings
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.ranker import Examples
from ranking.session_cache import SessionCache
from ranking.song_inputs import Inputs
from ranking.song_network import DeepSettings
from recall.snapshot import Snapshot


class Dsin(DeepRanker):
    """Ranks by a network that reads a history as sessions: alike within, different from one to the next."""

    name: ClassVar[str] = "dsin"
    settings_kind: ClassVar[type[DeepSettings]] = DsinSettings
    network_kind: ClassVar[type[nn.Module]] = DsinNetwork
    settings: DsinSettings
    _cache: SessionCache

    def score_examples(self, examples: Examples) -> npt.NDArray[np.float32]:
        """Logit of each example `[n]` as of its own moment; positions refer to the observed snapshot's events.

        Between two `observe`s a session is encoded once, whoever asks for it again and how often.
        """
        columns = self._inputs.columns(examples)
        return scored_in_parts(len(examples), lambda part: self._logits_with_kept_sessions(columns.take(part)))

    @torch.inference_mode()
    def _logits_with_kept_sessions(self, columns: SessionColumns) -> Tensor:
        inputs: DsinInputs = self._inputs
        network: DsinNetwork = self._network
        divided = inputs.histories.divided(columns.end)
        known = self._cache.has(divided.keys)
        kept = self._cache.take(divided.keys[known])
        batch, songs = inputs.batch(columns, divided, known)
        song = self._songs[torch.from_numpy(songs)]
        fresh = network.encoded(song, batch)
        self._cache.add(divided.keys[~known], fresh)
        return network.judged(song, batch, torch.cat((kept, fresh)))

    def _inputs_of(self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]) -> DsinInputs:
        return DsinInputs.of(features, vocabulary, snapshot, given, self.settings)

    def _observe(self, snapshot: Snapshot, inputs: Inputs) -> None:
        super()._observe(snapshot, inputs)
        self._cache = SessionCache(self.settings.width)
