import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rand_index import adjusted_rand_index
from torch import Tensor

from recall.capsule_network import (
    CapsuleNetwork,
    CapsuleShape,
    active_interests,
    assignments,
    dynamic_routing,
    label_aware_attention,
    routing_penalty,
    squash,
)
from recall.capsule_training import harder
from recall.sampled_softmax import sampled_softmax_loss

SHAPE = CapsuleShape(dim=8, length=12, max_interests=4, hidden=16)


def network(shape: CapsuleShape = SHAPE) -> CapsuleNetwork:
    torch.manual_seed(0)
    return CapsuleNetwork(shape, (3,)).eval()


def everything(n: int, t: int, k: int) -> tuple[Tensor, Tensor]:
    return torch.ones(n, t, dtype=torch.bool), torch.ones(n, k, dtype=torch.bool)


def test_number_of_interests_is_the_exact_floor_of_log2() -> None:
    shape = CapsuleShape(max_interests=20)
    n = torch.cat([torch.arange(0, 300), 2 ** torch.arange(8, 17), 2 ** torch.arange(8, 17) - 1])
    expected = [max(1, min(20, int(count).bit_length() - 1)) for count in n]
    assert active_interests(n, shape).sum(dim=1).tolist() == expected
    assert active_interests(torch.tensor([0, 1, 3, 4, 50]), SHAPE).sum(dim=1).tolist() == [1, 1, 1, 2, 4]


def test_fixed_number_of_interests() -> None:
    shape = CapsuleShape(max_interests=3, dynamic_k=False)
    assert active_interests(torch.tensor([0, 1, 2, 50]), shape).sum(dim=1).tolist() == [1, 3, 3, 3]


def test_squash_keeps_the_direction_and_bounds_the_length() -> None:
    z = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], requires_grad=True)
    out = squash(z)
    torch.testing.assert_close(out.norm(dim=-1), torch.tensor([25 / 26, 0.25 / 1.25, 0.0]))
    torch.testing.assert_close(out[0] / out[0].norm(), z[0] / 5)
    out.sum().backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert z.grad[2].tolist() == [0.0, 0.0]


def test_one_behaviour_is_one_interest_the_squash_of_its_map() -> None:
    model, songs = network(), torch.randn(1, 3, 8)
    real, active = torch.tensor([[True, False, False]]), active_interests(torch.tensor([1]), SHAPE)
    mapped = model.map(songs)
    routed = dynamic_routing(mapped, model.logits[torch.tensor([[0, 0, 0]])], real, active)
    torch.testing.assert_close(routed.capsules[0, 0], squash(mapped[0, 0]))
    assert routed.capsules[0, 1:].abs().max() == 0
    assert routed.weights[0].tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_weights_are_a_softmax_over_interests_and_not_over_behaviours() -> None:
    model = network()
    songs, real = torch.randn(2, 9, 8), torch.arange(9) < torch.tensor([[9], [6]])
    weights = model(songs, torch.tensor([9, 6]), torch.tensor([[0], [1]])).weights
    torch.testing.assert_close(weights.sum(dim=-1), real.float())
    assert weights[:, :, 3:].abs().max() == 0
    assert weights[1, :, 2:].abs().max() == 0


def reference(mapped: Tensor, logits: Tensor, real: list[bool], k: int, rounds: int) -> list[Tensor]:
    """Algorithm 1 of the paper in plain loops, one user."""
    b = [[logits[i, j].item() for j in range(k)] for i in range(len(mapped))]
    for _ in range(rounds):
        w = [[math.exp(b[i][j]) / sum(map(math.exp, b[i])) for j in range(k)] for i in range(len(mapped))]
        u = [squash(sum((w[i][j] * mapped[i] for i in range(len(mapped)) if real[i]), torch.zeros(mapped.shape[1]))) for j in range(k)]
        b = [[b[i][j] + float(u[j] @ mapped[i]) for j in range(k)] for i in range(len(mapped))]
    return u


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_routing_is_that_of_the_paper_step_by_step(rounds: int) -> None:
    torch.manual_seed(1)
    mapped, logits = torch.randn(1, 7, 8), torch.randn(1, 7, 4)
    real, active = torch.arange(7)[None] < 5, torch.tensor([[True, True, True, False]])
    routed = dynamic_routing(mapped, logits, real, active, rounds)
    expected = reference(mapped[0], logits[0], real[0].tolist(), 3, rounds)
    torch.testing.assert_close(routed.capsules[0, :3], torch.stack(expected))


