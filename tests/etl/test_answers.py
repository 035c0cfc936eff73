from __future__ import annotations

import numpy as np
import pytest

from etl.simulation.answers import Audience
from etl.simulation.choosing import FULL, SKIP
from etl.simulation.settings import SimulationSettings

SIZE = SimulationSettings(n_songs=120, n_users=30, n_days=6, seed=3)
USERS = range(0, 30, 3)


@pytest.fixture(scope="module")
def audience() -> Audience:
    return Audience(SIZE)


def chances(audience: Audience, user: int) -> np.ndarray:
    """Chance that each song is skipped, were it the first of a session."""
    return np.array([audience.session(user, 2, 0).answer(song).chance_of_skip for song in range(SIZE.n_songs)])


def test_the_same_seed_gives_the_same_answers_and_sessions_leave_no_trace(audience: Audience) -> None:
    ring = audience.live.ring.copy()
    runs = [[audience.session(4, 1, 9).answer(song) for song in (5, 17, 60)] for _ in range(2)]
    one = audience.session(4, 1, 9)
    in_turn = [one.answer(song) for song in (5, 17, 60)]
    assert runs[0] == runs[1]
    assert in_turn[0] == runs[0][0]
    assert (audience.live.ring == ring).all()
    assert Audience(SIZE).session(4, 1, 9).answer(5) == in_turn[0]


def test_favourite_artists_are_skipped_less_and_the_disliked_style_more(audience: Audience) -> None:
    links, minds = audience.live.links, audience.live.minds
    liked, hated, all_songs = [], [], []
    for user in USERS:
        of_skip = chances(audience, user)
        favourites = np.unique(minds.interests[user, :, 2:])
        liked += of_skip[np.isin(links.facets[:, 8], favourites[favourites >= 0])].tolist()
        hated += of_skip[links.facets[:, 9] == minds.disliked[user]].tolist()
        all_songs += of_skip.tolist()
    assert np.mean(liked) < np.mean(all_songs) < np.mean(hated)


def test_a_skipped_artist_is_skipped_more_thereafter(audience: Audience) -> None:
    facets = audience.live.links.facets
    rose = []
    for user in USERS:
        for seed in range(4):
            session = audience.session(user, 0, seed)
            first, second = np.flatnonzero(facets[:, 0] == facets[0, 0])[:2].tolist()
            if session.answer(first).outcome == SKIP:
                fresh = audience.session(user, 0, seed).answer(second).chance_of_skip
                rose.append(session.answer(second).chance_of_skip > fresh)
    assert len(rose) > 3
    assert all(rose)


def test_only_a_song_heard_to_the_end_is_hearted(audience: Audience) -> None:
    answers = [audience.session(user, 3, seed).answer(song) for user in USERS for seed in range(3) for song in range(0, 120, 6)]
    assert any(answer.heart for answer in answers)
    assert all(answer.outcome == FULL for answer in answers if answer.heart)
    assert {SKIP, FULL} <= {answer.outcome for answer in answers}
