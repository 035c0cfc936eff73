import dataclasses

import numpy as np
import pytest
from domain_house import replayed, rich_service
from ranking_house import N_ARTISTS, N_SONGS

from etl.behaviours import Behaviour
from etl.session_rules import NAMED_RULES
from ranking.domain_events import DomainEvents
from ranking.domain_inputs import DomainInputs, TaskExamples
from ranking.domain_masses import DecayedMass, MassFacets
from ranking.domain_settings import DomainSettings
from ranking.examples import exposure_examples
from ranking.facets import FacetVocabulary
from ranking.features import Features, FeatureSchema
from recall.snapshot import Snapshot

SETTINGS = DomainSettings(width=8, heads=2, sessions=3, acts=4, history=6, half_lives_days=(1.0, 9.0), half_lives_events=(3.0, 30.0))


@pytest.fixture(scope="module")
def house() -> Snapshot:
    return rich_service(n_users=15, n_exposures=800, seed=1)


def inputs_of(house: Snapshot) -> DomainInputs:
    examples = exposure_examples(house, 0, len(house.events))
    _, features = FeatureSchema.fit(house, examples)
    vocabulary = FacetVocabulary.of(house.projection, np.arange(N_SONGS))
    return DomainInputs.of(features, vocabulary, DomainEvents(house), np.zeros((N_SONGS, 0), np.float32), SETTINGS)


@pytest.mark.parametrize("ordinal", [False, True])
def test_masses_are_decayed_counts_of_what_came_before(house: Snapshot, ordinal: bool) -> None:
    house = dataclasses.replace(house, ordinal=ordinal)
    events, examples = house.events, exposure_examples(house, 0, len(house.events))
    inputs, domains = inputs_of(house), DomainEvents(house)
    found = inputs.columns(examples).mass.reshape(len(examples), len(SETTINGS.domains), 2, 4)
    clock = domains.clock
    half_lives = np.array([3.0, 30.0] if ordinal else [86_400.0, 9 * 86_400.0])
    for row in range(0, len(examples), 61):
        now = clock.of(examples.user[[row]], examples.position[[row]], examples.ts[[row]])[0]
        for place, name in enumerate(SETTINGS.domains):
            acts = domains.acts(name)
            acts = acts[(acts < examples.position[row]) & (events.user[acts] == examples.user[row])]
            decay = np.exp2(-(now - clock.of_rows(acts))[:, None] / half_lives)
            item, song = events.item[acts], examples.item[row]
            facts = (item < N_SONGS - 1) & (song < N_SONGS - 1)
            alike = (item == song, facts & (item % N_ARTISTS == song % N_ARTISTS), np.zeros(len(acts)), facts & (item % 3 == song % 3))
            expected = np.log1p(np.stack([(decay * same[:, None]).sum(axis=0) for same in alike], axis=1))
            np.testing.assert_allclose(found[row, place], expected, rtol=1e-5, atol=1e-6)


def test_a_key_that_never_acted_has_no_mass() -> None:
    nothing = np.zeros(0, np.int64)
    empty = DecayedMass.of(nothing, nothing, nothing, nothing.astype(float), np.array([1.0]))
    assert empty.before(np.array([3]), np.array([9]), np.array([9])).tolist() == [[0.0]]
    one = DecayedMass.of(np.array([3]), np.array([5]), np.array([10]), np.array([2.0]), np.array([4.0]))
    asked = np.array([3, 3, 2, 4, 3]), np.array([5, 6, 9, 9, 100]), np.array([10, 10, 99, 99, 14])
    assert one.before(*asked)[:, 0].tolist() == [0.0, 2.0, 0.0, 0.0, 1.0]


def test_a_blocked_artist_is_a_refusal_of_hers_alone(house: Snapshot) -> None:
    pairs = MassFacets.of(house.projection).pairs(np.array([N_SONGS + 2, 2]))
    assert pairs.node[pairs.owner == 0].tolist() == [N_SONGS + 2]
    assert set(pairs.node[pairs.owner == 1]) == {2, N_SONGS + 2, N_SONGS + N_ARTISTS + 2}


