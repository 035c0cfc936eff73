from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import dense_lists, house, random_plays

from recall.swing import SwingRoute, SwingSettings, swing_neighbours

N_USERS, N_SONGS = 11, 15
PLAYS = random_plays(5, 110, N_USERS, N_SONGS)
USERS = np.arange(N_USERS, dtype=np.int32)
WHOLE = SwingSettings(neighbours=N_SONGS, half_life_plays=1e12, damping=0.0, alpha=2.0)


def brute_force(plays: list[tuple[int, int]], alpha: float) -> np.ndarray:
    songs = {user: {song for who, song in plays if who == user} for user, _ in plays}
    similar = np.zeros((N_SONGS, N_SONGS))
    for first, second in combinations(songs, 2):
        shared = songs[first] & songs[second]
        for i in shared:
            for j in shared - {i}:
                similar[i, j] += 1 / np.sqrt(len(songs[first]) * len(songs[second])) / (alpha + len(shared))
    return similar


def fitted(chosen: SwingSettings = WHOLE) -> SwingRoute:
    route = SwingRoute(chosen)
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    return route


@given(seed=st.integers(0, 10_000), n=st.integers(1, 90), alpha=st.sampled_from([0.0, 0.5, 3.0]))
@settings(max_examples=25, deadline=None)
def test_similarities_are_those_of_the_definition(seed: int, n: int, alpha: float) -> None:
    plays = random_plays(seed, n, N_USERS, N_SONGS)
    route = SwingRoute(SwingSettings(neighbours=N_SONGS, damping=0.0, alpha=alpha))
    route.fit(house(plays, n_users=N_USERS, n_songs=N_SONGS))
    np.testing.assert_allclose(route.model.similar.toarray(), brute_force(plays, alpha), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("new_only", [False, True])
def test_scores_and_lists_are_history_times_similarity(new_only: bool) -> None:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    expected, route = counts @ brute_force(PLAYS, 2.0), fitted()
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(expected.shape))
    score = route.score(user, item)
    np.testing.assert_allclose(score, expected.ravel(), rtol=1e-5, atol=1e-7)
    found = route.recall(USERS, 4, new_only=new_only)
    wanted = dense_lists(score.reshape(expected.shape), USERS, 4, counts > 0 if new_only else None)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == wanted


def test_damping_divides_by_the_listeners_of_both_songs() -> None:
    listeners = np.maximum([len({who for who, song in PLAYS if song == one}) for one in range(N_SONGS)], 1)
    damped = fitted(SwingSettings(neighbours=N_SONGS, damping=0.5, alpha=2.0)).model.similar.toarray()
    np.testing.assert_allclose(damped, brute_force(PLAYS, 2.0) / np.sqrt(np.outer(listeners, listeners)), rtol=1e-5, atol=1e-7)


def test_only_the_most_similar_songs_are_kept_ties_by_song() -> None:
    whole, few = fitted().model.similar.toarray(), fitted(SwingSettings(neighbours=3, damping=0.0, alpha=2.0)).model.similar.toarray()
    for song in range(N_SONGS):
        best = [other for other in np.lexsort((np.arange(N_SONGS), -whole[song])) if whole[song, other] > 0][:3]
        assert np.flatnonzero(few[song]).tolist() == sorted(best)


def test_songs_beyond_the_cap_keep_the_same_listeners() -> None:
    # Everyone has heard both songs, and listeners weigh differently: the two similarities are equal where the kept pair is the same.
    plays = [(user, song) for user in range(N_USERS) for song in range(2 + user)]
    route = SwingRoute(SwingSettings(max_listeners=2, damping=0.0, alpha=0.0))
    route.fit(house(plays, n_users=N_USERS, n_songs=N_USERS + 1))
    similar = route.model.similar.toarray()
    assert similar[0, 1] == similar[1, 0] > 0


def test_one_listener_makes_no_pair_and_an_empty_history_no_list() -> None:
    route = SwingRoute()
    route.fit(house([(0, 0), (0, 1)], n_users=2, n_songs=3))
    assert len(route.recall(np.array([0, 1], np.int32), 5)) == 0
    assert route.score(np.zeros(1, np.int32), np.ones(1, np.int32)).tolist() == [0.0]


def test_the_reason_is_the_song_that_adds_most() -> None:
    route = fitted()
    found = route.recall(USERS, 3)
    paths = route.explain(found.user, found.item)
    terms = route.model.history.toarray()[found.user] * route.model.similar.toarray()[:, found.item].T
    np.testing.assert_allclose(terms[np.arange(len(found)), paths.nodes[:, 0]], terms.max(axis=1), rtol=1e-6)
    assert paths.step_names == ("HEARD_WITH",)


def test_reload_is_the_same(tmp_path: Path) -> None:
    route = fitted(SwingSettings(max_listeners=3))
    route.save(tmp_path)
    again = SwingRoute.load(tmp_path, house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    np.testing.assert_array_equal(again.recall(USERS, 5).score, route.recall(USERS, 5).score)


def test_a_catalogue_without_songs_has_no_similarities() -> None:
    empty = house([], n_users=2, n_songs=1)
    pairs = fitted().model.played[:0]
    assert swing_neighbours(pairs, WHOLE, seed=0).nnz == 0
    route = SwingRoute()
    route.fit(empty)
    assert len(route.recall(np.array([1], np.int32), 3)) == 0
