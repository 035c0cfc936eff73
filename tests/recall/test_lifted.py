from pathlib import Path

import numpy as np
import pytest
from small_house import dense_lists, house, random_plays

from recall.lifted import LiftedRoute, LiftedSettings
from recall.snapshot import Snapshot

N_USERS, N_SONGS = 10, 18
PLAYS = random_plays(13, 90, N_USERS, N_SONGS)
# The last song of an album has no plays; song 3 has no album, song 4 no artist.
ALBUMS = [-1 if song == 3 else song // 3 for song in range(N_SONGS)]
ARTISTS = [-1 if song == 4 else song // 6 for song in range(N_SONGS)]
USERS = np.arange(N_USERS, dtype=np.int32)
WHOLE = LiftedSettings(neighbours=N_SONGS, groups=99, half_life_plays=1e12, prior_plays=1.0)


def snapshot() -> Snapshot:
    return house(PLAYS, n_users=N_USERS, n_songs=N_SONGS, albums=ALBUMS, artists=ARTISTS)


def fitted(settings: LiftedSettings = WHOLE) -> LiftedRoute:
    route = LiftedRoute(settings)
    route.fit(snapshot())
    return route


def dense_scores() -> np.ndarray:
    counts = np.zeros((N_USERS, N_SONGS))
    np.add.at(counts, tuple(np.array(PLAYS).T), 1)
    total = np.zeros_like(counts)
    for of_song in (ALBUMS, ARTISTS):
        member = np.zeros((N_SONGS, max(of_song) + 1))
        for song, group in enumerate(of_song):
            if group >= 0:
                member[song, group] = 1
        heard = counts @ member
        damped = np.log1p(heard)
        norm = np.maximum(np.linalg.norm(damped, axis=0), 1e-30)
        near = damped.T @ damped / norm / norm[:, None]
        np.fill_diagonal(near, 1)
        plays = (counts.sum(axis=0) + 1)[:, None] * member
        by_user = heard / np.maximum(heard.sum(axis=1, keepdims=True), 1e-30)
        total += by_user @ near @ (plays / plays.sum(axis=0)).T
    return total


@pytest.mark.parametrize("new_only", [False, True])
def test_scores_and_lists_are_those_of_the_direct_dense_computation(new_only: bool) -> None:
    expected, route = dense_scores(), fitted()
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(expected.shape))
    score = route.score(user, item)
    np.testing.assert_allclose(score, expected.ravel(), rtol=1e-5, atol=1e-7)
    played = np.zeros(expected.shape, dtype=bool)
    played[tuple(np.array(PLAYS).T)] = True
    found = route.recall(USERS, 5, new_only=new_only)
    wanted = dense_lists(score.reshape(expected.shape), USERS, 5, played if new_only else None)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == wanted
    np.testing.assert_array_equal(route.score(found.user, found.item), found.score)


def test_leads_from_an_album_to_another_by_its_listeners_alone() -> None:
    route = LiftedRoute(WHOLE)
    # User 0 hears album 0, user 1 albums 0 and 1; song 3 of album 1 nobody has heard.
    route.fit(house([(0, 0), (1, 1), (1, 2)], n_users=2, n_songs=6, albums=[0, 0, 1, 1, 2, 2]))
    found = route.recall(np.array([0], np.int32), 9, new_only=True)
    assert set(found.item.tolist()) == {1, 2, 3}
    paths = route.explain(np.array([0, 0, 0], np.int32), np.array([3, 1, 5], np.int32))
    assert paths.length.tolist() == [4, 3, 0]
    assert paths.nodes[0].tolist() == [0, 6, 7, 3]
    assert [paths.step_names[step] for step in paths.steps[0]] == ["IN_ALBUM", "HEARD_WITH", "<IN_ALBUM"]
    assert paths.nodes[1].tolist() == [0, 6, 1, -1]
    assert [paths.step_names[step] for step in paths.steps[1, :2]] == ["IN_ALBUM", "<IN_ALBUM"]
    assert (paths.nodes[2] == -1).all()
    assert (paths.steps[2] == -1).all()


def test_every_listed_song_has_a_path_that_the_graph_holds() -> None:
    route, house_now = fitted(LiftedSettings()), snapshot()
    found = route.recall(USERS, 6)
    paths = route.explain(found.user, found.item)
    assert (paths.length >= 3).all()
    groups = {song: {N_SONGS + album, 24 + artist} for song, (album, artist) in enumerate(zip(ALBUMS, ARTISTS, strict=True))}
    for row, item in enumerate(found.item.tolist()):
        nodes = paths.nodes[row, : paths.length[row]].tolist()
        assert nodes[0] in house_now.positives.item[house_now.positives.user == found.user[row]]
        assert nodes[1] in groups[nodes[0]]
        assert nodes[-2] in groups[item]
        assert nodes[-1] == item


def test_without_facts_there_is_nothing_to_say() -> None:
    route = LiftedRoute()
    route.fit(house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    assert len(route.recall(USERS, 5)) == 0
    assert route.score(USERS, USERS).tolist() == [0] * N_USERS
    assert route.explain(USERS, USERS).length.tolist() == [0] * N_USERS


def test_reload_is_the_same(tmp_path: Path) -> None:
    route = fitted(LiftedSettings(relations=("SUNG_BY",), neighbours=2))
    route.save(tmp_path)
    again = LiftedRoute.load(tmp_path, snapshot())
    assert again.settings == route.settings
    np.testing.assert_array_equal(again.recall(USERS, 5).score, route.recall(USERS, 5).score)
