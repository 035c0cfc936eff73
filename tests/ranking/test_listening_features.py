import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_house import N_ARTISTS, N_SONGS, catalogue, events_of, service

from etl.behaviours import Behaviour
from graph.projection import Projection
from ranking.as_of import AsOfCounts
from ranking.examples import examples_at_now, exposure_examples
from ranking.facets import FacetVocabulary, song_facets
from ranking.fame import FAME, Fame
from ranking.features import COMPUTED, Features, FeatureSchema
from ranking.listening import LISTENING, NEVER, ListeningFeatures
from ranking.profile_masses import ProfileMasses
from ranking.ranker import Examples
from recall.snapshot import Snapshot


@settings(max_examples=80, deadline=None)
@given(
    log=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(1, 4)), max_size=30),
    asked=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 120)), max_size=20),
)
def test_counts_before_any_position_against_a_scan(log: list[tuple[int, int, int]], asked: list[tuple[int, int]]) -> None:
    keys, gaps, weights = (np.array([row[i] for row in log], dtype=np.int64) for i in range(3))
    position = np.cumsum(gaps)
    counts = AsOfCounts.of(keys, position, weights.astype(np.float32))
    found = counts.before(np.array([key for key, _ in asked], dtype=np.int64), np.array([at for _, at in asked], dtype=np.int64))
    for row, (key, at) in enumerate(asked):
        past = (keys == key) & (position < at)
        assert found.total[row] == weights[past].sum()
        assert found.last[row] == (position[past].max() if past.any() else -1)


