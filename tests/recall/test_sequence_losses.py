import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from recall.sampled_softmax import sampled_softmax_loss
from recall.sequence_losses import ROWS_AT_ONCE, full_softmax_loss, gbce_beta, gbce_loss, shared_softmax_loss


def vectors(n: int, n_items: int, dim: int = 8, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    users = torch.randn(n, dim, generator=draw).to(dtype).requires_grad_()
    table = torch.randn(n_items, dim, generator=draw).to(dtype).requires_grad_()
    return users, table, torch.randint(0, n_items, (n,), generator=draw)


def gradients(loss: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, of))


@pytest.mark.parametrize("n", [1, 7, ROWS_AT_ONCE + 3])
def test_full_softmax_is_cross_entropy_in_value_and_gradient(n: int) -> None:
    users, table, target = vectors(n, 11)
    weight = torch.linspace(0.1, 2, n)
    for w in (None, weight):
        each = functional.cross_entropy(users @ table.T, target, reduction="none")
        plain = each.mean() if w is None else (each * w).sum() / w.sum()
        mine = full_softmax_loss(users, table, target, w)
        torch.testing.assert_close(mine, plain)
        for found, wanted in zip(gradients(3 * mine, users, table), gradients(3 * plain, users, table), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 100))
def test_shared_softmax_is_the_sampled_softmax_of_the_products(n: int, drawn: list[int], seed: int) -> None:
    users, table, target = vectors(n, 6)
    negatives, log_q = torch.tensor(drawn), torch.log_softmax(torch.randn(6, generator=torch.Generator().manual_seed(seed)), 0)
    plain = sampled_softmax_loss((users * table[target]).sum(1), users @ table[negatives].T, target, negatives, log_q)
    mine = shared_softmax_loss(users, table, target, negatives, log_q)
    torch.testing.assert_close(mine, plain, atol=1e-5, rtol=1e-5)
    for found, wanted in zip(gradients(mine, users, table), gradients(plain, users, table), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


@given(st.floats(-30, 30))
@settings(max_examples=10, deadline=None)
def test_a_sample_of_all_items_under_a_uniform_q_is_the_full_softmax(level: float) -> None:
    users, table, target = vectors(5, 9)
    sampled = shared_softmax_loss(users, table, target, torch.arange(9), torch.full((9,), level))
    torch.testing.assert_close(sampled, full_softmax_loss(users, table, target), atol=1e-5, rtol=1e-5)


def test_softmax_in_bfloat16_is_near_float32() -> None:
    users, table, target = vectors(300, 40)
    exact = full_softmax_loss(users, table, target)
    rough = full_softmax_loss(users.bfloat16(), table.bfloat16(), target)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.02, rtol=0.02)
    found, wanted = gradients(rough, users)[0], gradients(exact, users)[0]
    assert functional.cosine_similarity(found.flatten(), wanted.flatten(), dim=0) > 0.999


def test_a_hopeless_target_has_a_finite_loss_and_the_whole_gradient() -> None:
    users, table = torch.tensor([[100.0]], requires_grad=True), torch.tensor([[2.0], [-2.0]])
    loss = full_softmax_loss(users, table, torch.tensor([1]))
    assert torch.isfinite(loss)
    torch.testing.assert_close(gradients(loss, users)[0], torch.tensor([[4.0]]))


@pytest.mark.parametrize("loss", ["full", "shared", "gbce"])
def test_no_examples_is_no_loss(loss: str) -> None:
    users, table, target = vectors(0, 4)
    negatives = torch.tensor([0, 1])
    value = {
        "full": lambda: full_softmax_loss(users, table, target),
        "shared": lambda: shared_softmax_loss(users, table, target, negatives, torch.zeros(4)),
        "gbce": lambda: gbce_loss((users * table[target]).sum(1), users @ table[negatives].T, target, negatives, 4, 0.75),
    }[loss]()
    assert value.item() == 0
    assert (gradients(value, table)[0] == 0).all()


