from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import dense_lists, house, random_plays

from etl.behaviours import Behaviour
from recall.rules import RulesRoute, RulesSettings

N_USERS, N_SONGS = 6, 12
PLAYS = random_plays(5, 110, N_USERS, N_SONGS)
USERS = np.arange(N_USERS, dtype=np.int32)
WHOLE = RulesSettings(neighbours=N_SONGS)


def fitted(plays: list[tuple[int, int]], chosen: RulesSettings = WHOLE, **of_house: object) -> RulesRoute:
    route = RulesRoute(chosen)
    route.fit(house(plays, n_users=N_USERS, n_songs=N_SONGS, **of_house))  # type: ignore[arg-type]
    return route


def histories(plays: list[tuple[int, int]]) -> list[list[int]]:
    own: list[list[int]] = [[] for _ in range(N_USERS)]
    for user, song in plays:
        if own[user][-1:] != [song]:
            own[user].append(song)
    return own


def by_definition(plays: list[tuple[int, int]], chosen: RulesSettings) -> tuple[np.ndarray, np.ndarray]:
    """Rules and scores."""
    rules, own = np.zeros((N_SONGS, N_SONGS)), histories(plays)
    for heard in own:
        for p, song in enumerate(heard):
            for q in range(p + 1, min(p + chosen.distance + 1, len(heard))):
                rules[song, heard[q]] += 1 / (q - p)
    plays_of = np.bincount(np.concatenate([np.array(heard, dtype=int) for heard in own]), minlength=N_SONGS)
    rules /= np.maximum(plays_of, 1)[:, None] ** chosen.damping
    np.fill_diagonal(rules, 0)
    score = np.zeros((N_USERS, N_SONGS))
    for user, heard in enumerate(own):
        for place, song in enumerate(heard[::-1][: chosen.recent]):
            score[user] += chosen.decay**place * rules[song]
    return rules, score


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 90),
    distance=st.integers(1, 5),
    recent=st.integers(1, 6),
    damping=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=30, deadline=None)
def test_rules_and_scores_are_those_of_the_definition(seed: int, n: int, distance: int, recent: int, damping: float) -> None:
    plays = random_plays(seed, n, N_USERS, N_SONGS)
    chosen = RulesSettings(distance=distance, recent=recent, damping=damping, neighbours=N_SONGS)
    route = fitted(plays, chosen)
    rules, score = by_definition(plays, chosen)
    np.testing.assert_allclose(route.model.similar.toarray(), rules, rtol=1e-5, atol=1e-7)
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices(score.shape))
    np.testing.assert_allclose(route.score(user, item), score.ravel(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("new_only", [False, True])
def test_lists_are_the_best_scores(new_only: bool) -> None:
    route = fitted(PLAYS)
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices((N_USERS, N_SONGS)))
    score = route.score(user, item).reshape(N_USERS, N_SONGS)
    played = np.zeros_like(score, dtype=bool)
    played[tuple(np.array(PLAYS).T)] = True
    found = route.recall(USERS, 4, new_only=new_only)
    wanted = dense_lists(score, USERS, 4, played if new_only else None)
    assert list(zip(found.user.tolist(), found.item.tolist(), strict=True)) == wanted


def test_a_rule_has_a_direction() -> None:
    rules = fitted([(0, 1), (0, 2), (1, 1), (1, 2)]).model.similar.toarray()
    assert rules[1, 2] > 0
    assert rules[2, 1] == 0


def test_nothing_follows_over_a_pause() -> None:
    plays, days_ago = [(0, 1), (0, 2), (0, 3)], [1.0, 1.0 - 10 / 1440, 0.2]
    rules = fitted(plays, days_ago=days_ago, ordinal=False).model.similar.toarray()
    assert rules[1, 2] > 0
    assert not rules[:, 3].any()


def test_what_is_skipped_is_not_gone_on_to() -> None:
    behaviour = [Behaviour.FULL_PLAY, Behaviour.SKIP, Behaviour.FULL_PLAY]
    rules = fitted([(0, 1), (0, 2), (0, 3)], behaviour=behaviour).model.similar.toarray()
    assert not rules[:, 2].any()
    assert rules[1, 3] > 0


def test_the_reason_is_the_latest_song_whose_rule_adds_most() -> None:
    paths = fitted([(0, 1), (0, 2), (1, 1)]).explain(np.array([1], np.int32), np.array([2], np.int32))
    assert paths.nodes[0].tolist() == [1, 2]
    assert [paths.step_names[step] for step in paths.steps[0]] == ["FOLLOWED_BY"]


def test_a_listener_without_history_gets_nothing() -> None:
    route = fitted([(0, 1), (0, 2)])
    nobody = np.array([5], np.int32)
    assert len(route.recall(nobody, 5).item) == 0
    assert route.score(nobody, np.array([2], np.int32)).tolist() == [0.0]


def test_saved_and_loaded_it_scores_the_same(tmp_path: Path) -> None:
    chosen = RulesSettings(distance=2, recent=3, decay=0.5, neighbours=4)
    route = fitted(PLAYS, chosen)
    route.save(tmp_path)
    again = RulesRoute.load(tmp_path, house(PLAYS, n_users=N_USERS, n_songs=N_SONGS))
    assert again.settings == chosen
    user, item = (axis.ravel().astype(np.int32) for axis in np.indices((N_USERS, N_SONGS)))
    np.testing.assert_array_equal(again.score(user, item), route.score(user, item))
