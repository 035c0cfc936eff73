import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_SONGS, events_of, service

from etl.behaviours import Behaviour
from etl.events import Events
from ranking.dien import Dien
from ranking.dien_inputs import DienInputs
from ranking.dien_network import DienNetwork, DienSettings
from ranking.dien_session import DienSession
from ranking.dien_states import ListenerStates
from ranking.examples import examples_at_now, exposure_examples
from ranking.facets import FacetVocabulary
from ranking.features import FeatureSchema
from recall.snapshot import Snapshot

LENGTH = 4
SMALL = DienSettings(width=8, hidden=(16, 8), history=LENGTH, batch_size=256, max_epochs=1)
HOUSE = service(n_users=4, n_exposures=60)


def joined(first: Events, *others: Events) -> Events:
    names = [field.name for field in dataclasses.fields(Events)]
    return Events(**{name: np.concatenate([getattr(events, name) for events in (first, *others)]) for name in names})


def inputs_of(snapshot: Snapshot) -> DienInputs:
    vocabulary = FacetVocabulary.of(snapshot.projection, np.arange(N_SONGS))
    _, features = FeatureSchema.fit(snapshot, examples_at_now(snapshot, np.arange(2), np.arange(2)))
    return DienInputs.of(features, vocabulary, snapshot, np.zeros((N_SONGS, 0), np.float32), LENGTH)


def plays(user: list[int], item: list[int]) -> Snapshot:
    events = events_of(user, item, [Behaviour.FULL_PLAY] * len(user), np.arange(len(user)))
    return dataclasses.replace(HOUSE, events=events)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, N_SONGS - 1)), max_size=40), st.integers(0, 40))
def test_states_brought_forward_are_those_of_the_network_from_scratch(heard: list[tuple[int, int]], known: int) -> None:
    torch.manual_seed(0)
    network = DienNetwork(0, 50, (), 0, SMALL).eval()
    songs = torch.randn(N_SONGS, 8)
    user, item = ([play[side] for play in heard] for side in (0, 1))
    users = np.arange(4)
    before, after = inputs_of(plays(user[:known], item[:known])), inputs_of(plays(user, item))
    states = ListenerStates.of(network, songs, before, users)
    states.heard(np.array(user[known:], np.int64), np.array(item[known:], np.int64))
    found, history, windows = states.interests(users)

    batch, distinct = after.batch(after.columns(examples_at_now(plays(user, item), users, np.zeros(4, np.int32))))
    with torch.inference_mode():
        scratch = network.interests(songs[torch.from_numpy(distinct)], batch)
    assert np.array_equal(np.diff(windows.offsets), np.diff(batch.windows.offsets))
    np.testing.assert_allclose(found, scratch[batch.windows.rows], atol=1e-6)
    assert np.array_equal(history.numpy(), distinct[batch.history.numpy()[batch.windows.rows]])


@pytest.fixture(scope="module")
def ranker() -> Dien:
    house = service(n_users=12, n_exposures=900)
    cut = int(len(house.events) * 0.8)
    dien = Dien(None, SMALL, seed=1)
    dien.fit(house, exposure_examples(house, 0, cut), exposure_examples(house, cut, len(house.events)))
    return dien


def test_a_session_scores_as_the_ranker_does_until_something_is_heard(ranker: Dien) -> None:
    users, items = np.repeat(np.array([7, 2, 5]), N_SONGS), np.tile(np.arange(N_SONGS), 3)
    session = DienSession(ranker, np.array([2, 5, 7]))
    before = session.score(users, items, scene=0)
    np.testing.assert_allclose(before, ranker.score(users, items, scene=0), atol=1e-5)
    session.heard(np.array([5, 5]), np.array([3, 11]))
    after = session.score(users, items, scene=0)
    assert (after[users == 5] != before[users == 5]).all()
    np.testing.assert_allclose(after[users != 5], before[users != 5], atol=1e-6)
    with pytest.raises(ValueError, match="user 3 is not in this session"):
        session.heard(np.array([3]), np.array([0]))


def test_a_session_moves_interests_as_a_new_snapshot_would(ranker: Dien) -> None:
    """Features are held at the session's beginning, so the interests are compared."""
    snapshot, new = ranker._snapshot, np.array([3, 11, 3, 0, 25, 6, 7])
    moment = snapshot.now + np.arange(len(new))
    later = events_of([5] * len(new), new, [Behaviour.FULL_PLAY] * len(new), moment, len(snapshot.events) + np.arange(len(new)))
    session = DienSession(ranker, np.array([5]))
    session.heard(np.full(len(new), 5), new)
    inputs = inputs_of(dataclasses.replace(snapshot, events=joined(snapshot.events, later)))
    scratch = ListenerStates.of(ranker._network, ranker._songs, inputs, np.array([5])).interests(np.array([0]))
    np.testing.assert_allclose(session._states.interests(np.array([0])).states, scratch.states, atol=1e-6)


def test_a_session_of_somebody_who_heard_nothing(ranker: Dien) -> None:
    ranker.observe(dataclasses.replace(ranker._snapshot, events=ranker._snapshot.events.take(slice(0, 0))))
    session = DienSession(ranker, np.array([1]))
    users, items = np.ones(N_SONGS, np.int64), np.arange(N_SONGS)
    np.testing.assert_allclose(session.score(users, items), ranker.score(users, items), atol=1e-5)
    session.heard(np.array([1]), np.array([4]))
    assert np.isfinite(session.score(users, items)).all()
