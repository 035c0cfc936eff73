import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ranking.gru import Gru, Packed
from ranking.window_attention import window_attention
from ranking.window_mean import window_mean

LENGTHS = np.array([5, 0, 1, 9, 17])


def packed(lengths: np.ndarray) -> Packed:
    return Packed.of(np.cumsum(lengths) - lengths, lengths)


def by_the_formula(gru: Gru, vectors: Tensor, attention: Tensor) -> Tensor:
    """States of one sequence, a step at a time, as the paper writes it."""
    state, states = torch.zeros(vectors.shape[1], dtype=vectors.dtype), []
    for row, weight in zip(vectors @ gru.of_input.weight.T + gru.of_input.bias, attention, strict=True):
        of_input, of_state = row.chunk(3), (state @ gru.of_state).chunk(3)
        update, reset = torch.sigmoid(of_input[0] + of_state[0]), torch.sigmoid(of_input[1] + of_state[1])
        candidate = torch.tanh(of_input[2] + reset * of_state[2])
        state = (1 - weight * update) * state + weight * update * candidate
        states.append(state)
    return torch.stack(states)


def fresh(width: int = 12, seed: int = 0) -> Gru:
    torch.manual_seed(seed)
    return Gru(width)


def as_torch(gru: Gru) -> torch.nn.GRU:
    """Torch's own layer with the same numbers: its gates are reset, 1 − update, candidate."""
    width = len(gru.of_state)
    theirs = torch.nn.GRU(width, width, batch_first=True)

    def in_their_order(matrix: Tensor) -> Tensor:
        update, reset, candidate = matrix.chunk(3)
        return torch.cat((reset, -update, candidate))

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(in_their_order(gru.of_input.weight))
        theirs.weight_hh_l0.copy_(in_their_order(gru.of_state.T))
        theirs.bias_ih_l0.copy_(in_their_order(gru.of_input.bias))
        theirs.bias_hh_l0.zero_()
    return theirs


@pytest.mark.parametrize("width", [8, 12, 32])
def test_full_attention_is_torchs_gru(width: int) -> None:
    gru, vectors = fresh(width), torch.randn(int(LENGTHS.sum()), width)
    torch.nn.init.normal_(gru.of_input.bias)
    states = gru.states(gru.inputs(vectors), packed(LENGTHS), torch.ones(len(vectors)))
    assert torch.equal(states, gru.states(gru.inputs(vectors), packed(LENGTHS)))
    begin = 0
    for length in LENGTHS[LENGTHS > 0]:
        expected, _ = as_torch(gru)(vectors[None, begin : begin + length])
        torch.testing.assert_close(states[begin : begin + length], expected[0], atol=2e-6, rtol=1e-5)
        begin += length


def test_no_attention_leaves_the_state() -> None:
    gru, vectors = fresh(), torch.randn(10, 12) * 5
    attention = torch.ones(10)
    attention[4:] = 0
    states = gru.states(gru.inputs(vectors), packed(np.array([10])), attention)
    assert torch.equal(states[4:], states[3].expand(6, -1))
    assert torch.equal(gru.last(gru.inputs(vectors), packed(np.array([10])), torch.zeros(10)), torch.zeros(1, 12))


def test_last_states_with_and_without_gradients_are_the_states_at_the_ends() -> None:
    gru, vectors, attention = fresh(), torch.randn(32, 12), torch.rand(32)
    where = packed(LENGTHS)
    states, last = (run(gru.inputs(vectors), where, attention) for run in (gru.states, gru.last))
    ends = np.cumsum(LENGTHS)[LENGTHS > 0] - 1
    assert torch.equal(last[LENGTHS > 0], states[ends])
    assert torch.equal(last[1], torch.zeros(12))
    with torch.inference_mode():
        torch.testing.assert_close(gru.last(gru.inputs(vectors), where, attention), last, atol=1e-6, rtol=1e-6)


def test_a_run_goes_on_from_given_states() -> None:
    gru, vectors = fresh(), torch.randn(20, 12)
    whole = gru.states(gru.inputs(vectors), packed(np.array([20])))
    with torch.no_grad():
        rest = gru.states(gru.inputs(vectors[13:]), packed(np.array([7])), start=whole[12:13])
    torch.testing.assert_close(rest, whole[13:], atol=1e-6, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(0, 2**31))
