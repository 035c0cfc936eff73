"""The talk's last ranker: a listener's acts by behaviour domain, four tasks foreseen, and their worth in the scene at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from embeddings.song_encoder import SongEncoder
from embeddings.training import ProgressCallback
from etl.errors import UserError
from ranking.auc import gauc
from ranking.deep_ranker import DeepRanker
from ranking.domain_events import DomainEvents
from ranking.domain_inputs import DomainColumns, DomainInputs, TaskExamples
from ranking.domain_network import DomainNetwork
from ranking.domain_settings import DomainSettings
from ranking.examples import examples_at_now
from ranking.facets import FacetVocabulary
from ranking.features import Features
from ranking.outcomes import outcomes
from ranking.ranker import Examples
from ranking.song_inputs import Columns, Inputs
from ranking.song_network import DeepSettings
from ranking.utility import TASKS, UTILITIES, Utility, scene_weights, utility_logit
from recall.snapshot import Snapshot


class Domains(DeepRanker):
    """Ranks by what click, full play, heart and skip are worth together, each foreseen from all that a listener has liked and refused.

    What a listener refused reaches the score through terms of given sign and through nothing else: features and sessions are those of a
    log without refusals, see `DomainEvents.without_refusals`. So another skip of an artist lowers every song of hers.
    """

    name: ClassVar[str] = "domains"
    settings_kind: ClassVar[type[DeepSettings]] = DomainSettings
    network_kind: ClassVar[type[nn.Module]] = DomainNetwork
    settings: DomainSettings
    _events: DomainEvents

    def __init__(
        self,
        encoder: SongEncoder | None = None,
        settings: DomainSettings | None = None,
        seed: int = 0,
        utilities: Mapping[str, Utility] = UTILITIES,
    ) -> None:
        """`utilities` by name of scene can be set anew at any time: nothing is learned from them."""
        super().__init__(encoder, settings, seed)
        self.utilities = utilities
        self._learned = np.ones(len(TASKS), dtype=bool)

    def fit(
        self,
        snapshot: Snapshot,
        train: Examples,
        valid: Examples,
        *,
        epochs: int | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Learn the tasks from what followed `train`, stop early on `valid`, or after `epochs` where given; then observe `snapshot`.

        An example after which nothing is known any more (a candidate, not an exposure) has its label as the outcome of the full play.
        A task of which only one outcome is known has no part in the utility.

        Raises:
            UserError: there are no examples of both kinds to learn from, or none to stop on.
        """
        learn, held_out = (_with_outcomes(snapshot, examples) for examples in (train, valid))
        self._learned = (learn.outcome == 0).any(axis=0) & (learn.outcome == 1).any(axis=0)
        super().fit(self._seen(snapshot), learn, held_out, epochs=epochs, progress=progress)

    def observe(self, snapshot: Snapshot) -> None:
        """Take the snapshot's events and facts as what is known now; learned parameters stay.

        Raises:
            ValueError: the encoder belongs to another catalogue; set `encoder` to the one of this snapshot first.
        """
        super().observe(self._seen(snapshot))

    def score_tasks(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> npt.NDArray[np.float32]:
        """Probability `[n, 4]` of each task for each pair at the snapshot's `now`, in the given scene."""
        return self.score_tasks_of(examples_at_now(self._snapshot, users, items, scene=scene))

    def score_tasks_of(self, examples: Examples) -> npt.NDArray[np.float32]:
        """Probability `[n, 4]` of each task for each example as of its own moment."""
        return _probabilities(self._task_logits(self._inputs, self._songs, self._inputs.columns(examples)))

    def _seen(self, snapshot: Snapshot) -> Snapshot:
        """What everything but the domains sees of a snapshot, which `_events` now stands for."""
        self._events = DomainEvents(snapshot)
        return self._events.without_refusals() if self.settings.constrained else snapshot

    def _new_network(self, given_dim: int) -> nn.Module:
        network = super()._new_network(given_dim)
        assert isinstance(network, DomainNetwork)
        network.learned.copy_(torch.from_numpy(self._learned))
        return network

    def _inputs_of(
        self, snapshot: Snapshot, features: Features, vocabulary: FacetVocabulary, given: npt.NDArray[np.float32]
    ) -> DomainInputs:
        return DomainInputs.of(features, vocabulary, self._events, given, self.settings)

    def _loss(self, batch: Any) -> Tensor:
        network: DomainNetwork = self._network
        return network.loss(network(batch), batch.outcome)

    def _metric(self, inputs: Inputs, held_out: Columns, valid: Examples) -> float:
        songs = self._song_vectors(inputs)
        if self.settings.stop_on == "gauc":
            return gauc(valid.user, valid.label, self._logits(inputs, songs, held_out))
        assert isinstance(held_out, DomainColumns)
        return -_log_loss(self._task_logits(inputs, songs, held_out), held_out.outcome, self.settings.task_weights)

    def _logits(self, inputs: Inputs, songs: Tensor, columns: Columns) -> npt.NDArray[np.float32]:
        """Scores `[n]` that grow with the utility in the scene of each example."""
        assert isinstance(columns, DomainColumns)
        return utility_logit(self._task_logits(inputs, songs, columns), self._weights(columns.scene))

    def _weights(self, scene: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
        """`[n, 4]` weights of the scene of each example, 0 for tasks of which nothing could be learned.

        Raises:
            UserError: a scene's utility is made of such tasks alone.
        """
        learned = self._network.learned.numpy()
        weights: npt.NDArray[np.float64] = scene_weights(self.utilities, self._events.snapshot.scenes, scene) * learned
        if not weights.any(axis=1).all():
            known = [name for name, is_learned in zip(TASKS, learned, strict=True) if is_learned]
            raise UserError(
                f"[rank.utility]: a scene weighs none of {', '.join(known)}, and nothing else could be learned: give one a weight"
            )
        return weights

    def _task_logits(self, inputs: Inputs, songs: Tensor, columns: Columns) -> npt.NDArray[np.float32]:
        """Logits `[n, 4]`."""
        return self._network_logits(inputs, songs, columns, (len(TASKS),))


def _with_outcomes(snapshot: Snapshot, examples: Examples) -> TaskExamples:
    outcome = outcomes(snapshot, examples).astype(np.float32)
    at_end = examples.position >= len(snapshot.events)
    outcome[at_end] = np.nan
    outcome[at_end, TASKS.index("full_play")] = examples.label[at_end]
    return TaskExamples(**{field.name: getattr(examples, field.name) for field in fields(Examples)}, outcome=outcome)


def _probabilities(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return (1.0 / (1.0 + np.exp(-logits.astype(np.float64)))).astype(np.float32)


def _log_loss(logits: npt.NDArray[np.float32], outcome: npt.NDArray[np.float32], weights: tuple[float, ...]) -> float:
    """Weighed sum of the tasks' mean cross-entropies over what is known of each."""
    known = ~np.isnan(outcome)
    each = np.logaddexp(0.0, logits.astype(np.float64)) - np.nan_to_num(outcome) * logits
    mean = np.where(known, each, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return float(mean @ np.asarray(weights))
