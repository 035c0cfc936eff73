import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_ARTISTS, N_SONGS, N_STYLES, events_of, service

from etl.behaviours import Behaviour
from ranking.auc import gauc
from ranking.dien_inputs import live_plays
from ranking.examples import exposure_examples
from ranking.facets import FacetVocabulary
from ranking.features import FeatureSchema
from ranking.long_history import HistorySearch
from ranking.sim import Sim, SimInputs, SimSettings
from recall.snapshot import Snapshot

HOUSE = service(n_users=3, n_exposures=60)
SMALL = SimSettings(width=8, attention=(16, 8), hidden=(16, 8), history=3, found=5, batch_size=128, learning_rate=5e-3, max_epochs=3)


def by_hand(heard: list[int], before: int, target: int, k: int) -> list[int]:
    """Places in a history, by the definition: artist first, then style, the latest of each; ascending."""
    if target == N_SONGS - 1:
        return []
    latest = [place for place in range(before - 1, -1, -1) if heard[place] != N_SONGS - 1]
    by_artist = [place for place in latest if heard[place] % N_ARTISTS == target % N_ARTISTS][:k]
    by_style = [place for place in latest if heard[place] % N_STYLES == target % N_STYLES and place not in by_artist]
    return sorted((by_artist + by_style)[:k])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, N_SONGS - 1)), max_size=60),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, N_SONGS - 1), st.integers(0, 60)), min_size=1, max_size=6),
    st.integers(1, 7),
)
def test_it_finds_the_latest_entries_of_the_artist_then_of_the_style(
    plays: list[tuple[int, int]], asked: list[tuple[int, int, int]], k: int
) -> None:
    user, item = ([play[side] for play in plays] for side in (0, 1))
    events = events_of(user, item, [Behaviour.FULL_PLAY] * len(user), np.arange(len(user)))
    histories = live_plays(dataclasses.replace(HOUSE, events=events))
    users, targets, moments = (np.array([ask[side] for ask in asked]) for side in range(3))
    before = histories.end(users, moments)
    found = HistorySearch.of(histories, HOUSE.projection).last(users, targets, before, k)
    for row in range(len(asked)):
        begin = histories.offsets[users[row]]
        heard = histories.item[begin : histories.offsets[users[row] + 1]].tolist()
        mine = found.rows[found.offsets[row] : found.offsets[row + 1]] - begin
        assert mine.tolist() == by_hand(heard, before[row] - begin, targets[row], k)


def test_a_house_without_facts_finds_nothing() -> None:
    histories = live_plays(HOUSE)
    bare = HOUSE.projection.without(("SUNG_BY", "HAS_STYLE"))
    users = np.zeros(4, np.int32)
    found = HistorySearch.of(histories, bare).last(users, np.arange(4), histories.end(users), 5)
    assert len(found.rows) == 0
    assert found.offsets.tolist() == [0] * 5


@pytest.fixture(scope="module")
def house() -> Snapshot:
    return service(n_users=40, n_exposures=3_000)


def test_found_and_recent_songs_do_not_overlap_and_end_at_the_example(house: Snapshot) -> None:
    examples = exposure_examples(house, 0, len(house.events))
    vocabulary = FacetVocabulary.of(house.projection, np.arange(N_SONGS))
    _, features = FeatureSchema.fit(house, examples)
    inputs = SimInputs.of(features, vocabulary, house, np.zeros((N_SONGS, 0), np.float32), SMALL)
    columns = inputs.columns(examples)
    owner, rows = inputs._entries(columns)
    assert (np.diff(rows)[np.diff(owner) == 0] > 0).all()
    assert (inputs.recent.histories.event[rows] < examples.position[owner]).all()
    n = np.bincount(owner, minlength=len(examples))
    assert (n >= columns.recent.end - columns.recent.start).all()
    assert n.max() == SMALL.history + SMALL.found
    earlier = rows < columns.recent.start[owner]
    heard, target = inputs.recent.histories.item[rows[earlier]], examples.item[owner[earlier]]
    assert ((heard % N_ARTISTS == target % N_ARTISTS) | (heard % N_STYLES == target % N_STYLES)).all()


def test_sim_learns_and_is_the_same_for_one_as_for_many(house: Snapshot) -> None:
    cut = int(len(house.events) * 0.8)
    learn, valid = exposure_examples(house, 0, cut), exposure_examples(house, cut, len(house.events))
    ranker = Sim(None, SMALL, seed=2)
    ranker.fit(house, learn, valid)
    scores = ranker.score_examples(valid)
    assert gauc(valid.user, valid.label, scores) > 0.7
    one = [ranker.score_examples(valid.take(slice(row, row + 1)))[0] for row in range(0, len(valid), 37)]
    np.testing.assert_allclose(one, scores[::37], atol=2e-5)
