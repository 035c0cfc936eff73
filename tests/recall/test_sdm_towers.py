from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from recall.attribute_sets import N_STATISTICS, attribute_sets
from recall.attribute_songs import AttributeSongs
from recall.attributes import SONG, Attributes
from recall.interest_sequences import Sequences
from recall.long_tower import LongTower
from recall.sdm_batches import Targets
from recall.sdm_network import NetworkSettings, SdmNetwork
from recall.sdm_training import space_loss
from recall.short_tower import PersonVector, ShortTower, user_attention

DIM = 8


def short_tower(unit: str = "lstm") -> ShortTower:
    torch.manual_seed(0)
    return ShortTower(DIM, 2, unit).double().eval()  # type: ignore[arg-type]


def tokens(b: int = 3, t: int = 5, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.randn(b, t, DIM, dtype=torch.float64), torch.randn(b, DIM, dtype=torch.float64)


@pytest.mark.parametrize("unit", ["lstm", "gru"])
def test_a_place_is_what_its_prefix_alone_gives(unit: str) -> None:
    tower, (songs, person) = short_tower(unit), tokens()
    whole = tower(songs, person)
    for t in range(1, 6):
        torch.testing.assert_close(whole[:, : t + 1], tower(songs[:, :t], person))
    assert torch.equal(whole[:, 0], torch.zeros(3, DIM, dtype=torch.float64))


def test_padding_after_the_session_has_no_influence() -> None:
    tower, (songs, person) = short_tower(), tokens()
    other = songs.clone()
    other[:, 3:] = 1e3
    assert torch.equal(tower(songs, person)[:, :4], tower(other, person)[:, :4])
    assert not torch.equal(tower(songs, person)[:, 4:], tower(other, person)[:, 4:])


def test_user_attention_is_a_softmax_over_each_prefix() -> None:
    songs, person = tokens()
    found = user_attention(songs, person)
    for t in range(5):
        weight = torch.softmax((songs[:, : t + 1] * person[:, None]).sum(-1), dim=-1)
        torch.testing.assert_close(found[:, t], (weight[..., None] * songs[:, : t + 1]).sum(1))
    # One event: the attention has nothing to choose from.
    torch.testing.assert_close(found[:, 0], songs[:, 0])


def long_inputs(seed: int = 2) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    torch.manual_seed(seed)
    sets = [torch.randn(3, m, DIM, dtype=torch.float64) for m in (4, 2)]
    statistics = [torch.rand(3, m, N_STATISTICS, dtype=torch.float64) for m in (4, 2)]
    real = [torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]).bool(), torch.tensor([[1, 1], [1, 0], [0, 0]]).bool()]
    return sets, statistics, real, torch.randn(3, DIM, dtype=torch.float64)


def long_tower(*, wide: bool) -> LongTower:
    torch.manual_seed(0)
    tower = LongTower(2, DIM, wide=wide).double()
    if wide:
        for linear in (*tower.moved, *tower.weighed):
            torch.nn.init.normal_(linear.weight)
    return tower


@pytest.mark.parametrize("wide", [True, False])
def test_a_set_has_no_order_and_its_padding_no_influence(wide: bool) -> None:
    tower, (sets, statistics, real, person) = long_tower(wide=wide), long_inputs()
    straight = tower(sets, statistics, real, person)
    order = torch.tensor([2, 0, 3, 1])
    turned = tower([sets[0][:, order], sets[1]], [statistics[0][:, order], statistics[1]], [real[0][:, order], real[1]], person)
    torch.testing.assert_close(straight, turned)
    other = [torch.where(r[..., None], one, torch.full_like(one, 1e6)) for one, r in zip(sets, real, strict=True)]
    assert torch.equal(straight, tower(other, statistics, real, person))