def test_without_refusals_the_log_keeps_its_rows_and_loses_what_was_skipped(house: Snapshot) -> None:
    seen = DomainEvents(house).without_refusals().events
    assert len(seen) == len(house.events)
    left = house.events.behaviour[seen.behaviour >= 0]
    assert not np.isin(left, (Behaviour.SKIP, Behaviour.DISLIKE)).any()
    assert (left == Behaviour.PLAY).sum() == (left == Behaviour.FULL_PLAY).sum() > 0  # every other play of this house was skipped
    assert (left == Behaviour.EXPOSURE).sum() == (house.events.behaviour == Behaviour.EXPOSURE).sum()
    against = (house.events.behaviour == Behaviour.COMMENT) & (house.events.item % N_ARTISTS != house.events.user % N_ARTISTS)
    assert (seen.behaviour[against] < 0).all()


def test_refusals_change_neither_features_nor_sessions_of_what_is_liked(house: Snapshot) -> None:
    events = house.events
    examples = exposure_examples(house, 0, len(events)).take(slice(-50, None))
    now = dataclasses.replace(examples, position=np.full(50, len(events)), ts=np.full(50, house.now))
    seen = DomainEvents(house).without_refusals()
    schema, features = FeatureSchema.fit(seen, examples)
    user = int(np.bincount(events.user).argmax())
    later = replayed(house, user, np.arange(9), Behaviour.PLAY, Behaviour.SKIP, ago=60)
    now_later = dataclasses.replace(now, position=np.full(50, len(later.events)))
    of_later = Features(schema, DomainEvents(later).without_refusals())
    np.testing.assert_array_equal(of_later.numeric(now_later), features.numeric(now))
    rules = NAMED_RULES["all"]
    before, after = (DomainEvents(one).sequences("full_play", rules).session for one in (house, later))
    np.testing.assert_array_equal(np.diff(before) != 0, np.diff(after) != 0)


def test_comments_are_parted_by_their_sentiment(house: Snapshot) -> None:
    domains, events = DomainEvents(house), house.events
    for name, likes in (("comment_for", True), ("comment_against", False)):
        acts = domains.acts(name)
        assert len(acts)
        assert ((events.item[acts] % N_ARTISTS == events.user[acts] % N_ARTISTS) == likes).all()
        assert domains.sequences(name, NAMED_RULES["all"]).event.tolist() == sorted(acts.tolist(), key=lambda row: (events.user[row], row))
    assert not len(DomainEvents(dataclasses.replace(house, comments=None)).acts("comment_for"))


def test_near_refusals_are_those_of_the_window(house: Snapshot) -> None:
    inputs, examples = inputs_of(house), exposure_examples(house, 0, len(house.events))
    batch, songs = inputs.batch(inputs.columns(examples))
    place = SETTINGS.near.index("skip")
    near, events = batch.near[place], house.events
    for row in range(0, len(examples), 37):
        mine = (near.owner == near.history[row]).numpy()
        past = np.flatnonzero((events.user == examples.user[row]) & (events.behaviour == Behaviour.SKIP))
        past = past[(past < examples.position[row]) & (events.ts[past] >= examples.ts[row] - SETTINGS.near_days * 86_400)]
        assert songs[near.act.numpy()[mine]].tolist() == events.item[past].tolist()


def test_examples_keep_their_outcomes_when_they_are_taken(house: Snapshot) -> None:
    examples = exposure_examples(house, 0, len(house.events)).take(slice(0, 5))
    columns = {field.name: getattr(examples, field.name) for field in dataclasses.fields(examples)}
    tasks = TaskExamples(**columns, outcome=np.arange(20, dtype=np.float32).reshape(5, 4))
    assert tasks.take(np.array([3, 1])).outcome.tolist() == [[12, 13, 14, 15], [4, 5, 6, 7]]
    assert np.isnan(inputs_of(house).columns(examples).outcome).all()
