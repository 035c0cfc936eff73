"""Kernels of the recurrent cells: a pass through packed sequences forward, and through time backward.

Where gradients are wanted, a sequence is worked on alone, step by step; nothing is padded. A step is one product of the state `[w]` with a
matrix `[w, 3w]` that stays in the first cache, eight rows at a time: each partial sum is loaded and stored once for eight multiplications.
Where only last states are, `step_together` is one step of all sequences that are long enough, after one product for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_ONE, _HALF, _EDGE = np.float32(1), np.float32(0.5), np.float32(8.6)
# tanh(x) = x·P(x²)/Q(x²) on |x| ≤ 8.6, least relative error (1.3e-8 before rounding); found by reweighted least squares.
_P1, _P2, _P3, _P4 = (np.float32(value) for value in (1.3406876e-01, 3.5264022e-03, 2.1122392e-05, 1.4082488e-08))
_Q1, _Q2, _Q3, _Q4 = (np.float32(value) for value in (4.6740198e-01, 2.5993902e-02, 3.3362713e-04, 8.0706434e-07))
KEPT: Final = 4
"""Vectors kept of each step for the way back: update gate, reset gate, candidate, and the state's part of the candidate."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of float32 arrays on one thread."""
    # Sums may be reordered and fused: the compiler then uses vector instructions; infinities and NaN keep their meaning.
    compiled: Callable[..., Any] = numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"}, error_model="numpy")(
        function
    )
    return compiled


@kernel
def tanh(x: np.float32) -> np.float32:
    """To 4e-7, in arithmetic that vectorises."""
    x = min(max(x, -_EDGE), _EDGE)
    y = x * x
    return x * (_ONE + y * (_P1 + y * (_P2 + y * (_P3 + y * _P4)))) / (_ONE + y * (_Q1 + y * (_Q2 + y * (_Q3 + y * _Q4))))


@kernel
def sigmoid(x: np.float32) -> Any:
    """To 2e-7."""
    return _HALF + _HALF * tanh(_HALF * x)


@kernel
def _add_product(vector: Floats, matrix: Floats, total: Floats) -> None:
    """`total` `[m]` += `vector` `[n]` times `matrix` `[n, m]`."""
    n, m = matrix.shape
    whole = n - n % 8
    for i in range(0, whole, 8):
        a, b, c, d = vector[i], vector[i + 1], vector[i + 2], vector[i + 3]
        e, f, g, h = vector[i + 4], vector[i + 5], vector[i + 6], vector[i + 7]
        for j in range(m):
            total[j] += (
                (a * matrix[i, j] + b * matrix[i + 1, j])
                + (c * matrix[i + 2, j] + d * matrix[i + 3, j])
                + (e * matrix[i + 4, j] + f * matrix[i + 5, j])
                + (g * matrix[i + 6, j] + h * matrix[i + 7, j])
            )
    for i in range(whole, n):
        a = vector[i]
        for j in range(m):
            total[j] += a * matrix[i, j]


@kernel
def _add_outer(left: Floats, right: Floats, total: Floats) -> None:
    """`total` `[n, m]` += `left` `[t, n]` transposed times `right` `[t, m]`."""
    n, m = total.shape
    whole = len(left) - len(left) % 8
    for t in range(0, whole, 8):
        for i in range(n):
            a, b, c, d = left[t, i], left[t + 1, i], left[t + 2, i], left[t + 3, i]
            e, f, g, h = left[t + 4, i], left[t + 5, i], left[t + 6, i], left[t + 7, i]
            for j in range(m):
                total[i, j] += (
                    (a * right[t, j] + b * right[t + 1, j])
                    + (c * right[t + 2, j] + d * right[t + 3, j])
                    + (e * right[t + 4, j] + f * right[t + 5, j])
                    + (g * right[t + 6, j] + h * right[t + 7, j])
                )
    for t in range(whole, len(left)):
        for i in range(n):
            a = left[t, i]
            for j in range(m):
                total[i, j] += a * right[t, j]


@kernel
def step_together(inputs: Floats, weight: Floats, row: Rows, place: Rows, n: int, part: Floats, state: Floats) -> None:
    """The step of the first `n` sequences whose product of state and matrices is in `part` `[n, 3w]`, which is used up.

    Args:
        inputs: `[r, 3w]`, as of `all_states`.
        weight: `[p]` factor of each step's update gate.
        row: row of each sequence's step in `inputs`.
        place: place of each sequence's step in `weight`.
        n: sequences that have this step.
        part: `[n, 3w]`
        state: `[n, w]`, moved on.
    """
    w = state.shape[1]
    for s in range(n):
        given, gate, now, factor = inputs[row[s]], part[s], state[s], weight[place[s]]
        for j in range(2 * w):
            gate[j] = sigmoid(gate[j] + given[j])
        for j in range(w):
            candidate = tanh(given[2 * w + j] + gate[w + j] * gate[2 * w + j])
            now[j] += factor * gate[j] * (candidate - now[j])


