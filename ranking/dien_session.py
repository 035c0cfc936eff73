"""DIEN while people listen: a full play moves the interests at once, without a new snapshot."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ranking.deep_ranker import scored_in_parts
from ranking.dien import Dien
from ranking.dien_inputs import DienInputs, Ints
from ranking.dien_network import DienBatch, NextPlays
from ranking.dien_states import ListenerStates
from ranking.examples import examples_at_now
from ranking.gru import Packed
from ranking.ranker import Examples
from ranking.song_inputs import NO_FACETS


class DienSession:
    """Scores for some listeners as they go on listening. Counts and recencies among the features stay those of the ranker's snapshot."""

    def __init__(self, ranker: Dien, users: npt.NDArray[np.integer]) -> None:
        """`users` `[m]`, distinct; `ranker` has observed the snapshot that the session begins at, and is not changed."""
        self._ranker = ranker
        self._inputs: DienInputs = ranker._inputs
        self._listener = np.full(self._inputs.histories.n_users, -1, np.int64)
        self._listener[users] = np.arange(len(users))
        self._states = ListenerStates.of(ranker._network, ranker._songs, self._inputs, users)

    def heard(self, users: npt.NDArray[np.integer], items: npt.NDArray[np.integer]) -> None:
        """New full plays `[n]`, in time order within each user; the work of one does not depend on how much was heard before."""
        self._states.heard(self._known(users), items)

    def score(self, users: npt.NDArray[np.integer], items: npt.NDArray[np.integer], scene: int = -1) -> npt.NDArray[np.float32]:
        """Logit of each pair `[n]` after what was heard so far."""
        examples = examples_at_now(self._ranker._snapshot, users, items, scene=scene)
        return scored_in_parts(len(users), lambda part: self._logits(examples.take(part)))

    @torch.inference_mode()
    def _logits(self, examples: Examples) -> Tensor:
        listeners, place = np.unique(self._known(examples.user), return_inverse=True)
        states, history, of_listener = self._states.interests(listeners)
        windows = Packed.of(of_listener.first[place], np.diff(of_listener.offsets)[place])
        numbers = (self._inputs.features.numeric(examples), self._inputs.codes(examples), examples.label)
        none = torch.empty(0, dtype=torch.int64)
        target = torch.from_numpy(examples.item.astype(np.int64))
        asked = NextPlays(none, none, none)
        columns = (torch.from_numpy(column) for column in numbers)
        batch = DienBatch(torch.empty(0), NO_FACETS, target, history, of_listener, windows, asked, *columns)
        logits: Tensor = self._ranker._network.head(self._ranker._songs, states, batch)
        return logits

    def _known(self, users: npt.NDArray[np.integer]) -> Ints:
        """Raises:
        ValueError: a user is not one of the session's.
        """
        listeners: Ints = self._listener[users]
        if (listeners < 0).any():
            raise ValueError(f"user {users[np.argmin(listeners)]} is not in this session: name all of its listeners when it begins")
        return listeners
