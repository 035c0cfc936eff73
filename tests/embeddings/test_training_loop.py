from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from embeddings.training import Progress, TrainingSettings, deterministic, generator, train


def line(seed: int, epoch: int, n: int = 4) -> list[tuple[Tensor, Tensor]]:
    rng = generator(seed, epoch)
    x = torch.from_numpy(rng.standard_normal((n, 8, 2)).astype(np.float32))
    return [(part, part @ torch.tensor([[2.0], [-1.0]])) for part in x]


def fitted(seed: int = 0, **more: object) -> nn.Module:
    torch.manual_seed(7)
    model = nn.Sequential(nn.Dropout(0.01), nn.Linear(2, 1))
    settings = TrainingSettings(learning_rate=0.1)
    train(model, lambda epoch: line(seed, epoch), lambda b: (model(b[0]) - b[1]).square().mean(), seed=seed, settings=settings, **more)  # type: ignore[arg-type]
    return model


def test_learns_and_ends_in_evaluation_mode() -> None:
    model = fitted(epochs=60)
    assert not model.training
    x = torch.tensor([[1.0, 1.0], [3.0, 0.0]])
    torch.testing.assert_close(model(x).ravel(), torch.tensor([1.0, 6.0]), atol=0.2, rtol=0)


def test_same_seed_same_bytes_and_other_seed_not() -> None:
    def weights(seed: int) -> bytes:
        return b"".join(value.numpy().tobytes() for value in fitted(seed, epochs=3).state_dict().values())

    assert weights(1) == weights(1)
    assert weights(1) != weights(2)


def test_early_stopping_keeps_the_best_epoch() -> None:
    model = nn.Linear(1, 1, bias=False)
    seen: list[float] = []
    metrics = iter([0.1, 0.5, 0.3, 0.4, 0.9])

    def validate() -> float:
        assert not model.training
        seen.append(model.weight.item())
        return next(metrics)

    told: list[Progress] = []
    result = train(
        model,
        lambda epoch: [torch.ones(1, 1)] * 3,
        lambda batch: model(batch).sum(),
        seed=0,
        settings=TrainingSettings(patience=2, max_epochs=9),
        validate=validate,
        progress=told.append,
    )
    assert result.epochs_found == 2
    assert result.metrics == [0.1, 0.5, 0.3, 0.4]
    assert model.weight.item() == seen[1]
    assert [p.metric for p in told if p.metric is not None] == result.metrics
    assert [(p.step, p.steps) for p in told if p.metric is None][:3] == [(1, 3), (2, 3), (3, 3)]


def test_a_refit_takes_the_epochs_given_and_asks_no_metric() -> None:
    model = nn.Linear(1, 1)

    def refused() -> float:
        raise AssertionError("a refit has nothing to validate on")

    result = train(model, lambda epoch: [torch.ones(1, 1)], lambda batch: model(batch).sum(), seed=0, epochs=4, validate=refused)
    assert result.epochs_found == 4
    assert len(result.losses) == 4
    assert not result.metrics


def test_nothing_to_stop_on_is_refused() -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="number of epochs or a validation metric"):
        train(model, lambda epoch: [], lambda batch: torch.zeros(()), seed=0)


def test_sparse_tables_change_only_where_they_are_touched() -> None:
    table = nn.Embedding(5, 3, sparse=True)
    before = table.weight.detach().clone()
    train(table, lambda epoch: [torch.tensor([1, 3, 3])], lambda rows: table(rows).square().sum(), seed=0, epochs=2)
    changed = (table.weight != before).any(dim=1)
    assert changed.tolist() == [False, True, False, True, False]


def test_deterministic_restores_what_it_changes() -> None:
    torch.manual_seed(3)
    expected, threads = torch.rand(2), torch.get_num_threads()
    torch.manual_seed(3)
    with deterministic(5, threads=1):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.get_num_threads() == 1
        torch.rand(7)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(2), expected)


def test_an_unsized_epoch_trains_too() -> None:
    model = nn.Linear(1, 1)

    def stream(epoch: int) -> Iterator[Tensor]:
        yield torch.ones(1, 1)

    assert len(train(model, stream, lambda batch: model(batch).sum(), seed=0, epochs=1).losses) == 1
