import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.behaviours import PLAYED, Behaviour
from recall.seeds import listeners

N_USERS, N_SONGS = 4, 6
acts = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS + 1), st.sampled_from(list(Behaviour))), max_size=40)


@given(acts)
@settings(deadline=None)  # the first example compiles
def test_everybody_who_played_a_song_or_met_an_album_counts_once(log: list[tuple[int, int, Behaviour]]) -> None:
    snapshot = house(
        [(user, item) for user, item, _ in log], n_users=N_USERS, n_songs=N_SONGS, behaviour=[act for *_, act in log], albums=[0, 1] * 3
    )
    met = {(user, item) for user, item, act in log if (act in PLAYED if item < N_SONGS else act != Behaviour.EXPOSURE)}
    wanted = [sum(item == node for _, item in met) for node in range(snapshot.projection.n_nodes)]
    assert listeners(snapshot).tolist() == wanted
    assert np.issubdtype(listeners(snapshot).dtype, np.integer)
