import dataclasses
import itertools

import numpy as np
import pytest
import torch

from etl.sequences import BehaviourSequences
from ranking.session_cache import SessionCache
from ranking.session_encoder import BiasEncoding, SessionEncoder, SessionInterest, SessionSizes
from ranking.session_inputs import SessionBatch, SessionHistories

SIZES = SessionSizes(width=4, sessions=3, acts=4, heads=2, dropout=0.0)


def sequences(users: list[list[int]]) -> BehaviourSequences:
    """Of each user the lengths of the sessions; songs are numbered through."""
    lengths = [length for user in users for length in user]
    n = sum(lengths)
    columns = {
        field.name: np.zeros(n, np.int64) for field in dataclasses.fields(BehaviourSequences) if field.name not in ("offsets", "session")
    }
    columns.update(item=np.arange(n), event=np.arange(n), session=np.repeat(np.arange(len(lengths)), lengths))
    return BehaviourSequences(offsets=np.concatenate(([0], np.cumsum([sum(user) for user in users]))), **columns)


def by_hand(users: list[list[int]], user: int, n_acts_seen: int, n_sessions: int, n_acts: int) -> list[list[int]]:
    """Songs of the last sessions of a user who has done the first `n_acts_seen` acts, oldest session first."""
    first = sum(sum(lengths) for lengths in users[:user])
    bounds = np.concatenate(([0], np.cumsum(users[user]))) + first
    seen = first + n_acts_seen
    found = [list(range(a, min(b, seen))) for a, b in itertools.pairwise(bounds) if a < seen]
    return [acts[-n_acts:] for acts in found][-n_sessions:]


def unpacked(batch: SessionBatch) -> list[list[list[int]]]:
    """Songs of each example's sessions, oldest first."""
    sessions = [batch.act[batch.owner == i].tolist() for i in range(len(batch.place))]
    rows = batch.slots[batch.history]
    return [[sessions[i] for i in row.tolist() if i < len(sessions)] for row in rows]


def test_sessions_are_those_before_the_moment_with_the_open_one() -> None:
    rng = np.random.default_rng(0)
    users = [rng.integers(1, 7, rng.integers(0, 6)).tolist() for _ in range(12)] + [[], [1], [9]]
    histories = SessionHistories(sequences(users), n_sessions=3, n_acts=4)
    user, seen = zip(*[(u, n) for u, lengths in enumerate(users) for n in range(sum(lengths) + 1)], strict=True)
    first = histories.sequences.offsets[list(user)]
    ends = histories.ends(np.array(user), first + np.array(seen))
    assert unpacked(histories.batch(ends)) == [by_hand(users, u, n, 3, 4) for u, n in zip(user, seen, strict=True)]


def test_places_units_and_lengths_of_a_batch() -> None:
    histories = SessionHistories(sequences([[2, 3], [], [1]]), n_sessions=3, n_acts=2)
    batch = histories.batch(np.array([5, -1, 6, 5, 4]))
    assert batch.history.tolist() == [1, 3, 2, 1, 0]
    assert batch.length.tolist() == [2, 2, 1]
    assert batch.place.tolist() == [1, 0, 0, 0]  # sessions that end in rows 2, 4, 5, 6: 2 stands behind both 4 and 5
    assert batch.slots.tolist() == [[0, 1, 4], [0, 2, 4], [3, 4, 4], [4, 4, 4]]
    assert batch.act.tolist() == [0, 1, 2, 3, 3, 4, 5]
    assert batch.unit.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_songs_are_counted_as_often_as_examples_look_back_on_them() -> None:
    users = [[3, 5, 1, 2], [2], []]
    histories = SessionHistories(sequences(users), n_sessions=2, n_acts=3)
    ends = np.array([11, 11, 7, 2, -1, 13])
    expected = np.zeros(13)
    for acts in unpacked(histories.batch(ends)):
        for session in acts:
            expected[session] += 1
    np.testing.assert_array_equal(histories.counts(ends, 13), expected)


def house() -> tuple[SessionEncoder, SessionInterest, SessionHistories, torch.Tensor]:
    torch.manual_seed(0)
    histories = SessionHistories(sequences([[2, 3, 4, 1], [1], [], [4, 4]]), SIZES.sessions, SIZES.acts)
    return SessionEncoder(SIZES).eval(), SessionInterest(SIZES.width).eval(), histories, torch.randn(19, SIZES.width)


