import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house, random_plays

from recall.own_sequence import COLUMNS, FADING, LATEST, SOON, OwnSequence

N_USERS, N_SONGS = 4, 9
ROW = {name: row for row, name in enumerate(COLUMNS)}


def sequence(plays: list[tuple[int, int]]) -> OwnSequence:
    return OwnSequence.of(house(plays, n_users=N_USERS, n_songs=N_SONGS).plays, N_USERS)


def every_pair() -> tuple[np.ndarray, np.ndarray]:
    user, item = np.indices((N_USERS, N_SONGS))
    return user.ravel().astype(np.int32), item.ravel().astype(np.int32)


def by_definition(own: list[int], song: int) -> dict[str, float]:
    n, places = len(own), [p for p, heard in enumerate(own) if heard == song]
    found = dict.fromkeys(COLUMNS, np.nan)
    for last, name in ((10, "repeats of last 10"), (30, "repeats of last 30")):
        if own:
            found[name] = np.mean([own[p] in own[:p] for p in range(max(n - last, 0), n)])
    if not places:
        return found
    latest = {heard: max(p for p, other in enumerate(own) if other == heard) for heard in own}
    after = 0.0
    for q, heard in enumerate(own):
        if heard != song and q != latest[heard] and latest[heard] >= n - LATEST:
            after += sum(FADING ** (n - 1 - latest[heard]) / (p - q) for p in places if 0 < p - q <= SOON)
    found |= {"song first": n - 1 - places[0], "song share of plays": len(places) / n, "song after latest": after}
    if len(places) > 1:
        gap = np.diff(places).mean()
        found |= {"song gap": gap, "song latest gap": places[-1] - places[-2], "song gaps since": (n - 1 - places[-1]) / gap}
    return found


@given(seed=st.integers(0, 10_000), n=st.integers(0, 120))
@settings(max_examples=40, deadline=None)
def test_columns_are_those_of_the_definition(seed: int, n: int) -> None:
    plays = random_plays(seed, n, N_USERS, N_SONGS)
    found = sequence(plays).columns(*every_pair())
    for column, (user, song) in zip(found.T, zip(*every_pair(), strict=True), strict=True):
        wanted = by_definition([heard for who, heard in plays if who == user], song)
        np.testing.assert_allclose(column, [wanted[name] for name in COLUMNS], rtol=1e-5, err_msg=f"{user} {song}")


def test_what_followed_the_latest_song_before_stands_out() -> None:
    plays = [(0, song) for song in (1, 2, 3, 4, 5, 6, 7, 1)]
    after = sequence(plays).columns(*every_pair())[ROW["song after latest"]][:N_SONGS]
    assert after[2] > after[3] > after[4] > 0
    assert after[7] == 0  # heard before the latest song, not after it
    assert np.isnan(after[8])


def test_a_pair_does_not_depend_on_the_others_asked_for() -> None:
    own = sequence(random_plays(3, 90, N_USERS, N_SONGS))
    user, item = every_pair()
    whole = own.columns(user, item)
    alone = np.concatenate([own.columns(user[row : row + 1], item[row : row + 1]) for row in range(len(user))], axis=1)
    np.testing.assert_array_equal(whole, alone)


def test_nobody_asked_for_is_no_column() -> None:
    assert sequence([(0, 1)]).columns(np.zeros(0, np.int32), np.zeros(0, np.int32)).shape == (len(COLUMNS), 0)