def test_empty_sets_give_the_bias_and_one_value_is_taken_whole() -> None:
    tower, (sets, statistics, real, person) = long_tower(wide=False), long_inputs()
    out = tower(sets, statistics, real, person)
    torch.testing.assert_close(out[2], torch.tanh(tower.join.bias))
    alone = [torch.tensor([[True, False, False, False]] * 3), torch.tensor([[True, False]] * 3)]
    joined = torch.cat([one[:, 0] for one in sets], dim=-1)
    torch.testing.assert_close(tower(sets, statistics, alone, person), torch.tanh(tower.join(joined)))


def test_only_the_wide_tower_hears_statistics() -> None:
    sets, statistics, real, person = long_inputs()
    more = [one * 2 for one in statistics]
    plain, wide = long_tower(wide=False), long_tower(wide=True)
    assert torch.equal(plain(sets, statistics, real, person), plain(sets, more, real, person))
    assert not torch.allclose(wide(sets, statistics, real, person), wide(sets, more, real, person))


def network() -> SdmNetwork:
    attributes = Attributes.of(house([(0, 0)], n_users=1, n_songs=6, artists=[0, 0, 1, 1, 2, 2]).projection)
    torch.manual_seed(0)
    inputs, items = AttributeSongs(attributes, attributes.names, DIM, 0), AttributeSongs(attributes, (SONG,), DIM, 1)
    return SdmNetwork(inputs, items, (3,), 2, NetworkSettings(dim=DIM, heads=2)).double().eval()


def sides(seed: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return tuple(torch.randn(*size, DIM, dtype=torch.float64) for size in ((2,), (2, 4), (2,)))  # type: ignore[return-value]


@pytest.mark.parametrize(("bias", "closed"), [(1e4, "long"), (-1e4, "short")])
def test_a_gate_held_at_one_end_leaves_one_side_only(bias: float, closed: str) -> None:
    model, (person, short, long) = network(), sides()
    torch.nn.init.constant_(model.gate_long.bias, bias)
    both = torch.zeros(2, dtype=torch.bool)
    found = model.mixed(person, short, long, both).vector()[:, 1:]
    expected = short[:, 1:] if closed == "long" else long[:, None].expand(-1, 3, -1)
    torch.testing.assert_close(found, expected)
    changed = model.mixed(person, short, long + 1, both) if closed == "long" else model.mixed(person, short + 1, long, both)
    torch.testing.assert_close(changed.vector()[:, 1:], found)


def test_a_side_that_is_missing_gets_nothing() -> None:
    model, (person, short, long) = network(), sides()
    none = model.mixed(person, short, long, torch.tensor([True, False]))
    torch.testing.assert_close(none.vector()[0, 1:], short[0, 1:])
    torch.testing.assert_close(none.vector()[1, 0], long[1])
    # Without either the profile speaks.
    torch.testing.assert_close(none.vector()[0, 0], torch.tanh(model.cold(person))[0])
    assert not torch.equal(model.person(torch.tensor([[1]])), model.person(torch.tensor([[2]])))


def test_gradients_are_those_of_the_functions() -> None:
    songs, person = tokens(2, 3)
    short, (sets, statistics, real, people), model = short_tower(), long_inputs(), network()
    assert torch.autograd.gradcheck(lambda x, y: short(x, y), (songs.requires_grad_(), person.requires_grad_()))
    wide = long_tower(wide=True)
    inputs = (sets[0].requires_grad_(), statistics[0].requires_grad_(), people.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, s, y: wide([x, sets[1]], [s, statistics[1]], real, y), inputs)
    parts = [part.requires_grad_() for part in sides()]
    no_long = torch.tensor([True, False])
    assert torch.autograd.gradcheck(lambda e, s, p: model.mixed(e, s, p, no_long).vector(), parts)


def test_the_loss_of_a_space_has_the_right_gradient() -> None:
    torch.manual_seed(0)
    table, users = torch.randn(6, DIM, dtype=torch.float64), torch.randn(2, 3, DIM, dtype=torch.float64)
    targets = Targets(torch.tensor([[0, 1, 2], [3, 4, 0]]), torch.tensor([[1.0, 0, 2], [1, 1, 0]]).double(), torch.tensor([0, 2, 5, 5]))
    log_q = torch.log_softmax(torch.randn(6, dtype=torch.float64), 0)
    inputs = (users.requires_grad_(), table.requires_grad_())
    assert torch.autograd.gradcheck(lambda u, v: space_loss(u, targets, lambda songs: v[songs], 0.5, log_q), inputs)


def test_uniform_log_q_changes_nothing() -> None:
    torch.manual_seed(0)
    table, users = torch.randn(6, DIM), torch.randn(1, 1, DIM)
    targets = Targets(torch.tensor([[1]]), torch.ones(1, 1), torch.tensor([0, 2, 3, 4, 5]))
    found = space_loss(users, targets, lambda songs: table[songs], 1.0, torch.full((6,), -3.0))
    torch.testing.assert_close(found, -torch.log_softmax(users[0, 0] @ table.T, 0)[1])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=40), st.integers(1, 5))