def interests(ends: np.ndarray, target: torch.Tensor) -> torch.Tensor:
    encoder, interest, histories, songs = house()
    batch = histories.batch(ends)
    return torch.cat(interest(encoder(songs[batch.act], batch), batch, target), dim=1)


ENDS = np.array([10, 7, 2, -1, 11, 19, 15])


def test_a_batch_of_one_is_a_batch_of_many_in_any_order() -> None:
    target = torch.randn(len(ENDS), SIZES.width, generator=torch.Generator().manual_seed(1))
    together = interests(ENDS, target)
    for row in range(len(ENDS)):  # alone, no session is padded to the longest and no history to the one with most
        torch.testing.assert_close(interests(ENDS[[row]], target[[row]])[0], together[row], atol=1e-6, rtol=0)
    order = np.random.default_rng(0).permutation(len(ENDS))
    torch.testing.assert_close(interests(ENDS[order], target[order]), together[order], atol=1e-6, rtol=0)


def test_attention_within_a_session_is_that_of_the_paper() -> None:
    encoder, _, histories, songs = house()
    batch = histories.batch(ENDS)
    x = songs[batch.act]
    packed = encoder.attention(x, batch.owner, batch.unit, len(batch.place))
    width = SIZES.width // SIZES.heads
    for session in range(len(batch.place)):
        q, k, v = encoder.project(x[batch.owner == session]).chunk(3, dim=1)
        heads = [slice(h * width, (h + 1) * width) for h in range(SIZES.heads)]
        expected = torch.cat([torch.softmax(q[:, h] @ k[:, h].T / width**0.5, dim=1) @ v[:, h] for h in heads], dim=1)
        torch.testing.assert_close(packed[batch.owner == session], expected, atol=1e-6, rtol=1e-5)


def test_bias_is_the_sum_of_place_unit_and_channel() -> None:
    bias = BiasEncoding(SIZES)
    found = bias(torch.tensor([0, 2]), torch.tensor([3, 1]))
    for row, (k, t) in enumerate(((0, 3), (2, 1))):
        for c in range(SIZES.width):
            assert torch.isclose(found[row, c], bias.session[k] + bias.unit[t] + bias.channel[c])


def test_gradients_are_those_of_differences_and_reach_every_parameter() -> None:
    encoder, interest, histories, songs = house()
    batch = histories.batch(ENDS)
    target = torch.randn(len(ENDS), SIZES.width, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        encoder, interest, acts = encoder.double(), interest.double(), songs.double()[batch.act].requires_grad_()
        assert torch.autograd.gradcheck(lambda act: interest(encoder(act, batch), batch, target), (acts,), atol=1e-6)
        sum(out.square().sum() for out in interest(encoder(acts, batch), batch, target)).backward()
    finally:
        torch.set_default_dtype(torch.float32)
    for name, parameter in [*encoder.named_parameters(), *interest.named_parameters()]:
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_who_has_no_session_has_the_learned_vectors() -> None:
    _, interest, _, _ = house()
    found = interests(np.array([-1, -1]), torch.randn(2, SIZES.width))
    expected = torch.cat((interest.no_session, interest.no_state))
    torch.testing.assert_close(found, expected.expand(2, -1))


def test_the_cache_gives_back_what_was_put_in() -> None:
    cache = SessionCache(2)
    assert not cache.has(np.array([1, 2])).any()
    assert cache.take(np.zeros(0, np.int64)).shape == (0, 2)
    for keys in ([5, 9], [1, 7], [], [8]):
        cache.add(np.array(keys, np.int64), torch.tensor([[key, -key] for key in keys], dtype=torch.float32).view(-1, 2))
    assert cache.has(np.array([1, 2, 5, 9, 10])).tolist() == [True, False, True, True, False]
    assert cache.take(np.array([9, 1, 8])).tolist() == [[9, -9], [1, -1], [8, -8]]
    assert len(cache) == 5


@pytest.mark.parametrize("ends", [[], [-1]])
def test_nothing_to_encode(ends: list[int]) -> None:
    found = interests(np.array(ends, dtype=np.int64), torch.randn(len(ends), SIZES.width))
    assert found.shape == (len(ends), 2 * SIZES.width)