def test_identical_songs_give_interests_in_one_direction() -> None:
    mapped = torch.randn(1, 1, 8).expand(1, 6, 8)
    real, active = everything(1, 6, 3)
    capsules = dynamic_routing(mapped, torch.randn(1, 6, 3), real, active).capsules[0]
    directions = capsules / capsules.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(directions, (mapped[0, 0] / mapped[0, 0].norm()).expand(3, 8))


def test_equal_logits_cannot_tell_interests_apart() -> None:
    """The shared map makes the random logits necessary."""
    mapped = torch.randn(1, 6, 8)
    capsules = dynamic_routing(mapped, torch.zeros(1, 6, 3), *everything(1, 6, 3)).capsules[0]
    torch.testing.assert_close(capsules, capsules[:1].expand(3, 8))


def planted_rand(gain: float) -> float:
    """Adjusted Rand index of routing against planted groups of 6 songs, K = 4, mean of 20 draws."""
    rng, found = torch.Generator().manual_seed(0), []
    group = np.repeat(np.arange(4), 6)
    for _ in range(20):
        centres = torch.nn.functional.normalize(torch.randn(4, 16, generator=rng), dim=-1)
        songs = centres[torch.from_numpy(group)] + 0.1 * torch.randn(24, 16, generator=rng)
        weights = dynamic_routing(gain * songs[None], torch.randn(1, 24, 4, generator=rng) * 0.3, *everything(1, 24, 4)).weights[0]
        found.append(adjusted_rand_index(group, weights.argmax(dim=1).numpy()))
    return float(np.mean(found))


def test_planted_groups_are_parted_where_the_map_is_long_enough() -> None:
    """A capsule is shorter than 1, so three rounds add at most twice the length of a mapped song to a logit."""
    assert planted_rand(1.0) < 0.35
    assert planted_rand(16.0) > 0.6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12), st.integers(0, 1_000))
def test_masked_places_and_extra_padding_have_no_influence(count: int, seed: int) -> None:
    model, rng = network().double(), torch.Generator().manual_seed(seed)
    songs, n, profile = torch.randn(1, 12, 8, generator=rng, dtype=torch.float64), torch.tensor([count]), torch.tensor([[1]])
    changed = songs.clone()
    changed[:, count:] = 1e3
    with torch.no_grad():
        one, two, short = model(songs, n, profile), model(changed, n, profile), model(songs[:, : max(count, 1)], n, profile)
    active = one.active[0]
    assert torch.equal(one.vectors[0, active], two.vectors[0, active])
    torch.testing.assert_close(short.vectors[0, active], one.vectors[0, active])
    torch.testing.assert_close(one.vectors[0, active].norm(dim=-1), torch.ones(int(active.sum()), dtype=torch.float64))


def test_a_permuted_batch_gives_permuted_interests() -> None:
    model, songs, order = network(), torch.randn(5, 12, 8), torch.tensor([3, 0, 4, 1, 2])
    count, profile = torch.tensor([12, 3, 0, 7, 1]), torch.tensor([[0], [1], [2], [0], [1]])
    with torch.no_grad():
        straight, permuted = model(songs, count, profile), model(songs[order], count[order], profile[order])
    torch.testing.assert_close(permuted.vectors, straight.vectors[order])
    assert torch.equal(permuted.active, straight.active[order])


