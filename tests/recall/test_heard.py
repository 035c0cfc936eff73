import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.behaviours import Behaviour
from etl.events import Events
from recall.heard import Heard

N_USERS, N_SONGS, N_GROUPS = 4, 6, 3
plays = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS - 1), st.integers(1, 3)), max_size=40)
groups = st.lists(st.integers(-1, N_GROUPS - 1), min_size=N_SONGS, max_size=N_SONGS)


def events(rows: list[tuple[int, int, int]]) -> Events:
    user, item, count = (np.array([row[column] for row in rows], dtype=np.int32) for column in range(3))
    n = len(rows)
    kinds = {"ts": np.int64, "scene": np.int16, "play_ms": np.int32, "is_organic": np.int8}
    same = {name: np.zeros(n, kind) for name, kind in kinds.items()}
    code = np.full(n, Behaviour.PLAY, np.int8)
    return Events(user, item, code, count=count.astype(np.float32), source=np.arange(n, dtype=np.int64), **same)


@settings(deadline=None)  # the first example compiles
@given(plays, groups)
def test_counts_latest_age_and_distinct_songs_of_every_pair(rows: list[tuple[int, int, int]], group_of: list[int]) -> None:
    log, age = events(rows), np.arange(len(rows), 0, -1).astype(np.float64)
    heard = Heard.by(log, np.array(group_of, np.int32)[log.item], age, N_USERS)
    assert (np.diff(heard.key) > 0).all()
    users, asked = (grid.ravel().astype(np.int32) for grid in np.meshgrid(range(N_USERS), range(-1, N_GROUPS)))
    count, last, songs = heard.of(users, asked)
    for place, (user, group) in enumerate(zip(users.tolist(), asked.tolist(), strict=True)):
        own = [row for row, (who, item, _) in enumerate(rows) if who == user and group >= 0 and group_of[item] == group]
        assert count[place] == sum(rows[row][2] for row in own)
        assert songs[place] == len({rows[row][1] for row in own})
        assert last[place] == min(age[own]) if own else np.isnan(last[place])


def test_nobody_has_heard_anything() -> None:
    count, last, songs = Heard.by(events([]), np.empty(0, np.int32), np.empty(0), 2).of(np.zeros(1, np.int32), np.zeros(1, np.int32))
    assert (count[0], songs[0]) == (0, 0)
    assert np.isnan(last[0])
