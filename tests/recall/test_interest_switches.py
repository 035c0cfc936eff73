"""What the interest tower reads and how it sums it up: the talk's changes to Covington et al. as switches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_house import house

from etl.behaviours import Behaviour
from recall.interest import InterestRoute, InterestSettings
from recall.interest_sequences import Sequences
from recall.interest_tower import InterestTower, TowerShape

SIZES = {"dim": 8, "length": 6, "layers": 1, "heads": 2, "dropout": 0.0}
TINY = InterestSettings(dim=8, length=6, layers=1, heads=2, dropout=0.0, n_negatives=16, batch_windows=8, max_epochs=1, threads=1)


def tower(**changed: object) -> InterestTower:
    torch.manual_seed(0)
    made = InterestTower(TowerShape(**SIZES | changed), ()).eval()  # type: ignore[arg-type]
    torch.nn.init.zeros_(made.position.weight)
    return made


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 5, 8), torch.full((2, 5), int(Behaviour.FULL_PLAY)), torch.zeros(2, 0, dtype=torch.long)


def test_an_average_knows_no_order_and_attention_without_positions_knows_it_only_by_the_last() -> None:
    songs, behaviour, profile = inputs()
    turned = songs[:, [2, 0, 3, 1, 4]]
    average, attention = tower(pooling="average"), tower()
    torch.testing.assert_close(average(songs, behaviour, profile)[:, 5], average(turned, behaviour, profile)[:, 5])
    torch.testing.assert_close(average(songs, behaviour, profile)[:, 5], average(songs.flip(1), behaviour, profile)[:, 5])
    assert not torch.allclose(attention(songs, behaviour, profile)[:, 5], attention(songs.flip(1), behaviour, profile)[:, 5])
    for made in (average, attention):
        ahead = songs.clone()
        ahead[:, 3:] = 9.0
        torch.testing.assert_close(made(ahead, behaviour, profile)[:, :4], made(songs, behaviour, profile)[:, :4])


@pytest.mark.parametrize("pooling", ["attention", "average"])
def test_what_was_not_searched_for_is_not_read(pooling: str) -> None:
    songs, behaviour, profile = inputs()
    made = tower(history="searches", pooling=pooling)
    searched = torch.tensor([[True, False, True, False, False]] * 2)
    out = made(songs, behaviour, profile, searched=searched)
    other = songs.clone()
    other[:, [1, 3, 4]] = 7.0
    torch.testing.assert_close(made(other, behaviour, profile, searched=searched), out)
    other[:, 2] = 7.0
    changed = made(other, behaviour, profile, searched=searched)
    torch.testing.assert_close(changed[:, :3], out[:, :3])
    assert not torch.allclose(changed[:, 5], out[:, 5])
    nothing = made(songs, behaviour, profile, searched=torch.zeros_like(searched))
    torch.testing.assert_close(nothing[0], nothing[1])
    with pytest.raises(ValueError, match="not told"):
        made(songs, behaviour, profile)


def test_sequences_know_what_came_from_a_search() -> None:
    snapshot = house([(0, 1), (0, 1), (0, 2), (1, 3)], n_users=2, n_songs=4)
    events = replace(snapshot.events, scene=np.array([1, 0, 0, -1], np.int16))
    assert Sequences.of(replace(snapshot, events=events, scenes=("daily", "search"))).searched.tolist() == [True, False, False]
    assert not Sequences.of(replace(snapshot, events=events)).searched.any()


@pytest.mark.parametrize("changed", [{"pooling": "average"}, {"history": "searches"}, {"loss": "full_softmax"}, {"loss": "gbce"}])
def test_a_switched_route_trains_serves_and_is_the_same_after_loading(changed: dict[str, object], tmp_path: object) -> None:
    rng = np.random.default_rng(0)
    snapshot = house([(int(user), int(song)) for user, song in rng.integers(0, (6, 12), (90, 2))], n_users=7, n_songs=12)
    scene = rng.integers(0, 2, len(snapshot.events)).astype(np.int16)
    snapshot = replace(snapshot, events=replace(snapshot.events, scene=scene), scenes=("daily", "search"))
    route = InterestRoute(replace(TINY, **changed), epochs=1)  # type: ignore[arg-type]
    route.fit(snapshot)
    users = np.arange(7, dtype=np.int32)
    found = route.recall(users, 3)
    assert len(found) == 21
    paths = route.explain(found.user, found.item)
    assert (paths.length > 0).all()
    route.save(tmp_path)  # type: ignore[arg-type]
    again = InterestRoute.load(tmp_path, snapshot).recall(users, 3)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.item, found.item)


@pytest.mark.parametrize("loss", ["full_softmax", "gbce"])
def test_every_loss_learns_the_tastes_of_two_kinds_of_listeners(loss: str) -> None:
    rng = np.random.default_rng(0)
    plays = [(user, int(10 * (user % 2) + rng.integers(0, 10))) for _ in range(15) for user in range(12)]
    snapshot = house(plays, n_users=12, n_songs=20, artists=[song // 10 for song in range(20)])
    route = InterestRoute(replace(TINY, loss=loss, learning_rate=1e-2), epochs=30)  # type: ignore[arg-type]
    route.fit(snapshot)
    found = route.recall(np.arange(12, dtype=np.int32), 5)
    assert (found.item // 10 == found.user % 2).mean() > 0.9
