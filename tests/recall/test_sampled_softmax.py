import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.sampled_softmax import NegativeSampler, sampled_softmax_loss


def logits(n: int, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(n, generator=draw), torch.randn(n, m, generator=draw)


@settings(max_examples=30, deadline=None)
@given(st.floats(-20, 20))
def test_a_uniform_q_changes_nothing(level: float) -> None:
    positive, negative = logits(4, 6)
    target, negatives = torch.tensor([7, 8, 9, 7]), torch.arange(6)
    plain = torch.nn.functional.cross_entropy(torch.cat([positive[:, None], negative], 1), torch.zeros(4, dtype=torch.long))
    corrected = sampled_softmax_loss(positive, negative, target, negatives, torch.full((10,), level))
    torch.testing.assert_close(corrected, plain, atol=1e-5, rtol=1e-5)


def test_popular_negatives_count_less() -> None:
    positive, negative = torch.zeros(1), torch.zeros(1, 2)
    log_q = torch.log(torch.tensor([0.1, 0.8, 0.1]))
    loss = sampled_softmax_loss(positive, negative, torch.tensor([0]), torch.tensor([1, 2]), log_q)
    # exp(-log Q): the target 10, the popular negative 1.25, the rare one 10.
    torch.testing.assert_close(loss, -torch.log(torch.tensor(10 / 21.25)))


def test_a_negative_that_is_the_target_is_masked_for_its_row_only() -> None:
    positive, negative = logits(2, 3)
    target, negatives, log_q = torch.tensor([5, 6]), torch.tensor([5, 1, 2]), torch.zeros(7)
    both = sampled_softmax_loss(positive, negative, target, negatives, log_q)
    first = sampled_softmax_loss(positive[:1], negative[:1, 1:], target[:1], negatives[1:], log_q)
    second = sampled_softmax_loss(positive[1:], negative[1:], target[1:], negatives, log_q)
    torch.testing.assert_close(both, (first + second) / 2)


def test_weights_are_those_of_a_mean() -> None:
    positive, negative = logits(2, 3)
    target, negatives, log_q = torch.tensor([5, 6]), torch.tensor([0, 1, 2]), torch.zeros(7)
    each = [sampled_softmax_loss(positive[i : i + 1], negative[i : i + 1], target[i : i + 1], negatives, log_q) for i in range(2)]
    both = sampled_softmax_loss(positive, negative, target, negatives, log_q, torch.tensor([3.0, 1.0]))
    torch.testing.assert_close(both, (3 * each[0] + each[1]) / 4)


def test_every_negative_masked_is_no_loss_and_no_nan() -> None:
    positive = torch.zeros(1, requires_grad=True)
    negative = torch.zeros(1, 2, requires_grad=True)
    loss = sampled_softmax_loss(positive, negative, torch.tensor([3]), torch.tensor([3, 3]), torch.zeros(4))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(positive.grad).all()  # type: ignore[arg-type]
    assert torch.isfinite(negative.grad).all()  # type: ignore[arg-type]


def test_no_examples_is_no_loss() -> None:
    loss = sampled_softmax_loss(torch.zeros(0), torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.tensor([0, 1]), torch.zeros(2))
    assert loss.item() == 0


def test_the_corrected_sum_over_the_sample_estimates_the_sum_over_the_catalogue() -> None:
    rng = np.random.default_rng(0)
    sampler = NegativeSampler(rng.integers(1, 200, 50), power=1.0, uniform_share=0.1)
    scores, target, n = torch.from_numpy(rng.standard_normal(50).astype(np.float32)), torch.tensor([4]), 400_000
    drawn = torch.from_numpy(sampler.sample(n, rng))
    loss = sampled_softmax_loss(scores[target], scores[drawn][None], target, drawn, sampler.log_q + float(np.log(n)))
    own = scores[4].exp() / (n * sampler.q[4])
    others = own * (loss.exp() - 1)
    torch.testing.assert_close(others.float(), scores.exp().sum() - scores[4].exp(), rtol=0.01, atol=0.0)


def test_sampler_follows_q() -> None:
    sampler = NegativeSampler(np.array([0, 10, 30, 0]), power=1.0, uniform_share=0.2)
    np.testing.assert_allclose(sampler.q, [0.05, 0.25, 0.65, 0.05])
    drawn = np.bincount(sampler.sample(40_000, np.random.default_rng(0)), minlength=4) / 40_000
    np.testing.assert_allclose(drawn, sampler.q, atol=0.01)
    np.testing.assert_allclose(np.exp(sampler.log_q.numpy()), sampler.q, rtol=1e-5)


def test_nothing_heard_is_uniform() -> None:
    np.testing.assert_allclose(NegativeSampler(np.zeros(4, np.int64)).q, 0.25)
