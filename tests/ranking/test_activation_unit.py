import numpy as np
import pytest
import torch
from torch import Tensor

from ranking.activation_unit import ActivationUnit, Dice, attend
from ranking.din_network import DinBatch, DinNetwork, DinSettings
from ranking.song_network import Bag

WIDTH = 6


def unit(seed: int = 0) -> ActivationUnit:
    torch.manual_seed(seed)
    made = ActivationUnit(WIDTH, (7, 5), n_ages=4).double().eval()
    torch.nn.init.normal_(made.of_age)
    return made


def packed(lengths: list[int], n_songs: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """History, owner and age of examples with histories of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    history, age = (torch.randint(0, top, (len(owner),), generator=generator) for top in (n_songs, 4))
    return history, owner, age


def test_the_factored_layer_is_the_layer_over_all_four_vectors() -> None:
    made = unit()
    song, target = torch.randn(9, WIDTH, dtype=torch.float64), torch.randn(3, WIDTH, dtype=torch.float64)
    history, owner, age = packed([2, 4, 3], 9)
    of_difference = torch.randn(WIDTH, 7, dtype=torch.float64)  # any split into A_j + A_d and A_t − A_d gives the same
    e_j, e_t = song[history], target[owner]
    inputs = torch.cat((e_j, e_t, e_j - e_t, e_j * e_t), dim=1)
    weight = torch.cat((made.of_song - of_difference, made.of_target + of_difference, of_difference, made.of_product))
    direct = made.rest(inputs @ weight + made.of_age[age]).squeeze(1)
    torch.testing.assert_close(made(song, target, history, owner, age), direct)


def test_dice_is_its_formula() -> None:
    dice = Dice(3)
    torch.nn.init.normal_(dice.alpha)
    s = torch.randn(40, 3) * 3 + 1
    p = torch.sigmoid((s - s.mean(0)) / torch.sqrt(s.var(0, unbiased=False) + 1e-8))
    torch.testing.assert_close(dice(s), p * s + (1 - p) * dice.alpha * s)
    for _ in range(200):
        dice(s)
    alone = dice.eval()(s[:1])
    torch.testing.assert_close(alone, dice(s)[:1])
    torch.testing.assert_close(dice(s)[:1], (p * s + (1 - p) * dice.alpha * s)[:1], atol=0.05, rtol=0.05)
    with_gradients = dice(s).detach()
    with torch.no_grad():
        torch.testing.assert_close(dice(s), with_gradients, atol=1e-6, rtol=1e-5)
        assert torch.equal(dice(s[7:8]), dice(s)[7:8])
    assert dice.train()(s[:1]).isfinite().all()
    assert dice(s[:0]).shape == (0, 3)


def test_the_sum_is_not_normalised_and_keeps_intensity() -> None:
    made = unit()
    song = torch.randn(5, WIDTH, dtype=torch.float64)
    history, owner, age = torch.tensor([1, 2]), torch.tensor([0, 0]), torch.tensor([0, 0])
    twice = (torch.cat((history, history)), torch.cat((owner, owner)), torch.cat((age, age)))
    target = song[:1]
    once, double = made(song, target, history, owner, age), made(song, target, *twice)
    assert abs(once.sum().item() - 1.0) > 1e-3
    torch.set_default_dtype(torch.float64)
    try:
        plain = attend(once, song, history, owner, 1)
        torch.testing.assert_close(attend(double, song, twice[0], twice[1], 1), 2 * plain)
        counted = attend(once, song, history, owner, 1, times=torch.tensor([2.0, 1.0]))
        torch.testing.assert_close(counted, plain + once[0] * song[1])
        softened = attend(once, song, history, owner, 1, softmax=True)
        torch.testing.assert_close(attend(double, song, twice[0], twice[1], 1, softmax=True), softened)
        torch.testing.assert_close(softened, (torch.softmax(once, 0)[:, None] * song[history]).sum(0, keepdim=True))
        assert (attend(once, song, history, owner + 1, 3, softmax=True)[[0, 2]] == 0).all()  # empty histories stay zero
    finally:
        torch.set_default_dtype(torch.float32)


def network(seed: int = 0, **settings: object) -> DinNetwork:
    torch.manual_seed(seed)
    return DinNetwork(4, 12, (3, 2), 2, DinSettings(width=WIDTH, attention=(7, 5), hidden=(9, 6), **settings))  # type: ignore[arg-type]


def batch_of(lengths: list[int], n_songs: int = 8, seed: int = 0) -> DinBatch:
    generator = torch.Generator().manual_seed(seed)
    history, owner, age = packed(lengths, n_songs, seed)
    n = len(lengths)
    bag = Bag(
        torch.randint(0, 12, (2 * n_songs,), generator=generator),
        torch.arange(0, 2 * n_songs, 2),
        torch.rand(2 * n_songs, generator=generator),
    )
    return DinBatch(
        given=torch.randn(n_songs, 4, generator=generator),
        facets=bag,
        target=torch.randint(0, n_songs, (n,), generator=generator),
        history=history,
        owner=owner,
        age=age,
        times=torch.ones(len(owner)),
        numeric=torch.randn(n, 2, generator=generator),
        codes=torch.randint(0, 5, (n, 2), generator=generator),
        label=torch.randint(0, 2, (n,), generator=generator).float(),
    )


def padded_logits(model: DinNetwork, batch: DinBatch, length: int, filler: int) -> Tensor:
    """The same network over padded `[b, length]` histories with a mask; `filler` stands in the masked places."""
    song = model.songs(batch.given, batch.facets)
    logits = []
    for row in range(len(batch.target)):
        mine = batch.owner == row
        n = int(mine.sum())
        history = torch.cat((torch.full((length - n,), filler), batch.history[mine]))
        age = torch.cat((torch.full((length - n,), filler % 4), batch.age[mine]))
        mask = torch.arange(length) >= length - n
        target = song[batch.target[row]].expand(1, -1)
        weight = model.unit(song, target, history, torch.zeros(length, dtype=torch.long), age)
        interest = ((weight * mask)[:, None] * song[history]).sum(0, keepdim=True)
        codes = model.code(batch.codes[row]).flatten()[None]
        logits.append(model.mlp(torch.cat((interest, target, interest * target, codes, batch.numeric[row][None]), dim=1)))
    return torch.cat(logits).squeeze(1)


@pytest.mark.parametrize("lengths", [[3, 0, 5, 1], [0, 0], [1]])
def test_packed_histories_are_padded_ones_whose_masked_places_have_no_part(lengths: list[int]) -> None:
    model, batch = network().eval(), batch_of(lengths)
    for filler in (0, 7):
        torch.testing.assert_close(model(batch), padded_logits(model, batch, 6, filler), atol=1e-5, rtol=1e-4)


def test_a_permuted_batch_gives_permuted_logits() -> None:
    model, batch = network().eval(), batch_of([3, 0, 5, 1, 2])
    order = torch.tensor([3, 1, 4, 0, 2])
    rows = torch.cat([torch.nonzero(batch.owner == example).flatten() for example in order])
    owner = torch.repeat_interleave(torch.arange(5), torch.tensor([3, 0, 5, 1, 2])[order])
    shuffled = batch._replace(
        target=batch.target[order],
        history=batch.history[rows],
        age=batch.age[rows],
        times=batch.times[rows],
        owner=owner,
        numeric=batch.numeric[order],
        codes=batch.codes[order],
    )
    torch.testing.assert_close(model(shuffled), model(batch)[order])


def test_empty_histories_train_without_nan() -> None:
    model = network()
    for lengths in ([0, 0, 0], [0], [1], [1, 0]):
        loss = model.train()(batch_of(lengths)).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.isfinite()
        assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_gradients_against_finite_differences(softmax: bool, training: bool) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        model = network(softmax=softmax, dropout=0.0).double().train(training)
        batch = batch_of([3, 0, 2, 4])
        bag = batch.facets._replace(weights=batch.facets.weights.double())
        batch = batch._replace(given=batch.given.double(), numeric=batch.numeric.double(), facets=bag)

        def loss(*values: Tensor) -> Tensor:
            state = dict(zip(names, values, strict=True)) | {name: buffer.clone() for name, buffer in model.named_buffers()}
            out: Tensor = torch.func.functional_call(model, state, (batch,))
            return out.square().sum()

        names = [name for name, _ in model.named_parameters()]
        values = tuple(value.detach().clone().requires_grad_() for _, value in model.named_parameters())
        assert torch.autograd.gradcheck(loss, values, fast_mode=True)
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_id_penalty_touches_only_the_ids_of_the_batch() -> None:
    model = network()
    bag = Bag(torch.tensor([2, 5, 5]), torch.tensor([0, 1]), torch.ones(3))
    occurrences = torch.arange(1.0, 13.0)
    penalty = model.id_penalty(bag, occurrences)
    rows = model.facet.weight.detach().square().sum(1)
    np.testing.assert_allclose(penalty.item(), (rows[2] / 3 + rows[5] / 6).item(), rtol=1e-6)
    penalty.backward()  # type: ignore[no-untyped-call]
    touched = torch.nonzero(model.facet.weight.grad.abs().sum(1)).flatten()
    assert touched.tolist() == [2, 5]