def test_order_of_the_history_matters_through_the_logits_alone() -> None:
    songs, order = torch.randn(1, 12, 8), torch.randperm(12, generator=torch.Generator().manual_seed(3))
    count, profile = torch.tensor([12]), torch.tensor([[1]])
    model = network()
    with torch.no_grad():
        straight, shuffled = (model(part, count, profile).vectors for part in (songs, songs[:, order]))
        assert not torch.allclose(straight, shuffled)
        # Place t from the end reads row t: moving the rows with the songs gives the interests back.
        model.logits = model.logits.flip(0)[order].flip(0)
        torch.testing.assert_close(model(songs[:, order], count, profile).vectors, straight)


def test_logits_go_by_the_place_from_the_end_and_are_not_trained() -> None:
    model, songs = network(), torch.randn(1, 5, 8)
    assert "logits" not in dict(model.named_parameters())
    with torch.no_grad():
        padded = torch.cat([songs, torch.zeros(1, 7, 8)], dim=1)
        one, two = model(songs, torch.tensor([5]), torch.tensor([[0]])), model(padded, torch.tensor([5]), torch.tensor([[0]]))
    torch.testing.assert_close(one.vectors, two.vectors)
    assert torch.equal(network().logits, model.logits)


def test_without_history_the_profile_speaks() -> None:
    model = network()
    with torch.no_grad():
        one, two = (model(torch.randn(1, 12, 8), torch.tensor([0]), torch.tensor([[code]])) for code in (1, 2))
        again = model(torch.randn(1, 12, 8), torch.tensor([0]), torch.tensor([[1]]))
    assert one.active.tolist() == [[True, False, False, False]]
    assert not torch.allclose(one.vectors[0, 0], two.vectors[0, 0])
    assert torch.equal(one.vectors[0, 0], again.vectors[0, 0])


def test_the_papers_head_has_no_negative_part() -> None:
    model = network(CapsuleShape(dim=8, length=12, hidden=16, residual=False))
    with torch.no_grad():
        assert model(torch.randn(3, 12, 8), torch.tensor([12, 4, 0]), torch.zeros(3, 1, dtype=torch.long)).vectors.min() >= 0


def test_the_gradient_passes_through_the_last_round_alone() -> None:
    torch.manual_seed(0)
    mapped = torch.randn(2, 6, 4, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(2, 6, 3, dtype=torch.float64)
    real, active = torch.arange(6) < torch.tensor([[6], [4]]), torch.tensor([[True, True, True], [True, True, False]])
    routed = dynamic_routing(mapped, logits, real, active)
    probe = torch.randn_like(routed.capsules)
    (whole,) = torch.autograd.grad((routed.capsules * probe).sum(), mapped)

    def last_round(values: Tensor) -> Tensor:
        return squash(routed.weights.transpose(1, 2) @ values)

    (last,) = torch.autograd.grad((last_round(mapped) * probe).sum(), mapped)
    torch.testing.assert_close(whole, last)
    assert torch.autograd.gradcheck(last_round, (mapped,))
    # The whole map moves otherwise: its numerical gradient is another one, because the earlier rounds take part in it.
    assert not torch.autograd.gradcheck(
        lambda values: dynamic_routing(values, logits, real, active).capsules, (mapped,), raise_exception=False
    )


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 3.0])
def test_gradient_of_label_aware_attention(power: float) -> None:
    torch.manual_seed(0)
    scores = (torch.rand(2, 3, 4, dtype=torch.float64) * 1.5 + 0.2).requires_grad_()
    active = torch.tensor([[True, True, True, True], [True, True, False, False]])
    assert torch.autograd.gradcheck(lambda x: label_aware_attention(x, active, power), (scores,))


def test_gradient_of_the_whole_network_with_one_round() -> None:
    """With one round there is nothing to stop: what is computed is what is differentiated."""
    torch.manual_seed(0)
    model = CapsuleNetwork(CapsuleShape(dim=4, length=5, max_interests=2, hidden=6, rounds=1), (2,)).double()
    songs = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    count, profile = torch.tensor([5, 4]), torch.tensor([[0], [1]])
    assert torch.autograd.gradcheck(lambda x: model(x, count, profile).vectors, (songs,))


