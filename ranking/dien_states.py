"""The extractor's states kept for serving: a new full play is two steps of the recurrent unit, whatever the history's length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ranking.dien_inputs import DienInputs, Ints
from ranking.dien_network import DienNetwork
from ranking.gru import Packed

Floats = npt.NDArray[np.float32]


class Interests(NamedTuple):
    """The interests that the evolution of some listeners passes through."""

    states: Tensor
    """`[r, width]`, oldest first within a listener."""
    history: Tensor
    """`[r]` songs of the plays."""
    windows: Packed
    """One window a listener."""


class ListenerStates:
    """Extractor states of `m` listeners, brought forward play by play.

    With blocks of `length` plays, a run begins at every block and reaches over the one after it (`DienInputs`), so two runs are under way:
    the one of the block before, which windows see, and the one of this block, which the next block's windows will see. A window lies in
    two blocks; its plays of the older one were seen by that block's own run, those of the newer one by the run before. So of each play two
    states are kept, in rings of `length`.
    """

    def __init__(self, network: DienNetwork, songs: Tensor, n_listeners: int, length: int) -> None:
        """Nothing heard yet. `songs` `[n_songs, width]` are the songs' vectors."""
        self._network, self._songs, self.length = network, songs, length
        width = songs.shape[1]
        self.n_plays = np.zeros(n_listeners, np.int64)
        """`[m]` plays of each listener so far."""
        self._own: Floats = np.zeros((n_listeners, length, width), np.float32)
        self._before: Floats = np.zeros((n_listeners, length, width), np.float32)
        self._item: Ints = np.zeros((n_listeners, length), np.int64)

    @classmethod
    @torch.inference_mode()
    def of(cls, network: DienNetwork, songs: Tensor, inputs: DienInputs, users: npt.NDArray[np.integer]) -> Self:
        """States of `users` `[m]` after everything in `inputs`; at most twice the length is read of each."""
        states = cls(network, songs, len(users), inputs.length)
        begin, end = inputs.histories.offsets[users], inputs.histories.offsets[users + 1]
        states.n_plays = end - begin
        block = (end - begin) // inputs.length * inputs.length
        earlier = np.maximum(block - inputs.length, 0)
        for first in (earlier, block):  # where there is one block only, its run is made twice, and is the same
            run = Packed.of(begin + first, end - begin - first)
            item = inputs.histories.item[run.rows].astype(np.int64)
            vectors = network.extractor.inputs(songs).index_select(0, torch.from_numpy(item))
            after = network.extractor.states(vectors, Packed(run.offsets[:-1], run.offsets)).numpy()
            who, play = run.owner, run.rows - begin[run.owner]
            states._item[who, play % inputs.length] = item  # plays ascend: the latest of a place is written last
            own = play < first[who] + inputs.length
            states._own[who[own], play[own] % inputs.length] = after[own]
            states._before[who[~own], play[~own] % inputs.length] = after[~own]
        return states

    def heard(self, listener: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> None:
        """Take new full plays `[n]`: songs `item` by `listener` (0 to m − 1), in time order within each."""
        order = np.argsort(listener, kind="stable")
        for rows in _rounds(listener[order]):
            self._one_play_each(np.asarray(listener)[order[rows]], np.asarray(item)[order[rows]])

    def interests(self, listener: npt.NDArray[np.integer]) -> Interests:
        """Windows of the listeners `[n]` as they stand now."""
        length = np.minimum(self.n_plays[listener], self.length)
        packed = Packed.of(self.n_plays[listener] - length, length)
        who, play = np.asarray(listener)[packed.owner], packed.rows
        place = play % self.length
        new_block = (play // self.length == (self.n_plays // self.length)[who]) & (play >= self.length)
        states = np.where(new_block[:, None], self._before[who, place], self._own[who, place])
        history = torch.from_numpy(self._item[who, place])
        return Interests(torch.from_numpy(states), history, Packed(packed.offsets[:-1], packed.offsets))

    @torch.inference_mode()
    def _one_play_each(self, listener: Ints, item: npt.NDArray[np.integer]) -> None:
        """One new play of each of distinct listeners: a step of both runs."""
        play = self.n_plays[listener]
        place, last = play % self.length, (play - 1) % self.length
        inside = (place > 0)[:, None]
        own = np.where(inside, self._own[listener, last], np.float32(0))
        before = np.where(inside, self._before[listener, last], self._own[listener, last])
        self._item[listener, place] = item
        inputs = self._network.extractor.inputs(self._songs[torch.from_numpy(self._item[listener, place])])
        step = Packed.of(np.tile(np.arange(len(listener)), 2), np.ones(2 * len(listener), np.int64))
        after = self._network.extractor.states(inputs, step, start=torch.from_numpy(np.concatenate((own, before)))).numpy()
        self._own[listener, place], self._before[listener, place] = np.split(after, 2)
        self.n_plays[listener] += 1


def _rounds(listener: npt.NDArray[np.integer]) -> Iterator[npt.NDArray[np.intp]]:
    """Rows of the first play of each listener (ascending), of the second, and so on."""
    turn = np.arange(len(listener)) - np.searchsorted(listener, listener)
    order = np.argsort(turn, kind="stable")
    return iter(np.split(order, np.flatnonzero(np.diff(turn[order])) + 1) if len(order) else [])