def some_examples(snapshot: Snapshot, n: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    position = np.sort(rng.integers(0, len(snapshot.events) + 1, n))
    ts = np.append(snapshot.events.ts, snapshot.now)[position]
    user, item = rng.integers(0, snapshot.catalogue.n_users, n).astype(np.int32), rng.integers(0, N_SONGS, n).astype(np.int32)
    return Examples(user, item, np.zeros(n, np.float32), position, ts, np.zeros(n, np.int16))


def direct(snapshot: Snapshot, examples: Examples, row: int) -> dict[str, float]:
    """Features of one example, read off the log with plain loops."""
    user, item, before, now = (int(column[row]) for column in (examples.user, examples.item, examples.position, examples.ts))
    past, n_songs = snapshot.events.take(slice(0, before)), snapshot.catalogue.n_songs
    plays = past.of(Behaviour.PLAY)
    artist, own = item % N_ARTISTS, plays.user == user
    by_artist = own & (plays.item % N_ARTISTS == artist) & (plays.item < N_SONGS - 1)
    song = own & (plays.item == item)
    week = plays.ts >= now - 7 * 86_400
    shown = past.of(Behaviour.EXPOSURE)

    def recency(mask: np.ndarray) -> float:
        return float(np.log1p((now - plays.ts[mask].max()) / 3_600)) if mask.any() else NEVER

    known = item < N_SONGS - 1
    return {
        "activity": np.log1p(own.sum()),
        "song_plays": np.log1p(song.sum()),
        "song_recency": recency(song),
        "song_exposures": np.log1p(((shown.user == user) & (shown.item == item)).sum()),
        "artist_plays": np.log1p(by_artist.sum()) if known else 0.0,
        "artist_recency": recency(by_artist) if known else NEVER,
        "popularity": np.log(((plays.item == item).sum() + 1) * n_songs / (len(plays) + n_songs)),
        "trend": np.log(((plays.item == item) & week).sum() + 1) + np.log(n_songs / (week.sum() + n_songs)),
        "exposure_share": np.log(((shown.item == item).sum() + 1) * n_songs / (len(shown) + n_songs)),
    }


def test_features_against_a_scan_of_the_log() -> None:
    snapshot = service(n_users=6, n_exposures=400)
    examples = some_examples(snapshot, 60)
    found = np.concatenate((ListeningFeatures(snapshot).of(examples), Fame(snapshot).of(examples)), axis=1)
    for row in range(len(examples)):
        for name, value in direct(snapshot, examples, row).items():
            assert found[row, (*LISTENING, *FAME).index(name)] == pytest.approx(value, abs=1e-4), name


def test_refusals_count_by_song_and_facet() -> None:
    known, projection = catalogue(2)
    behaviours = [Behaviour.SKIP, Behaviour.DISLIKE, Behaviour.PLAY]
    events = events_of([0, 0, 0], [3, 3 + N_ARTISTS, 3], behaviours, [1, 2, 3])
    snapshot = Snapshot(known, events, projection, now=10)
    found = ListeningFeatures(snapshot).of(examples_at_now(snapshot, np.array([0, 1]), np.array([3, 3])))
    assert np.expm1(found[:, LISTENING.index("song_refusals")]) == pytest.approx([1, 0])
    assert np.expm1(found[:, LISTENING.index("artist_refusals")]) == pytest.approx([2, 0])


def test_a_song_of_several_artists_takes_the_best_known_one() -> None:
    known, plain = catalogue(1)
    facts = plain.facts
    names = np.array(plain.relations, dtype=object)[facts.relation]
    head, tail, relation = np.append(facts.head, 0), np.append(facts.tail, N_SONGS + 1), np.append(names, "SUNG_BY")
    projection = Projection.build(plain.keys, plain.names, N_SONGS, head, relation, tail)
    # Two plays of artist 1 (song 9), then one of artist 0 (song 8); song 0 is by both.
    snapshot = Snapshot(known, events_of([0] * 3, [9, 9, 8], [Behaviour.PLAY] * 3, [0, 0, 3_600]), projection, now=3_600)
    found = ListeningFeatures(snapshot).of(examples_at_now(snapshot, np.array([0]), np.array([0])))[0]
    assert np.expm1(found[LISTENING.index("artist_plays")]) == pytest.approx(2)
    assert found[LISTENING.index("artist_recency")] == pytest.approx(0)


def test_ordinal_recency_counts_the_listeners_own_plays_and_no_clock_enters() -> None:
    known, projection = catalogue(2)
    events = events_of([0, 1, 0, 0], [5, 5, 6, 7], [Behaviour.PLAY] * 4, [0, 1, 2, 3])
    snapshot = Snapshot(known, events, projection, now=10**9, ordinal=True)
    examples = examples_at_now(snapshot, np.array([0, 0, 1]), np.array([5, 7, 5]))
    found = ListeningFeatures(snapshot).of(examples)
    assert np.expm1(found[:, LISTENING.index("song_recency")]) == pytest.approx([2, 0, 0])
    assert (Fame(snapshot).of(examples)[:, FAME.index("trend")] == 0).all()
    schema, features = FeatureSchema.fit(snapshot, examples)
    codes = features.codes(examples)
    assert (codes[:, schema.code_names.index("hour")] == 0).all()
    assert (codes[:, schema.code_names.index("weekday")] == 0).all()


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(0, 300), seed=st.integers(0, 5), ordinal=st.booleans())
def test_what_comes_later_changes_no_feature_of_an_earlier_example(cut: int, seed: int, ordinal: bool) -> None:
    whole = dataclasses.replace(service(n_users=5, n_exposures=250, seed=seed), ordinal=ordinal)
    cut = min(cut, len(whole.events))
    early = dataclasses.replace(whole, events=whole.events.take(slice(0, cut)))
    examples = some_examples(whole, 80, seed)
    examples = examples.take(examples.position <= cut)
    schema, features = FeatureSchema.fit(early, examples)
    assert np.array_equal(features.numeric(examples), Features(schema, whole).numeric(examples))
    assert np.array_equal(features.codes(examples), Features(schema, whole).codes(examples))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 5), asked=st.sets(st.integers(0, 11), min_size=1, max_size=3), ordinal=st.booleans())
