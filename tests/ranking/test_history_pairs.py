from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.history_pairs import N_AGES, age_buckets, merged_pairs

MOMENTS = st.lists(st.integers(0, 10**7), max_size=12)


def test_buckets_are_powers_of_two_and_the_future_is_the_first() -> None:
    assert age_buckets(np.array([-5, 0, 1, 2, 3, 6, 7, 2**15 - 1, 2**40])).tolist() == [0, 0, 1, 1, 2, 2, 3, 15, 15]


@pytest.mark.parametrize("unit", [1, 3_600])
@settings(max_examples=60, deadline=None)
@given(moments=MOMENTS, songs=st.data())
def test_pairs_count_what_stands_in_the_histories(unit: int, moments: list[int], songs: st.DataObject) -> None:
    moment = np.sort(np.array(moments, np.int64))
    n = len(moment)
    item = np.array(songs.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), np.int32)
    bounds = songs.draw(st.lists(st.tuples(st.integers(0, n), st.integers(0, n), st.integers(0, 10**7)), max_size=4))
    ranges = np.array([(*sorted(bound[:2]), bound[2]) for bound in bounds for _ in range(2)], np.int64).reshape(-1, 3)
    start, end, now = np.ascontiguousarray(ranges.T)
    pairs = merged_pairs(start, end, now, item, moment, unit, 3)
    assert (np.diff(pairs.owner) >= 0).all()
    for example in range(len(start)):
        rows = np.arange(start[example], end[example])
        age = age_buckets((now[example] - moment[rows]) // unit)
        mine = pairs.owner == example
        keys = list(zip(pairs.song[mine].tolist(), pairs.age[mine].tolist(), strict=True))
        assert len(set(keys)) == len(keys)
        assert dict(zip(keys, pairs.times[mine].tolist(), strict=True)) == Counter(zip(item[rows].tolist(), age.tolist(), strict=True))
    assert pairs.age.max(initial=0) < N_AGES
