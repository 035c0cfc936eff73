import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

N_USERS, N_SONGS = 5, 7
plays = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS - 1)), max_size=40)
asked = st.lists(st.integers(0, N_USERS - 1), unique=True, max_size=N_USERS)


@given(plays, asked)
@settings(deadline=None)  # the first example compiles
def test_plays_of_users_are_theirs_in_time_order_and_nobody_elses(log: list[tuple[int, int]], users: list[int]) -> None:
    found = house(log, n_users=N_USERS, n_songs=N_SONGS).plays_of(np.array(users, dtype=np.int32))
    wanted = [(who, song) for user in users for who, song in log if who == user]
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == wanted
