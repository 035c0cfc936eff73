import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.behaviours import Behaviour
from etl.events import Events
from kg_recall.evaluation.split import TEST, TRAIN, VALID, split_events


def events_of(users: list[int], items: list[int] | None = None, ts: list[int] | None = None, source: list[int] | None = None) -> Events:
    n = len(users)
    return Events(
        user=np.array(users, dtype=np.int32),
        item=np.array(items if items is not None else range(n), dtype=np.int32),
        behaviour=np.full(n, Behaviour.PLAY, dtype=np.int8),
        ts=np.array(ts if ts is not None else range(n), dtype=np.int64),
        scene=np.full(n, -1, dtype=np.int16),
        play_ms=np.full(n, -1, dtype=np.int32),
        is_organic=np.full(n, -1, dtype=np.int8),
        count=np.ones(n, dtype=np.float32),
        source=np.array(source if source is not None else range(n), dtype=np.int64),
    )


def test_time_cuts_at_quantiles_with_ties_in_source_order() -> None:
    split = split_events(events_of([0] * 10, ts=[5] * 10), "time", test_share=0.2, valid_share=0.1, seed=0)
    assert split.part.tolist() == [TRAIN] * 7 + [VALID] + [TEST] * 2
    assert not split.ordinal


def test_moments_are_the_times_of_the_first_event_of_the_next_part() -> None:
    split = split_events(events_of([0] * 10, ts=list(range(100, 110))), "time", test_share=0.2, valid_share=0.1, seed=0)
    assert (split.valid_from, split.test_from) == (107, 108)


def test_last_takes_a_tenth_and_as_many_before() -> None:
    users = [0] * 25 + [1] * 3 + [2] * 2
    split = split_events(events_of(users), "last", test_share=0.1, valid_share=0.1, seed=0)
    assert split.part[:25].tolist() == [TRAIN] * 21 + [VALID] * 2 + [TEST] * 2
    assert split.part[25:28].tolist() == [TRAIN, VALID, TEST]
    assert split.part[28:].tolist() == [TRAIN, TRAIN]
    assert split.ordinal


def test_random_keeps_all_events_of_a_pair_together() -> None:
    split = split_events(events_of([0, 0, 1, 1] * 50, [3, 4, 3, 4] * 50), "random", test_share=0.25, valid_share=0.25, seed=1)
    parts = split.part.reshape(50, 4)
    assert (parts == parts[0]).all()
    assert sorted(parts[0].tolist()) == [TRAIN, TRAIN, VALID, TEST]


@pytest.mark.parametrize("kind", ["time", "last", "random"])
@given(data=st.data())
def test_derived_events_go_with_their_source(kind: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    users = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    derived = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    shuffled = data.draw(st.permutations(range(n)))
    repeat = [1 + int(has) for has in derived]
    events = events_of(
        np.repeat(users, repeat).tolist(),
        np.repeat(np.arange(n), repeat).tolist(),
        np.repeat(np.arange(n), repeat).tolist(),
        np.repeat(shuffled, repeat).tolist(),
    )
    plain = split_events(events_of(users, source=list(shuffled)), kind, test_share=0.2, valid_share=0.2, seed=3)  # type: ignore[arg-type]
    split = split_events(events, kind, test_share=0.2, valid_share=0.2, seed=3)  # type: ignore[arg-type]
    assert split.part.tolist() == np.repeat(plain.part, repeat).tolist()
