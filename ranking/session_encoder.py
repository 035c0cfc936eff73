"""Sessions as vectors, and what they say of a target song (DSIN: Feng et al., IJCAI 2019), without padding among the acts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ranking.session_inputs import SessionBatch


class SessionSizes(NamedTuple):
    """Sizes of a session encoder."""

    width: int
    sessions: int
    acts: int
    heads: int
    dropout: float


class BiasEncoding(nn.Module):
    """BE(k, t, c) = w_K[k] + w_T[t] + w_C[c]: place of the session, place of the act in it, and channel (equation 3), all learned."""

    def __init__(self, sizes: SessionSizes) -> None:
        super().__init__()
        self.session = nn.Parameter(torch.zeros(sizes.sessions).normal_(std=0.1))
        self.unit = nn.Parameter(torch.zeros(sizes.acts).normal_(std=0.1))
        self.channel = nn.Parameter(torch.zeros(sizes.width).normal_(std=0.1))

    def forward(self, place: Tensor, unit: Tensor) -> Tensor:
        """`[p, width]` of acts whose sessions stand at `place` `[p]` and who stand at `unit` `[p]` in them."""
        of_act = self.session.index_select(0, place) + self.unit.index_select(0, unit)
        return of_act.unsqueeze(1) + self.channel


class SessionEncoder(nn.Module):
    """Session interest extractor: bias encoding, multi-head self-attention within a session, feed-forward, mean (equations 3 to 7).

    Sessions share the weights. A session is encoded from its own acts alone, so one that is over has the same vector at every later
    moment that finds it at the same place.
    """

    def __init__(self, sizes: SessionSizes) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.bias = BiasEncoding(sizes)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.after_attention, self.after_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, act: Tensor, batch: SessionBatch) -> Tensor:
        """Vectors `[f, width]` of the sessions to encode, from the vectors `[p, width]` of their acts."""
        n = len(batch.place)
        if not n:
            return act.new_zeros(0, act.shape[1])
        x = act + self.bias(batch.place.index_select(0, batch.owner), batch.unit)
        y = self.after_attention(x + self.dropout(self.out(self.attention(x, batch.owner, batch.unit, n))))
        z = self.after_feed(y + self.dropout(self.feed(y)))
        total = torch.zeros(n, z.shape[1]).index_add(0, batch.owner, z)
        return total / torch.bincount(batch.owner, minlength=n).unsqueeze(1)

    def attention(self, x: Tensor, owner: Tensor, unit: Tensor, n: int) -> Tensor:
        """`[p, width]` of self-attention within each session.

        Only the scores are laid out by the longest session at hand. Every session has an act, so no softmax runs over nothing.
        """
        longest = int(unit.max()) + 1
        cell = owner * longest + unit
        grid = torch.zeros(n * longest, 3 * x.shape[1]).index_copy(0, cell, self.project(x))
        q, k, v = grid.view(n, longest, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        there = torch.zeros(n * longest, dtype=torch.bool).index_fill(0, cell, True).view(n, 1, 1, longest)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=there)
        return mixed.permute(0, 2, 1, 3).reshape(n * longest, -1).index_select(0, cell)


class SessionInterest(nn.Module):
    """Session interest interacting and activating layers: a Bi-LSTM over the sessions, and two activation units (equations 8 to 10).

    a_k = softmax_k(I_kᵀ W^I x) on the sessions, and the same on the LSTM's states H_k with a W^H of its own. A place without a session
    holds a learned vector and is masked; who has no session at all has nothing but that vector, so no softmax runs over nothing either.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width // 2, bidirectional=True, batch_first=True)
        self.of_session, self.of_state = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.no_session, self.no_state = (nn.Parameter(torch.zeros(width).normal_(std=0.1)) for _ in range(2))

    def forward(self, session: Tensor, batch: SessionBatch, target: Tensor) -> tuple[Tensor, Tensor]:
        """What the sessions `[n, width]` and their states say of the targets `[b, width]`: `[b, width]` each."""
        slots = batch.slots
        vectors = torch.cat((session, self.no_session.unsqueeze(0))).index_select(0, slots.flatten()).view(*slots.shape, -1)
        there = slots < len(session)
        there[-1, 0] = True
        states = self._states(vectors[:-1], batch.length)
        states = torch.cat((states, torch.zeros(1, *states.shape[1:])))
        states = torch.where(there.unsqueeze(2), states, self.no_state)
        states = torch.cat((states[:-1], self.no_state.expand(1, slots.shape[1], -1)))
        return (
            self.activated(vectors, there, batch.history, self.of_session(target)),
            self.activated(states, there, batch.history, self.of_state(target)),
        )

    def _states(self, vectors: Tensor, length: Tensor) -> Tensor:
        """`[m, s, width]` forward and backward state at each session, 0 where there is none."""
        if not len(vectors):
            return vectors
        packed = pack_padded_sequence(vectors, length, batch_first=True, enforce_sorted=False)
        states: Tensor = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=vectors.shape[1])[0]
        return states

    @staticmethod
    def activated(vectors: Tensor, there: Tensor, history: Tensor, question: Tensor) -> Tensor:
        """`[b, width]` mean of each example's history `[m + 1, s, width]`, weighed by its likeness to `question` `[b, width]`."""
        own = vectors.index_select(0, history)
        score = torch.bmm(own, question.unsqueeze(2)).squeeze(2)
        weight = score.masked_fill(~there.index_select(0, history), -torch.inf).softmax(dim=1)
        return torch.bmm(weight.unsqueeze(1), own).squeeze(1)
