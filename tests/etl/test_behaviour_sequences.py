import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.behaviours import Behaviour
from etl.events import Events
from etl.sequences import BehaviourSequences

N_USERS, N_SONGS = 4, 6
DOMAIN = (Behaviour.CLICK, Behaviour.FULL_PLAY)


def log(rows: list[tuple[int, int, int]]) -> Events:
    """Events one second apart from (user, item, behaviour)."""
    n = len(rows)
    user, item, behaviour = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    return Events(
        user.astype(np.int32), item.astype(np.int32), behaviour.astype(np.int8), np.arange(n) + 100, (item % 3 - 1).astype(np.int16),
        np.full(n, -1, np.int32), np.full(n, -1, np.int8), np.ones(n, np.float32), np.arange(n),
    )  # fmt: skip


EVENTS = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS + 1), st.integers(0, 11)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 45), st.integers(1, 5))
def test_as_of_reads_see_only_earlier_events_and_all_the_last_of_them(rows: list[tuple[int, int, int]], before: int, length: int) -> None:
    events = log(rows)
    sequences = BehaviourSequences.of(events, N_USERS, *DOMAIN, n_songs=N_SONGS)
    users = np.arange(N_USERS)
    places = sequences.last_rows(users, length, np.full(N_USERS, before))
    items, mask = sequences.last(users, length, np.full(N_USERS, before))
    for user in users:
        earlier = [at for at, row in enumerate(rows[:before]) if row[0] == user and row[1] < N_SONGS and row[2] in DOMAIN][-length:]
        assert sequences.event[places[user][mask[user]]].tolist() == earlier
        assert items[user].tolist() == [-1] * (length - len(earlier)) + [rows[at][1] for at in earlier]
        assert mask[user].tolist() == [False] * (length - len(earlier)) + [True] * len(earlier)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_every_event_of_the_domain_stands_once_with_its_time_and_scene(rows: list[tuple[int, int, int]]) -> None:
    events = log(rows)
    sequences = BehaviourSequences.of(events, N_USERS, *DOMAIN, n_songs=N_SONGS)
    wanted = [at for at, row in enumerate(rows) if row[1] < N_SONGS and row[2] in DOMAIN]
    assert sorted(sequences.event.tolist()) == wanted
    assert sequences.offsets[-1] == len(sequences) == len(wanted)
    np.testing.assert_array_equal(sequences.ts, events.ts[sequences.event])
    np.testing.assert_array_equal(sequences.scene, events.scene[sequences.event])
    owner = np.repeat(np.arange(N_USERS), np.diff(sequences.offsets))
    np.testing.assert_array_equal(owner, events.user[sequences.event])


def test_no_limit_reads_to_the_end_and_users_may_repeat() -> None:
    events = log([(1, 0, 1), (0, 1, 1), (1, 2, 3), (1, 3, 0)])
    sequences = BehaviourSequences.of(events, 3, Behaviour.CLICK, Behaviour.FULL_PLAY, n_songs=N_SONGS)
    items, _ = sequences.last(np.array([1, 2, 1]), 2)
    assert items.tolist() == [[0, 2], [-1, -1], [0, 2]]
    assert BehaviourSequences.of(events, 3, n_songs=N_SONGS).last(np.array([1]), 3)[0].tolist() == [[0, 2, 3]]


@pytest.mark.parametrize("n_users", [0, 2])
def test_no_events(n_users: int) -> None:
    sequences = BehaviourSequences.of(log([]), n_users, *DOMAIN, n_songs=N_SONGS)
    items, mask = sequences.last(np.arange(n_users), 3, np.zeros(n_users, dtype=np.int64))
    assert items.shape == mask.shape == (n_users, 3)
    assert not mask.any()
