from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_house import house
from torch.nn import functional

from embeddings.training import TrainingSettings
from recall.interest_sequences import Sequences, last_windows
from recall.ligr import causal_attention, causal_mask, thinned
from recall.sasrec_batches import Batches, SequenceExamples, batch
from recall.sasrec_network import SasRec, SequenceShape
from recall.sasrec_training import Averaged, Objective, fit_sasrec, user_vectors
from recall.sequence_losses import LossName

SHAPE = SequenceShape(dim=8, length=10, layers=2, heads=2, dropout=0.0, widening=2)
N_ITEMS = 12


@pytest.fixture
def network() -> SasRec:
    torch.manual_seed(0)
    return SasRec(N_ITEMS, SHAPE).eval()


def some_sequences(n_users: int = 6, plays: int = 9) -> Sequences:
    rng = np.random.default_rng(0)
    acts = [(user, int(rng.integers(0, N_ITEMS))) for at in range(plays) for user in range(n_users - 1) if at <= user + 4]
    return Sequences.of(house(acts, n_users=n_users, n_songs=N_ITEMS))


def test_the_future_changes_nothing_before_it(network: SasRec) -> None:
    tokens = torch.randint(0, N_ITEMS, (3, 9))
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % N_ITEMS
    before, after = network(tokens), network(changed)
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])


def test_padding_has_no_influence(network: SasRec) -> None:
    tokens = torch.randint(0, N_ITEMS, (2, 4))
    padded = torch.cat([tokens, torch.full((2, 5), 7)], dim=1)
    torch.testing.assert_close(network(padded)[:, :5], network(tokens))


def test_a_permuted_batch_gives_permuted_vectors(network: SasRec) -> None:
    sequences, order = some_sequences(), np.array([4, 0, 5, 2, 1, 3])
    straight = user_vectors(network, sequences, np.arange(6))
    np.testing.assert_allclose(user_vectors(network, sequences, order), straight[order], atol=1e-6)
    start = network(torch.zeros((1, 0), dtype=torch.long))[0, 0]
    np.testing.assert_allclose(straight[5], start.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_is_the_scaled_dot_product_with_its_gradient(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    parts = [torch.randn(3, 7, 4).to(dtype).requires_grad_() for _ in range(3)]
    mine = causal_attention(*parts, causal_mask(7, dtype))
    plain = functional.scaled_dot_product_attention(*(part.float() for part in parts), is_causal=True)
    close = {"atol": 1e-5, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.05, "rtol": 0.05}
    torch.testing.assert_close(mine.float(), plain, **close)
    weight = torch.randn(3, 7, 4)
    for found, wanted in zip(
        torch.autograd.grad((mine.float() * weight).sum(), parts), torch.autograd.grad((plain * weight).sum(), parts), strict=True
    ):
        torch.testing.assert_close(found.float(), wanted.float(), **close)


def test_gradients_of_network_and_loss_by_differences(network: SasRec) -> None:
    doubled, sequences = network.double(), some_sequences()
    one = batch(sequences, last_windows(sequences, np.arange(5), 9))

    def loss() -> torch.Tensor:
        vectors = doubled(one.tokens, torch.float64).flatten(0, 1)[one.place]
        return functional.cross_entropy(vectors @ doubled.items.T, one.target)

    # Of each parameter the derivative along its own gradient is the gradient's squared length.
    parameters = list(doubled.parameters())
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss(), parameters), strict=True):
        step = 1e-5 / gradient.norm().clamp_min(1e-9)
        with torch.no_grad():
            parameter += step * gradient
            above = loss().item()
            parameter -= 2 * step * gradient
            below = loss().item()
            parameter += step * gradient
        assert (above - below) / (2 * step.item()) == pytest.approx(gradient.square().sum().item(), rel=1e-4, abs=1e-9)


def test_an_epoch_holds_every_token_once_and_no_batch_passes_its_places() -> None:
    sequences = some_sequences()
    examples = SequenceExamples(batch_tokens=16)
    seen: list[int] = []
    for one in (batches := Batches(sequences, examples, SHAPE.length, seed=0, epoch=0)):
        assert one.tokens.shape[0] * (one.tokens.shape[1] + 1) <= 16
        seen += one.target.tolist()
    assert sorted(seen) == sorted(sequences.item.tolist())
    assert len(batches) > 1
    again = torch.cat([one.target for one in Batches(sequences, examples, SHAPE.length, seed=0, epoch=1)])
    assert sorted(again.tolist()) == sorted(seen)
    assert again.tolist() != seen


def test_a_click_is_a_token_and_no_target() -> None:
    sequences = some_sequences()
    sequences = replace(sequences, positive=sequences.item != 3)
    one = batch(sequences, last_windows(sequences, np.arange(5), 9))
    assert 3 in one.tokens
    assert 3 not in one.target
    assert len(one.target) == len(one.place) == int(sequences.positive.sum())


@pytest.mark.parametrize(("loss", "batch_tokens"), [("full_softmax", 256), ("sampled_softmax", 256), ("gbce", 64)])
def test_overfits_fifty_users(loss: LossName, batch_tokens: int) -> None:
    rng = np.random.default_rng(0)
    acts = [(user, int(item)) for user in range(50) for item in rng.permutation(20)[:6]]
    sequences = Sequences.of(house(acts, n_users=50, n_songs=20))
    torch.manual_seed(0)
    network = SasRec(20, replace(SHAPE, dim=32, layers=1))
    examples = SequenceExamples(loss=loss, n_negatives=12, batch_tokens=batch_tokens, averaging=0.5, precision="float32")
    training = TrainingSettings(learning_rate=5e-3)
    fit_sasrec(network, sequences, ordinal=True, examples=examples, training=training, epochs=70, seed=0)
    # Every last item from the five before it, which tell the user.
    cut = sequences.take(np.arange(len(sequences)) % 6 < 5)
    best = (user_vectors(network, cut, np.arange(50)) @ network.items.detach().numpy().T).argmax(1)
    assert (best == sequences.item[5::6]).mean() > 0.9


def test_auto_is_the_full_softmax_of_a_small_catalogue() -> None:
    assert Objective(np.ones(20), SequenceExamples(), 0).name == "full_softmax"
    assert Objective(np.ones(20), SequenceExamples(full_softmax_songs=19), 0).name == "sampled_softmax"
    assert Objective(np.ones(20), SequenceExamples(loss="gbce"), 0).sampler.q.tolist() == [0.05] * 20


def test_the_mean_follows_the_weights(network: SasRec) -> None:
    model = Averaged(network, decay=0.9)
    with torch.no_grad():
        network.start += 1.0
    distance = [(model.kept().start - network.start).abs().max().item() for _ in range(60)]
    assert distance[0] == pytest.approx(0.1, abs=1e-5)
    assert all(later < earlier for earlier, later in pairwise(distance) if earlier > 1e-6)
    assert [p.requires_grad for p in model.mean.parameters()] == [False] * len(list(network.parameters()))


def test_thinning_keeps_the_mean() -> None:
    torch.manual_seed(0)
    out = thinned(torch.ones(200, 301), 0.25)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    assert thinned(out, 0.0) is out
