import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_ARTISTS, N_SONGS, N_STYLES, catalogue, events_of, service

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import Events
from etl.facets import SongFacets
from etl.song_profile import SongProfiles
from etl.user_profile import UserProfiles
from graph.projection import Projection
from ranking.examples import examples_at_now, exposure_examples
from ranking.features import Features, FeatureSchema
from ranking.profile_masses import MASSES, ProfileMasses
from ranking.ranker import Examples
from ranking.reception import RECEPTION, Reception
from recall.snapshot import Snapshot

ACTS = list(Behaviour)
Rows = list[tuple[int, int, int, Behaviour, float]]
"""User, song (of a blocked artist: any of hers), wait, behaviour, count."""
ARTIST = N_SONGS


def house_of(rows: Rows, now: int, ordinal: bool = False, source: list[int] | None = None) -> Snapshot:
    """Rows are user, song (of a blocked artist: any of hers), wait, behaviour, count."""
    known, projection = catalogue(4)
    user, item, wait, behaviour, count = ([row[i] for row in rows] for i in range(5))
    item = [ARTIST + i % N_ARTISTS if b == Behaviour.BLOCK_ARTIST else i for i, b in zip(item, behaviour, strict=True)]
    events = dataclasses.replace(
        events_of(user, item, behaviour, np.cumsum(wait, dtype=np.int64), source), count=np.array(count, np.float32)
    )
    return Snapshot(known, events, projection, now=now, ordinal=ordinal)


def facets_of(projection: Projection) -> SongFacets:
    """The artists and styles of the small house, as the ETL knows them."""
    known, _ = catalogue(1)
    song = np.arange(N_SONGS - 1)
    head = [f"song:{i:02d}" for i in song] * 2
    tail = [f"artist:{i % N_ARTISTS}" for i in song] + [f"style:{i % N_STYLES}" for i in song]
    relation = ["SUNG_BY"] * len(song) + ["HAS_STYLE"] * len(song)
    triples = pl.DataFrame({"head": head, "relation": relation, "tail": tail}).with_columns(
        confidence=pl.lit(1.0, pl.Float32), valid_from=pl.lit(None, pl.Int64)
    )
    return SongFacets.of(known, triples)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, N_SONGS - 1),
        st.sampled_from([0, 1, 40_000]),
        st.sampled_from(ACTS),
        st.sampled_from([1.0, 2.5, 0.1]),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, ordinal=st.booleans(), cut=st.integers(0, 40))
def test_masses_are_those_of_the_user_profile_at_any_moment(rows: Rows, ordinal: bool, cut: int) -> None:
    house = house_of(rows, now=10**7, ordinal=ordinal)
    cut = min(cut, len(house.events))
    now = int(house.events.ts[cut]) if cut < len(house.events) else house.now
    users, items = np.repeat(np.arange(4, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 4)
    asked = dataclasses.replace(examples_at_now(house, users, items), position=np.full(len(users), cut), ts=np.full(len(users), now))
    found = ProfileMasses(house).of(asked)
    past: Events = house.events.take(slice(0, cut))
    profiles = UserProfiles.of(past, facets_of(house.projection), 4, at=None if ordinal else now)
    mass = np.zeros((2, 4, house.projection.n_nodes))
    for user in range(4):
        own = profiles.user(user)
        mass[:, user, own.value] = own.positive, own.negative
    for sign, name in enumerate(("liking", "refusal")):
        for facet, first, n in (("artist", N_SONGS, N_ARTISTS), ("style", N_SONGS + N_ARTISTS, N_STYLES)):
            expected = np.where(items < N_SONGS - 1, np.log1p(mass[sign, users, first + items % n]), 0.0)
            np.testing.assert_allclose(found[:, MASSES.index(f"{facet}_{name}")], expected, rtol=1e-5, atol=1e-6)


def test_what_is_liked_and_what_is_refused_do_not_cancel() -> None:
    rows = [(0, 0, 0, Behaviour.FULL_PLAY, 1.0), (0, 8, 0, Behaviour.SKIP, 2.0), (0, 1, 0, Behaviour.BLOCK_ARTIST, 1.0)]
    house = house_of(rows, now=0)
    of = dict(zip(MASSES, ProfileMasses(house).of(examples_at_now(house, np.array([0]), np.array([16])))[0], strict=True))
    assert np.expm1(of["artist_liking"]) == pytest.approx(1)  # song 16 is by the artist of songs 0 and 8
    assert np.expm1(of["artist_refusal"]) == pytest.approx(1)
    assert of["song_liking"] == of["song_refusal"] == 0
    assert np.expm1(of["refusal"]) == pytest.approx(11)
    blocked = dict(zip(MASSES, ProfileMasses(house).of(examples_at_now(house, np.array([0]), np.array([9])))[0], strict=True))
    assert np.expm1(blocked["artist_refusal"]) == pytest.approx(10)
    assert of["album_liking"] == 0


def test_a_hidden_event_is_no_part_of_anything() -> None:
    rows = [(0, 0, 0, Behaviour.FULL_PLAY, 1.0), (0, 0, 5, Behaviour.SKIP, 1.0), (0, 0, 9, Behaviour.FULL_PLAY, 1.0)]
    for ordinal in (False, True):
        house = house_of(rows, now=100, ordinal=ordinal)
        hidden = dataclasses.replace(house, events=dataclasses.replace(house.events, behaviour=np.array([3, -1, 3], np.int8)))
        without = dataclasses.replace(house, events=house.events.take(np.array([0, 2])))
        for group in (ProfileMasses, Reception):
            one, other = (group(of).of(examples_at_now(of, np.array([0]), np.array([0]))) for of in (hidden, without))
            assert np.array_equal(one, other, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 40))