def test_features_of_a_few_listeners_are_those_counted_over_everybody(seed: int, asked: set[int], ordinal: bool) -> None:
    snapshot = dataclasses.replace(service(n_users=12, n_exposures=400, seed=seed), ordinal=ordinal)
    examples = some_examples(snapshot, 300, seed)
    schema, features = FeatureSchema.fit(snapshot, examples)  # asks for everybody
    theirs = examples.take(np.isin(examples.user, list(asked)))
    rows = np.sort(snapshot.rows_of(np.array(sorted(asked), dtype=np.int32)))
    for kind in (ListeningFeatures, ProfileMasses):
        assert np.array_equal(kind(snapshot, rows).of(theirs), kind(snapshot).of(theirs))
    assert np.array_equal(Features(schema, snapshot).numeric(theirs), features.numeric(theirs))


def test_the_schema_codes_profiles_and_context(tmp_path: Path) -> None:
    snapshot = service(n_users=10, n_exposures=300)
    examples = exposure_examples(snapshot, 0, len(snapshot.events))
    schema, features = FeatureSchema.fit(snapshot, examples)
    assert schema.categories == {"gender": ("f", "m")}
    assert schema.profile_numbers == ("birth_year",)
    monday_noon = 4 * 86_400 + 12 * 3_600
    one = dataclasses.replace(examples.take(slice(0, 2)), user=np.array([1, 5], np.int32), ts=np.array([monday_noon, 0]))
    assert features.codes(one).tolist() == [[2, 1, 13, 1, 0], [0, 1, 1, 4, 0]]  # male at noon on a Monday; unknown on a Thursday
    numeric = features.numeric(examples)
    assert np.isfinite(numeric).all()
    assert numeric[:, : len(COMPUTED)].mean(axis=0) == pytest.approx(np.zeros(len(COMPUTED)), abs=1e-3)
    assert features.numeric(one.take(slice(0, 0))).shape == (0, len(schema.numeric_names))
    unknown_year = features.numeric(dataclasses.replace(one, user=np.array([0, 7], np.int32)))
    assert (unknown_year[:, schema.numeric_names.index("birth_year")] == 0).all()
    schema.save(tmp_path / "schema.json")
    assert FeatureSchema.load(tmp_path / "schema.json") == schema


def test_columns_that_are_names_and_columns_that_are_gone() -> None:
    snapshot = service(n_users=5, n_exposures=100)
    users = snapshot.catalogue.users
    dates = pl.Series("signup_at", [0, 86_400_000, None, None, 0]).cast(pl.Datetime("ms"))
    rich = dataclasses.replace(
        snapshot, catalogue=dataclasses.replace(snapshot.catalogue, users=users.with_columns(dates, nothing=pl.lit(None)))
    )
    examples = exposure_examples(rich, 0, len(rich.events))
    schema, features = FeatureSchema.fit(rich, examples)
    assert (schema.categories.keys(), schema.profile_numbers) == ({"gender"}, ("birth_year", "signup_at"))
    bare = dataclasses.replace(rich, catalogue=dataclasses.replace(rich.catalogue, users=users.select("user_id")))
    of_bare = Features(schema, bare)
    assert (of_bare.codes(examples)[:, 0] == 0).all()
    assert (of_bare.numeric(examples)[:, len(COMPUTED) :] == 0).all()
    assert np.array_equal(of_bare.numeric(examples)[:, : len(COMPUTED)], features.numeric(examples)[:, : len(COMPUTED)])


def test_facets_are_known_by_key_whatever_their_node_ids() -> None:
    _, projection = catalogue(1)
    vocabulary = FacetVocabulary.of(projection, np.array([0, 1]))
    matrix = song_facets(projection, vocabulary)
    assert matrix.shape == (N_SONGS, vocabulary.size)
    assert matrix[0].nnz == 3  # itself, artist, style
    assert matrix[2].nnz == 2  # not among the known songs
    assert matrix[N_SONGS - 1].nnz == 0
    shift: Callable[[np.ndarray], np.ndarray] = lambda nodes: np.where(nodes < N_SONGS, nodes, nodes + 1)  # noqa: E731
    keys = np.insert(projection.keys, N_SONGS, "artist:!new")
    facts = projection.facts
    names = np.array(projection.relations, dtype=object)[facts.relation]
    moved = Projection.build(keys, keys, N_SONGS, shift(facts.head), names, shift(facts.tail))
    assert (song_facets(moved, vocabulary) != matrix).nnz == 0