def test_attribute_sets_count_what_was_heard(plays: list[tuple[int, int]], size: int) -> None:
    snapshot = house(plays, n_users=3, n_songs=7, artists=[0, 0, 0, 1, 1, 2, -1])
    sequences, attributes = Sequences.of(snapshot), Attributes.of(snapshot.projection)
    start, end = sequences.offsets[:-1], sequences.offsets[1:]
    found = attribute_sets(sequences, attributes, start, end, size=size, ordinal=True)
    assert len(found) == len(attributes.names)
    for one, codes in zip(found, attributes.codes, strict=True):
        for user in range(3):
            heard = [int(code) for song in sequences.item[start[user] : end[user]] for code in codes[song] if code]
            last = {code: place for place, song in enumerate(sequences.item[start[user] : end[user]]) for code in codes[song]}
            length = int(end[user] - start[user])
            ranked = sorted((-n, length - 1 - last[code], code) for code, n in Counter(heard).items())[:size]
            assert one.values[user][one.values[user] > 0].tolist() == [code for _, _, code in ranked]
            for place, (n, age, _) in enumerate(ranked):
                expected = [np.log1p(-n), -n / len(heard), np.log1p(age)]
                np.testing.assert_allclose(one.statistics[user, place], expected, rtol=1e-6)


def test_songs_are_the_sum_of_their_parts_and_new_ones_stand_on_their_attributes() -> None:
    attributes = Attributes.of(house([(0, 0)], n_users=1, n_songs=4, artists=[0, 0, 1, -1]).projection)
    songs = AttributeSongs(attributes, attributes.names, DIM, 0).eval()
    every = torch.arange(4)
    torch.testing.assert_close(songs(every), torch.stack(tuple(songs.parts(every).values())).sum(0))
    # Before anything is learned of the songs themselves those of one artist are the same.
    assert torch.equal(songs(every)[0], songs(every)[1])
    assert not torch.equal(songs(every)[0], songs(every)[2])
    torch.testing.assert_close(songs(every)[3], songs.base + songs.value.weight[attributes.codes[0][3, 0]])
    assert torch.equal(songs.table(), songs(every))


def test_a_vocabulary_outlives_other_ids() -> None:
    old = Attributes.of(house([(0, 0)], n_users=1, n_songs=3, artists=[0, 1, 1]).projection)
    later = house([(0, 0)], n_users=1, n_songs=5, artists=[0, 1, 1, 1, 2]).projection
    new = Attributes.under(old.keys, later)
    assert (new.codes[0][:3] == old.codes[0]).all()
    assert new.codes[0][3:].tolist() == [[0], [0]]
    # Song 3 is new, and its artist is not; song 4 has an artist that nobody knew.
    assert new.codes[1][3] == new.codes[1][1] > 0
    assert new.codes[1][4] == 0
    assert [str(later.keys[node]) for node in new.nodes[1:]] == list(old.keys)


def test_person_without_columns_is_the_same_for_everybody() -> None:
    person = PersonVector((), DIM)
    out = person(torch.zeros(3, 0, dtype=torch.long))
    assert torch.equal(out[0], out[2])
