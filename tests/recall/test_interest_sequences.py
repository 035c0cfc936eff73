import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.behaviours import Behaviour
from recall.interest_sequences import Sequences, last_windows, token_rows, training_windows


def sequences(lengths: list[int]) -> Sequences:
    plays = [(user, place % 5) for place in range(max(lengths, default=0)) for user in range(len(lengths)) if place < lengths[user]]
    return Sequences.of(house(plays, n_users=len(lengths), n_songs=5))


def test_clicks_and_positives_in_order_and_nothing_else() -> None:
    B = Behaviour
    acts = [(0, 1, B.EXPOSURE), (0, 1, B.CLICK), (1, 4, B.CLICK), (0, 1, B.PLAY), (0, 1, B.FULL_PLAY), (0, 1, B.COLLECT), (0, 2, B.SKIP)]
    acts += [(0, 3, B.CLICK), (0, 1, B.SHARE), (0, 2, B.DISLIKE)]
    found = Sequences.of(house([act[:2] for act in acts], behaviour=[act[2] for act in acts], n_users=3, n_songs=5))
    assert found.offsets.tolist() == [0, 3, 4, 4]
    assert found.item.tolist() == [1, 3, 1, 4]
    assert found.behaviour.tolist() == [B.COLLECT, B.CLICK, B.SHARE, B.CLICK]
    assert found.positive.tolist() == [True, False, True, False]
    assert (found.age == 0).all()


def test_repeats_are_songs_that_the_same_user_had_before() -> None:
    found = Sequences.of(house([(0, 1), (1, 1), (0, 2), (0, 1), (1, 3), (1, 1)], n_users=2, n_songs=5))
    assert found.item.tolist() == [1, 2, 1, 1, 3, 1]
    assert found.repeat.tolist() == [False, False, True, False, False, True]


def test_age_is_log_days_where_there_is_a_clock() -> None:
    found = Sequences.of(house([(0, 1), (0, 2)], days_ago=[3.0, 0.0], n_users=1, n_songs=5, ordinal=False))
    np.testing.assert_allclose(found.age, [np.log(4), 0], rtol=1e-6)


def test_split_by_each_users_last_tokens() -> None:
    whole = sequences([2, 10, 25])
    late = whole.late(ordinal=True, share=0.1)
    seen = whole.take(~late)
    assert np.diff(seen.offsets).tolist() == [2, 9, 23]
    assert np.flatnonzero(late).tolist() == [11, 35, 36]


def test_split_by_time() -> None:
    whole = Sequences.of(house([(0, n % 5) for n in range(10)], days_ago=[float(9 - n) for n in range(10)], n_users=2, n_songs=5))
    late = whole.late(ordinal=False, share=0.2)
    seen = whole.take(~late)
    assert late.tolist() == [False] * 8 + [True] * 2
    assert seen.offsets.tolist() == [0, 8, 8]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 23), min_size=1, max_size=6), st.integers(1, 7), st.integers(1, 4), st.integers(0, 99))
def test_training_windows_cover_the_latest_tokens_once(lengths: list[int], length: int, cap: int, seed: int) -> None:
    whole = sequences(lengths)
    windows = training_windows(whole, length, cap, np.random.default_rng(seed))
    assert ((windows.end - windows.start >= 1) & (windows.end - windows.start <= length)).all()
    for user, n in enumerate(lengths):
        mine = windows.user == user
        covered = np.concatenate([np.arange(a, b) for a, b in zip(windows.start[mine], windows.end[mine], strict=True)] or [[]])
        assert mine.sum() <= cap
        assert len(np.unique(covered)) == len(covered)
        assert n == 0 or covered.max() == whole.offsets[user + 1] - 1
        if cap * length >= n + length:
            assert len(covered) == n
        else:
            assert covered.size == 0 or sorted(covered) == list(range(int(covered.min()), int(whole.offsets[user + 1])))


def test_last_windows_and_padding_at_the_end() -> None:
    whole = sequences([0, 2, 9])
    windows = last_windows(whole, np.array([2, 0, 1]), 4)
    rows, real = token_rows(windows, 4)
    assert real.sum(axis=1).tolist() == [4, 0, 2]
    assert rows[0].tolist() == [7, 8, 9, 10]
    assert real[2].tolist() == [True, True, False, False]