def test_reception_is_that_of_the_song_profile_at_any_moment(rows: Rows, cut: int) -> None:
    house = house_of(rows, now=10**7)
    cut = min(cut, len(house.events))
    now = int(house.events.ts[cut]) if cut < len(house.events) else house.now
    items = np.arange(N_SONGS, dtype=np.int32)
    asked = dataclasses.replace(examples_at_now(house, np.zeros(N_SONGS), items), position=np.full(N_SONGS, cut), ts=np.full(N_SONGS, now))
    found = Reception(house).of(asked)
    profiles = SongProfiles.of(house.events.take(slice(0, cut)), facets_of(house.projection), 4, at=now).table
    for column, name in enumerate(RECEPTION[:-1]):
        np.testing.assert_allclose(found[:, column], profiles[name].to_numpy(), rtol=1e-5, atol=1e-7)
    assert np.isnan(found[:, -1]).all()  # no song has a date


def test_a_song_is_as_old_as_its_date_says() -> None:
    house = house_of([], now=10 * 86_400)
    songs = house.catalogue.songs.with_columns(release_ts=pl.Series([0, 10**8, *[None] * (N_SONGS - 2)], dtype=pl.Int64))
    dated = dataclasses.replace(house, catalogue=dataclasses.replace(house.catalogue, songs=songs))
    asked = examples_at_now(dated, np.zeros(3), np.arange(3))
    assert Reception(dated).of(asked)[:, -1].tolist() == pytest.approx([np.log1p(10), 0, np.nan], nan_ok=True)
    assert np.isnan(Reception(dataclasses.replace(dated, ordinal=True)).of(asked)[:, -1]).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 20), ordinal=st.booleans(), at=st.integers(0, 400))
def test_training_and_serving_see_the_same_to_the_bit(seed: int, ordinal: bool, at: int) -> None:
    """One pair at one moment: as an example of a longer log, and after observing no more than there was."""
    rng = np.random.default_rng(seed)
    whole = dataclasses.replace(service(n_users=5, n_exposures=250, seed=seed), ordinal=ordinal)
    counts = rng.choice(np.array([1.0, 0.1, 3.3], np.float32), len(whole.events))
    behaviour = np.where(rng.random(len(whole.events)) < 0.2, Behaviour.SKIP, whole.events.behaviour).astype(np.int8)
    whole = dataclasses.replace(whole, events=dataclasses.replace(whole.events, count=counts, behaviour=behaviour))
    at = min(at, len(whole.events) - 1)
    now = int(whole.events.ts[at])
    users, items = np.repeat(np.arange(5, dtype=np.int32), N_SONGS), np.tile(np.arange(N_SONGS, dtype=np.int32), 5)
    then = dataclasses.replace(whole, events=whole.events.take(slice(0, at)), now=now)
    serving = examples_at_now(then, users, items, scene=0)
    training = dataclasses.replace(serving, position=np.full(len(users), at), ts=np.full(len(users), now))
    schema, _ = FeatureSchema.fit(whole, exposure_examples(whole, 0, len(whole.events)))
    trained, served = Features(schema, whole), Features(schema, then)
    assert np.array_equal(trained.numeric(training), served.numeric(serving))
    assert np.array_equal(trained.codes(training), served.codes(serving))


def test_numbers_of_another_version_are_refused(tmp_path: Path) -> None:
    house = service(n_users=4, n_exposures=100)
    schema, _ = FeatureSchema.fit(house, exposure_examples(house, 0, len(house.events)))
    dataclasses.replace(schema, computed=("activity",)).save(tmp_path / "schema.json")
    with pytest.raises(UserError, match="other features"):
        FeatureSchema.load(tmp_path / "schema.json")


def test_no_examples_no_rows() -> None:
    house = service(n_users=4, n_exposures=100)
    none: Examples = exposure_examples(house, 0, 0)
    assert ProfileMasses(house).of(none).shape == (0, len(MASSES))
    assert Reception(house).of(none).shape == (0, len(RECEPTION))
