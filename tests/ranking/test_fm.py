import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_SONGS, parts

from embeddings.song_encoder import SongEncoder
from ranking.auc import gauc
from ranking.examples import examples_at_now
from ranking.fm import Fm, FmNetwork, FmSettings
from ranking.song_inputs import PairBatch
from ranking.song_network import Bag
from recall.snapshot import Snapshot

SMALL = FmSettings(width=6, batch_size=128, learning_rate=1e-2, max_epochs=4)


@pytest.fixture(scope="module")
def fitted(house: Snapshot) -> Fm:
    ranker = Fm(SongEncoder(house.projection, None, dim=4), SMALL, seed=3)
    ranker.fit(house, *parts(house))
    return ranker


def random_network(seed: int, given_dim: int) -> FmNetwork:
    torch.manual_seed(seed)
    network = FmNetwork(given_dim, 9, (3, 2), 2, FmSettings(width=4))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


def random_batch(seed: int, given_dim: int, n: int = 5) -> PairBatch:
    """Two songs; the second has no facets."""
    rng = torch.Generator().manual_seed(seed)
    return PairBatch(
        torch.randn(2, given_dim, generator=rng),
        Bag(torch.tensor([3, 4, 5]), torch.tensor([0, 3]), torch.tensor([1.0, 0.5, 0.5])),
        torch.randint(0, 2, (n,), generator=rng),
        torch.randint(0, 3, (n,), generator=rng),
        torch.randn(n, 2, generator=rng),
        torch.stack((torch.randint(0, 3, (n,), generator=rng), 3 + torch.randint(0, 2, (n,), generator=rng)), 1),
        torch.zeros(n),
    )


def by_pairs(network: FmNetwork, batch: PairBatch, row: int) -> float:
    """The definition: every feature, and every pair of features."""
    features: list[tuple[float, torch.Tensor, torch.Tensor]] = []  # x, w, v
    song = int(batch.target[row])
    ends = [*batch.facets.offsets.tolist(), len(batch.facets.codes)]
    for place in range(ends[song], ends[song + 1]):
        code = batch.facets.codes[place]
        features.append((float(batch.facets.weights[place]), network.id_weight[code], network.facet.weight[code]))
    if network.adapter is not None:
        features += [(float(x), network.given_weight[i], network.adapter.weight[:, i]) for i, x in enumerate(batch.given[song])]
    if batch.user[row] > 0:
        features.append((1.0, network.id_weight[batch.user[row]], network.facet.weight[batch.user[row]]))
    features += [(1.0, network.code_weight[code], network.code.weight[code]) for code in batch.codes[row]]
    features += [(float(x), network.numeric_weight[i], network.numeric[i]) for i, x in enumerate(batch.numeric[row])]
    logit = float(network.bias) + sum(x * float(w) for x, w, _ in features)
    for i, (x, _, v) in enumerate(features):
        logit += sum(x * y * float(v @ u) for y, _, u in features[i + 1 :])
    return logit


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000), given_dim=st.sampled_from([0, 3]))
def test_it_is_the_sum_over_all_pairs(seed: int, given_dim: int) -> None:
    network, batch = random_network(seed, given_dim), random_batch(seed, given_dim)
    with torch.no_grad():
        found = network(batch)
        expected = [by_pairs(network, batch, row) for row in range(len(batch.target))]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_without_vectors_it_is_a_linear_model() -> None:
    network, batch = random_network(0, 0), random_batch(0, 0)
    with torch.no_grad():
        for table in (network.facet.weight, network.code.weight, network.numeric):
            table.zero_()
        one, two = network(batch), network(batch._replace(numeric=2 * batch.numeric))
        np.testing.assert_allclose((two - one).numpy(), (batch.numeric @ network.numeric_weight).numpy(), rtol=1e-5, atol=1e-5)


def test_the_order_of_a_batch_means_nothing() -> None:
    network, batch = random_network(1, 3), random_batch(1, 3)
    order = torch.tensor([4, 2, 0, 1, 3])
    of_rows = {name: getattr(batch, name)[order] for name in ("target", "user", "numeric", "codes", "label")}
    with torch.no_grad():
        assert torch.equal(network(batch._replace(**of_rows)), network(batch)[order])


def test_it_learns_who_likes_which_artist(fitted: Fm, house: Snapshot) -> None:
    _, valid = parts(house)
    assert gauc(valid.user, valid.label, fitted.score_examples(valid)) > 0.7


def test_serving_training_and_loading_score_alike(fitted: Fm, house: Snapshot, tmp_path: Path) -> None:
    at = len(house.events) // 2
    now = int(house.events.ts[at])
    users, items = np.repeat(np.arange(3, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 3)
    then = dataclasses.replace(examples_at_now(house, users, items, scene=0), position=np.full(len(users), at), ts=np.full(len(users), now))
    as_examples = fitted.score_examples(then)
    fitted.observe(dataclasses.replace(house, events=house.events.take(slice(0, at)), now=now))
    assert np.array_equal(fitted.score(users, items, scene=0), as_examples)
    fitted.observe(house)
    fitted.save(tmp_path)
    again = Fm.load(tmp_path, house, fitted.encoder)
    assert np.array_equal(again.score_examples(then), as_examples)


def test_a_listener_who_is_not_known_is_nobody_else(fitted: Fm, house: Snapshot) -> None:
    users = house.catalogue.users.with_columns(user_id="x" + house.catalogue.users["user_id"], gender=None, birth_year=None)
    strange = dataclasses.replace(house, catalogue=dataclasses.replace(house.catalogue, users=users), events=house.events.take(slice(0, 0)))
    fitted.observe(strange)
    items = np.arange(N_SONGS, dtype=np.int32)
    first, second = (fitted.score(np.full(N_SONGS, user, np.int32), items) for user in (1, 2))
    fitted.observe(house)
    assert np.array_equal(first, second)