def test_beta_of_gbce() -> None:
    # gSASRec on MovieLens-1M: 256 of 3,415 other items, alpha = 0.074963.
    alpha = 256 / 3415
    assert gbce_beta(256, 3416, 0.75) == pytest.approx(alpha * (0.75 * (1 - 1 / alpha) + 1 / alpha))
    assert gbce_beta(256, 3416, 0.75) == pytest.approx(0.3062225475841874)
    assert gbce_beta(256, 3416, 0.0) == pytest.approx(1)
    assert gbce_beta(256, 3416, 1.0) == pytest.approx(alpha)
    assert gbce_beta(5, 6, 0.3) == pytest.approx(1)


def test_gbce_without_calibration_is_binary_cross_entropy() -> None:
    users, table, target = vectors(6, 9)
    negatives = torch.tensor([0, 3, 3])
    positive, negative = (users * table[target]).sum(1), users @ table[negatives].T
    own = target[:, None] == negatives
    plain = functional.binary_cross_entropy_with_logits(positive, torch.ones(6), reduction="none")
    plain = plain + functional.binary_cross_entropy_with_logits(negative, torch.zeros(6, 3), reduction="none").masked_fill(own, 0).sum(1)
    torch.testing.assert_close(gbce_loss(positive, negative, target, negatives, 9, 0.0), (plain / 4).mean())


def test_gbce_is_that_of_the_paper() -> None:
    # gamma(s) = log(1 / (sigmoid(s)^-beta - 1)) put into plain BCE.
    positive, negative = torch.tensor([0.5, -2.0, 3.0]), torch.tensor([[0.1, -1.0], [2.0, 0.3], [-4.0, 0.0]])
    beta = gbce_beta(2, 30, 0.75)
    gamma = torch.log(1 / (torch.sigmoid(positive.double()) ** -beta - 1))
    logits = torch.cat([gamma[:, None], negative.double()], 1)
    wanted = functional.binary_cross_entropy_with_logits(logits, torch.tensor([1.0, 0, 0]).double().expand(3, 3))
    found = gbce_loss(positive, negative, torch.tensor([9, 9, 9]), torch.tensor([1, 2]), 30, 0.75)
    torch.testing.assert_close(found, wanted.float())


def test_gbce_at_one_is_calibrated_and_at_zero_is_too_sure() -> None:
    # One context, item probabilities p: the minimum of sampled BCE is at odds p (n - 1) / k, that of gBCE with t = 1 at sigmoid = p.
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    found = {}
    for t in (0.0, 1.0):
        logit = torch.zeros(4, requires_grad=True)
        optimizer = torch.optim.LBFGS([logit], max_iter=200, line_search_fn="strong_wolfe")

        def step(t: float = t, logit: torch.Tensor = logit, optimizer: torch.optim.Optimizer = optimizer) -> torch.Tensor:
            optimizer.zero_grad()
            # One of the three others is drawn: each with chance 1/3.
            pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
            terms = [
                p[i] / 3 * gbce_loss(logit[i : i + 1], logit[j].view(1, 1), torch.tensor([i]), torch.tensor([j]), 4, t) for i, j in pairs
            ]
            loss = torch.stack(terms).sum()
            loss.backward()
            return loss

        optimizer.step(step)
        found[t] = torch.sigmoid(logit.detach())
    torch.testing.assert_close(found[1.0], p, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found[0.0], p / (p + (1 - p) / 3), atol=1e-3, rtol=1e-3)


def test_gbce_survives_extreme_logits() -> None:
    positive = torch.tensor([-500.0, 500.0], requires_grad=True)
    loss = gbce_loss(positive, torch.tensor([[500.0], [-500.0]]), torch.tensor([1, 1]), torch.tensor([0]), 100, 0.75)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradients(loss, positive)[0]).all()
    assert np.isfinite(loss.item())