def test_sequences_do_not_feel_each_other(lengths: list[int], seed: int) -> None:
    gru, n = fresh(8), np.array(lengths)
    generator = torch.Generator().manual_seed(seed)
    vectors, attention = torch.randn(int(n.sum()), 8, generator=generator), torch.rand(int(n.sum()), generator=generator)
    where = packed(n)
    with torch.no_grad():
        inputs = gru.inputs(vectors)
        together = gru.last(inputs, where, attention)
        order = np.random.default_rng(seed).permutation(len(n))
        again = Packed.of(where.first[order], n[order])
        permuted = gru.last(inputs, again, torch.cat([attention[where.offsets[s] : where.offsets[s + 1]] for s in order]))
        alone = [
            gru.last(inputs, Packed.of(where.first[s : s + 1], n[s : s + 1]), attention[where.offsets[s] : where.offsets[s + 1]])
            for s in range(len(n))
        ]
    torch.testing.assert_close(permuted, together[order], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(torch.cat(alone), together, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("last", [False, True])
def test_gradients_through_time_are_those_of_the_formula_in_double_precision(last: bool) -> None:
    width, lengths = 12, np.array([9, 1, 0, 20])
    gru = fresh(width)
    vectors, attention = torch.randn(int(lengths.sum()), width).requires_grad_(), torch.rand(int(lengths.sum())).requires_grad_()
    where = packed(lengths)
    ends = np.cumsum(lengths)[lengths > 0] - 1
    weigh = torch.randn(len(vectors), width)
    if last:
        loss = (gru.last(gru.inputs(vectors), where, attention)[lengths > 0] * weigh[ends]).sum()
    else:
        loss = (gru.states(gru.inputs(vectors), where, attention) * weigh).sum()
    leaves = [vectors, attention, gru.of_state, gru.of_input.weight, gru.of_input.bias]
    found = torch.autograd.grad(loss, leaves)

    exact = fresh(width).double()
    doubles = [vectors.detach().double().requires_grad_(), attention.detach().double().requires_grad_()]
    bounds = zip(where.offsets[:-1][lengths > 0], where.offsets[1:][lengths > 0], strict=True)
    states = torch.cat([by_the_formula(exact, doubles[0][a:b], doubles[1][a:b]) for a, b in bounds])
    chosen = ends if last else np.arange(len(vectors))
    expected = torch.autograd.grad(
        (states[chosen] * weigh[chosen].double()).sum(), [*doubles, exact.of_state, exact.of_input.weight, exact.of_input.bias]
    )
    for name, got, want in zip(("vectors", "attention", "of_state", "weight", "bias"), found, expected, strict=True):
        torch.testing.assert_close(got.double(), want, atol=2e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_windows_of_shared_states_are_softmaxes_with_their_gradients() -> None:
    first, length = np.array([0, 3, 2, 9, 5]), np.array([4, 5, 0, 1, 5])
    windows = Packed.of(first, length)
    query, states = torch.randn(5, 6).requires_grad_(), torch.randn(10, 6).requires_grad_()
    weights = window_attention(query, states, windows)
    parts = [torch.softmax(states[a : a + n] @ query[s], 0) for s, (a, n) in enumerate(zip(first, length, strict=True))]
    torch.testing.assert_close(weights, torch.cat(parts), atol=1e-6, rtol=1e-5)
    weigh = torch.randn(int(length.sum()))
    found = torch.autograd.grad((weights * weigh).sum(), (query, states))
    expected = torch.autograd.grad((torch.cat(parts) * weigh).sum(), (query, states))
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want, atol=1e-6, rtol=1e-4)


def test_means_of_windows_with_their_gradients() -> None:
    first, length = np.array([0, 3, 2, 9, 5]), np.array([4, 5, 0, 1, 5])
    vectors, weigh = torch.randn(10, 6).requires_grad_(), torch.randn(5, 6)
    means = window_mean(vectors, Packed.of(first, length))
    parts = [vectors[a : a + n].mean(0) if n else torch.zeros(6) for a, n in zip(first, length, strict=True)]
    torch.testing.assert_close(means, torch.stack(parts), atol=1e-6, rtol=1e-5)
    (found,) = torch.autograd.grad((means * weigh).sum(), vectors)
    (expected,) = torch.autograd.grad((torch.stack(parts) * weigh).sum(), vectors)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_attention_of_large_scores_stays_finite() -> None:
    windows = Packed.of(np.array([0]), np.array([3]))
    weights = window_attention(torch.full((1, 2), 100.0), torch.tensor([[100.0, 100.0], [-100.0, -100.0], [100.0, 100.0]]), windows)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.0, 0.5]))


def test_gradients_of_a_continued_run_are_refused() -> None:
    gru, vectors = fresh(8), torch.randn(3, 8)
    states = gru.states(gru.inputs(vectors), packed(np.array([3])), start=torch.ones(1, 8))
    with pytest.raises(NotImplementedError, match="given states"):
        states.sum().backward()