@kernel
def all_states(
    inputs: Floats, weight: Floats, recurrent: Floats, first: Rows, offsets: Rows, start: Floats, states: Floats, kept: Floats
) -> None:
    """Run every sequence, writing the state after each step.

    Args:
        inputs: `[r, 3w]` the steps' inputs through their matrices, biases added: for the update gate, the reset gate, the candidate.
        weight: `[p]` factor of each step's update gate.
        recurrent: `[w, 3w]` matrices of the state, side by side.
        first: `[n]` row in `inputs` of each sequence's first step; the others follow it.
        offsets: `[n + 1]` sequence s has the steps `offsets[s]:offsets[s + 1]`.
        start: `[n, w]` states before the first step.
        states: `[p, w]`, written.
        kept: `[p, 4w]`, written: what `back_through_time` needs of each step.
    """
    w = recurrent.shape[0]
    part = np.empty(3 * w, np.float32)
    for s in range(len(first)):
        before = start[s]
        for t in range(offsets[s], offsets[s + 1]):
            row, of_step = inputs[first[s] + t - offsets[s]], kept[t]
            part[:] = 0
            _add_product(before, recurrent, part)
            for j in range(2 * w):
                of_step[j] = sigmoid(part[j] + row[j])
            for j in range(w):
                candidate = tanh(row[2 * w + j] + of_step[w + j] * part[2 * w + j])
                of_step[2 * w + j] = candidate
                of_step[3 * w + j] = part[2 * w + j]
                states[t, j] = before[j] + weight[t] * of_step[j] * (candidate - before[j])
            before = states[t]


@kernel
def back_through_time(
    weight: Floats,
    recurrent: Floats,
    first: Rows,
    offsets: Rows,
    states: Floats,
    kept: Floats,
    of_states: Floats,
    of_last: Floats,
    of_inputs: Floats,
    of_weight: Floats,
    of_recurrent: Floats,
) -> None:
    """Gradients of a run of `all_states` from zero states, added to `of_inputs`, `of_recurrent` and written to `of_weight`.

    The gradient comes in at every step's state (`of_states` `[p, w]`, or no rows) and at each sequence's last one (`of_last` `[n, w]`).
    """
    w = recurrent.shape[0]
    back = np.ascontiguousarray(recurrent.T)
    longest = 0
    for s in range(len(first)):
        longest = max(longest, offsets[s + 1] - offsets[s])
    gates = np.empty((longest, 3 * w), np.float32)
    of_state, zero = np.empty(w, np.float32), np.zeros(w, np.float32)
    for s in range(len(first)):
        begin, end = offsets[s], offsets[s + 1]
        of_state[:] = of_last[s]
        for t in range(end - 1, begin - 1, -1):
            if len(of_states):
                of_state += of_states[t]
            before = states[t - 1] if t > begin else zero
            of_weight[t] = _step_back(weight[t], before, kept[t], of_state, of_inputs[first[s] + t - begin], gates[t - begin])
            _add_product(gates[t - begin], back, of_state)
        if end - begin > 1:
            _add_outer(states[begin : end - 1], gates[1 : end - begin], of_recurrent)


@kernel
def _step_back(weight: np.float32, before: Floats, kept: Floats, of_state: Floats, of_input: Floats, gate: Floats) -> np.float32:
    """Gradients of one step: `of_state` turns from the state after into the state before, but for the way through the matrices, whose
    gradients are written to `gate` `[3w]`; returned is that of the weight."""
    w = len(before)
    of_weight = np.float32(0)
    for j in range(w):
        update, reset, candidate, part = kept[j], kept[w + j], kept[2 * w + j], kept[3 * w + j]
        incoming = of_state[j]
        of_update = incoming * (candidate - before[j])
        of_weight += of_update * update
        of_candidate = incoming * weight * update * (_ONE - candidate * candidate)
        gate[j] = of_update * weight * update * (_ONE - update)
        gate[w + j] = of_candidate * part * reset * (_ONE - reset)
        gate[2 * w + j] = of_candidate * reset
        of_input[j] += gate[j]
        of_input[w + j] += gate[w + j]
        of_input[2 * w + j] += of_candidate
        of_state[j] = incoming * (_ONE - weight * update)
    return of_weight
