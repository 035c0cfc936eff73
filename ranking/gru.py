"""The gated recurrent unit and its attentional form, AUGRU (Zhou et al., AAAI 2019, equations 4 and 7), on packed sequences.

    u = σ(W_u x + U_u h + b_u)    r = σ(W_r x + U_r h + b_r)    h̃ = tanh(W_h x + r ∘ U_h h + b_h)    h' = (1 − a·u) ∘ h + a·u ∘ h̃

The attention a of a step scales the update gate: at 0 the state stays, at 1 the step is a plain GRU's. (The authors' published code has
h' = u' ∘ h + (1 − u') ∘ h̃ with u' = (1 − a)·u, which moves the state at a = 0; this is the paper's.) The gate that torch.nn.GRU calls z
is 1 − u. Inputs go through their matrices outside: once for each distinct input, however many sequences it stands in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ranking.gru_kernels import KEPT, all_states, back_through_time, step_together


class Packed(NamedTuple):
    """Where `n` sequences lie in rows of inputs: contiguous, and in any order; they may overlap."""

    first: npt.NDArray[np.int64]
    """`[n]` row of each sequence's first step."""
    offsets: npt.NDArray[np.int64]
    """`[n + 1]` sequence s has the steps `offsets[s]:offsets[s + 1]` of all `p`."""

    @classmethod
    def of(cls, first: npt.NDArray[np.int64], length: npt.NDArray[np.int64]) -> Packed:
        """Sequences that begin at `first` `[n]` and have `length` `[n]` steps."""
        return cls(first, np.concatenate(([0], np.cumsum(length))).astype(np.int64))

    @property
    def n_steps(self) -> int:
        """Steps of all sequences, `p`."""
        return int(self.offsets[-1])

    @property
    def owner(self) -> npt.NDArray[np.int64]:
        """`[p]` sequence of each step."""
        return np.repeat(np.arange(len(self.first)), np.diff(self.offsets))

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """`[p]` row of each step."""
        return np.arange(self.n_steps) + (self.first - self.offsets[:-1])[self.owner]


class Gru(nn.Module):
    """One layer, its states as wide as its inputs and zero before the first step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        bound = width**-0.5
        self.of_input = nn.Linear(width, 3 * width)
        self.of_state = nn.Parameter(torch.empty(width, 3 * width).uniform_(-bound, bound))
        nn.init.uniform_(self.of_input.weight, -bound, bound)
        nn.init.zeros_(self.of_input.bias)

    def inputs(self, vectors: Tensor) -> Tensor:
        """`[r, 3·width]` for the update gate, the reset gate and the candidate, of vectors `[r, width]`."""
        inputs: Tensor = self.of_input(vectors)
        return inputs

    def states(self, inputs: Tensor, packed: Packed, attention: Tensor | None = None, start: Tensor | None = None) -> Tensor:
        """State after every step, `[p, width]`; `attention` `[p]` is 1 without, `start` `[n, width]` 0. No gradient reaches `start`."""
        return self._run(inputs, packed, attention, start, last=False)

    def last(self, inputs: Tensor, packed: Packed, attention: Tensor | None = None) -> Tensor:
        """State after each sequence, `[n, width]`; zero for one without steps."""
        return self._run(inputs, packed, attention, None, last=True)

    def _run(self, inputs: Tensor, packed: Packed, attention: Tensor | None, start: Tensor | None, *, last: bool) -> Tensor:
        attention = torch.ones(packed.n_steps) if attention is None else attention
        if last and not torch.is_grad_enabled():
            return _last_without_gradients(inputs, attention, self.of_state, packed)
        result: Tensor = _Run.apply(inputs, attention, self.of_state, packed, start, last)  # type: ignore[no-untyped-call]
        return result


class _Run(torch.autograd.Function):
    """A pass over packed sequences, its way back hand-written: a step of torch's own costs ten small operations and their records."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, attention: Tensor, recurrent: Tensor, packed: Packed, start: Tensor | None, last: bool) -> Tensor:
        begin = torch.zeros(len(packed.first), len(recurrent)) if start is None else start
        given = _arrays(inputs, attention, recurrent)
        states, kept = (np.empty((packed.n_steps, times * len(recurrent)), np.float32) for times in (1, KEPT))
        all_states(*given, packed.first, packed.offsets, begin.detach().numpy(), states, kept)
        ctx.kept, ctx.packed, ctx.last, ctx.starts_at_zero = (*given, states, kept), packed, last, start is None
        return torch.from_numpy(_last_of(states, packed) if last else states)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        if not ctx.starts_at_zero:
            raise NotImplementedError("gradients of a run that goes on from given states")
        inputs, attention, recurrent, states, kept = ctx.kept
        given = np.ascontiguousarray(gradient.numpy())
        n, width = len(ctx.packed.first), len(recurrent)
        of_states, of_last = (np.empty((0, width), np.float32), given) if ctx.last else (given, np.zeros((n, width), np.float32))
        found = np.zeros_like(inputs), np.empty_like(attention), np.zeros_like(recurrent)
        back_through_time(attention, recurrent, ctx.packed.first, ctx.packed.offsets, states, kept, of_states, of_last, *found)
        return (*(torch.from_numpy(array) for array in found), None, None, None)


def _last_without_gradients(inputs: Tensor, attention: Tensor, recurrent: Tensor, packed: Packed) -> Tensor:
    """States after the sequences, `[n, width]`, all a step at a time; the longest come first, so that those under way are a prefix."""
    given, weight, matrices = inputs.detach().contiguous().numpy(), attention.detach().contiguous().numpy(), recurrent.detach()
    length = np.diff(packed.offsets)
    order = np.argsort(-length, kind="stable")
    row, place = packed.first[order], packed.offsets[:-1][order]
    under_way = len(length) - np.searchsorted(length[order[::-1]], np.arange(length.max(initial=0)), side="right")
    state, part = torch.zeros(len(length), len(recurrent)), torch.empty(len(length), recurrent.shape[1])
    states, parts = state.numpy(), part.numpy()
    for step, n in enumerate(under_way.tolist()):
        torch.mm(state[:n], matrices, out=part[:n])
        step_together(given, weight, row + step, place + step, n, parts, states)
    last = torch.empty_like(state)
    last[torch.from_numpy(order)] = state
    return last


def _arrays(*tensors: Tensor) -> list[npt.NDArray[np.float32]]:
    return [np.ascontiguousarray(tensor.detach().numpy()) for tensor in tensors]


def _last_of(states: npt.NDArray[np.float32], packed: Packed) -> npt.NDArray[np.float32]:
    """`[n, width]` state after each sequence, zero for an empty one."""
    result = np.zeros((len(packed.first), states.shape[1]), np.float32)
    some = packed.offsets[1:] > packed.offsets[:-1]
    result[some] = states[packed.offsets[1:][some] - 1]
    return result
