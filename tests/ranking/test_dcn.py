import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_SONGS, parts, service

from etl.errors import UserError
from ranking.auc import gauc
from ranking.dcn import Dcn
from ranking.dcn_network import CrossLayer, DcnNetwork, DcnSettings, MixedCrossLayer
from ranking.song_inputs import PairBatch
from ranking.song_network import Bag
from recall.snapshot import Snapshot

SMALL = DcnSettings(width=6, hidden=(16, 8), n_cross=2, batch_size=128, learning_rate=5e-3, max_epochs=3)


@pytest.fixture(scope="module")
def house() -> Snapshot:
    return service(n_users=40, n_exposures=2_000)


def network_of(seed: int = 0, **chosen: object) -> DcnNetwork:
    torch.manual_seed(seed)
    return DcnNetwork(0, 9, (3, 2), 2, dataclasses.replace(SMALL, **chosen)).eval()


def random_batch(seed: int, n: int = 6) -> PairBatch:
    rng = torch.Generator().manual_seed(seed)
    return PairBatch(
        torch.zeros(2, 0),
        Bag(torch.tensor([3, 4, 5]), torch.tensor([0, 2]), torch.tensor([1.0, 0.5, 1.0])),
        torch.randint(0, 2, (n,), generator=rng),
        torch.randint(0, 3, (n,), generator=rng),
        torch.randn(n, 2, generator=rng),
        torch.stack((torch.randint(0, 3, (n,), generator=rng), 3 + torch.randint(0, 2, (n,), generator=rng)), 1),
        torch.zeros(n),
    )


@torch.no_grad()
@pytest.mark.parametrize("structure", ["stacked", "parallel"])
def test_without_cross_layers_it_is_its_tower(structure: str) -> None:
    network, batch = network_of(structure=structure, n_cross=0), random_batch(0)
    first = network.fields(network.songs(batch.given, batch.facets), batch)
    assert torch.equal(network(batch), network.mlp(first).squeeze(1))


@torch.no_grad()
@pytest.mark.parametrize("rank", [0, 3])
def test_layers_of_zeros_leave_what_they_are_given(rank: int) -> None:
    network, batch = network_of(rank=rank, n_cross=3), random_batch(1)
    for layer in network.cross:
        for parameter in layer.parameters():
            parameter.zero_()
    first = network.fields(network.songs(batch.given, batch.facets), batch)
    assert torch.equal(network.crossed(first), first)


@torch.no_grad()
def test_stacked_with_layers_of_zeros_is_its_tower_and_parallel_adds_a_linear_model() -> None:
    for structure in ("stacked", "parallel"):
        network, batch = network_of(structure=structure), random_batch(2)
        for layer in network.cross:
            for parameter in layer.parameters():
                parameter.zero_()
        first = network.fields(network.songs(batch.given, batch.facets), batch)
        expected = network.mlp(first)
        if network.head is not None:
            expected = expected + network.head(first)
        assert torch.equal(network(batch), expected.squeeze(1))


@torch.no_grad()
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_a_layer_against_its_equation(seed: int) -> None:
    torch.manual_seed(seed)
    layer, first, x = CrossLayer(4), torch.randn(3, 4), torch.randn(3, 4)
    torch.nn.init.normal_(layer.linear.bias)
    found, w, b = layer(first, x), layer.linear.weight, layer.linear.bias
    for row in range(3):
        for i in range(4):
            expected = first[row, i] * (sum(w[i, j] * x[row, j] for j in range(4)) + b[i]) + x[row, i]
            assert float(found[row, i]) == pytest.approx(float(expected), rel=1e-4, abs=1e-5)


@torch.no_grad()
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000), inner=st.sampled_from(["tanh", "identity"]))
def test_a_mixture_against_its_equation(seed: int, inner: str) -> None:
    torch.manual_seed(seed)
    layer, first, x = MixedCrossLayer(5, 2, 3, inner), torch.randn(4, 5), torch.randn(4, 5)  # type: ignore[arg-type]
    torch.nn.init.normal_(layer.bias)
    bent = torch.tanh if inner == "tanh" else lambda t: t
    gate = torch.softmax(x @ layer.gate.weight.T, dim=1)
    expected = x.clone()
    for k in range(3):
        expert = first * (bent(bent(x @ layer.down[k]) @ layer.within[k]) @ layer.up[k] + layer.bias)
        expected += gate[:, k : k + 1] * expert
    torch.testing.assert_close(layer(first, x), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_mixture_of_one_expert_of_full_rank_is_the_full_layer() -> None:
    torch.manual_seed(0)
    full, mixed = CrossLayer(6), MixedCrossLayer(6, 6, 1, "identity")
    mixed.down.copy_(torch.eye(6)[None])
    mixed.within.copy_(full.linear.weight.T[None])
    mixed.up.copy_(torch.eye(6)[None])
    mixed.bias.copy_(full.linear.bias)
    first, x = torch.randn(5, 6), torch.randn(5, 6)
    torch.testing.assert_close(mixed(first, x), full(first, x))


@torch.no_grad()
def test_the_order_of_a_batch_means_nothing() -> None:
    for chosen in ({}, {"rank": 3, "structure": "parallel"}):
        network, batch = network_of(**chosen), random_batch(3)
        order = torch.tensor([4, 2, 0, 1, 5, 3])
        of_rows = {name: getattr(batch, name)[order] for name in ("target", "user", "numeric", "codes", "label")}
        torch.testing.assert_close(network(batch._replace(**of_rows)), network(batch)[order])


@pytest.mark.parametrize("chosen", [{}, {"structure": "parallel", "rank": 4, "n_experts": 2}])
def test_it_learns_serves_and_comes_back(house: Snapshot, tmp_path: Path, chosen: dict[str, object]) -> None:
    ranker = Dcn(None, dataclasses.replace(SMALL, **chosen), seed=1)
    learn, valid = parts(house)
    ranker.fit(house, learn, valid)
    assert gauc(valid.user, valid.label, ranker.score_examples(valid)) > 0.7
    users, items = np.repeat(np.arange(3, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 3)
    ranker.save(tmp_path)
    again = Dcn.load(tmp_path, house)
    assert np.array_equal(again.score(users, items), ranker.score(users, items))
    assert again.settings == ranker.settings


def test_sizes_out_of_bounds_are_refused() -> None:
    with pytest.raises(UserError, match="n_experts = 0"):
        DcnSettings(n_experts=0)