def test_attention_is_the_softmax_of_the_power() -> None:
    scores, active = torch.rand(2, 3, 4) * 3 - 0.5, torch.tensor([[True, True, True, True], [True, True, True, False]])
    for power in (0.5, 1.0, 2.0):
        expected = scores.clamp_min(0).pow(power).masked_fill(~active[:, None], -torch.inf).softmax(dim=-1)
        torch.testing.assert_close(label_aware_attention(scores, active, power), expected)


def test_power_zero_is_the_mean_and_a_large_one_the_best_interest() -> None:
    scores, active = torch.tensor([[[9.0, 10.0, -4.0, 30.0]]]), torch.tensor([[True, True, True, False]])
    torch.testing.assert_close(label_aware_attention(scores, active, 0.0), torch.tensor([[[1 / 3, 1 / 3, 1 / 3, 0]]]))
    for power in (20.0, 1e3, 1e30, math.inf):
        assert label_aware_attention(scores, active, power).tolist() == [[[0, 1, 0, 0]]]


def test_attention_of_hopeless_scores_is_a_number() -> None:
    scores = torch.tensor([[[-3.0, -1.0], [0.0, 0.0]]], requires_grad=True)
    for power in (0.0, 0.5, 1.0, 2.5, 1e6):
        out = label_aware_attention(scores, torch.ones(1, 2, dtype=torch.bool), power)
        torch.testing.assert_close(out, torch.full((1, 2, 2), 0.5))
        (gradient,) = torch.autograd.grad((out * torch.tensor([1.0, 2.0])).sum(), scores)
        assert torch.isfinite(gradient).all()
    assert label_aware_attention(scores, torch.ones(1, 2, dtype=torch.bool), math.inf).tolist() == [[[0, 1], [1, 0]]]


def test_the_regulariser_is_the_variance_of_the_weights() -> None:
    torch.manual_seed(0)
    weights = torch.rand(1, 6, 3)
    real, active = torch.arange(6)[None] < 4, torch.tensor([[True, True, False]])
    matrix = weights[0, :4, :2].T.numpy()
    centred = matrix - matrix.mean(axis=1, keepdims=True)
    expected = np.square(np.diag(centred @ centred.T / 4)).sum()
    torch.testing.assert_close(routing_penalty(weights * real[..., None], real, active), torch.tensor(float(expected)).float())
    even = torch.full((1, 6, 3), 0.5) * real[..., None]
    assert routing_penalty(even, real, active) == 0
    assert torch.isfinite(routing_penalty(weights * 0, real & False, active))


def test_the_regulariser_moves_the_map_and_capsules_are_as_they_were() -> None:
    model = network()
    found = model(torch.randn(2, 12, 8), torch.tensor([12, 5]), torch.tensor([[0], [1]]))
    real = torch.arange(12) < torch.tensor([[12], [5]])
    (gradient,) = torch.autograd.grad(routing_penalty(found.weights, real, found.active), model.map.weight)
    assert gradient.abs().max() > 0


def test_hard_negatives_weigh_by_their_score() -> None:
    torch.manual_seed(0)
    negative, beta = torch.randn(2, 5), 0.7
    weight = (beta * negative).exp()
    expected = (weight * negative.exp()).sum(1) / weight.mean(1)
    torch.testing.assert_close(harder(negative, beta).logsumexp(1).exp(), expected)
    torch.testing.assert_close(harder(negative, 0.0), negative)
    positive, target, others, flat = torch.randn(2), torch.tensor([7, 8]), torch.arange(5), torch.zeros(9)
    plain, hard = (sampled_softmax_loss(positive, logits, target, others, flat) for logits in (negative, harder(negative, beta)))
    assert hard > plain


def test_assignments_with_one_active_interest_are_certain() -> None:
    weights = assignments(torch.randn(1, 4, 3), torch.ones(1, 4, dtype=torch.bool), torch.tensor([[True, False, False]]))
    assert weights[0].tolist() == [[1, 0, 0]] * 4
