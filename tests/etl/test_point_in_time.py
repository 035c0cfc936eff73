"""No read at t changes when later rows are added: for the lake, and for everything that reads it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl.behaviours import POSITIVE, Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from etl.lake import REJECTED_SCHEMA, ROBOT_SCHEMA, TRIPLE_SCHEMA, Lake, events_frame
from etl.point_in_time import as_of, catalogue_as_of, facts_known_at, released
from etl.sequences import BehaviourSequences
from etl.session_rules import SessionRules
from etl.sessions import Sessions
from etl.song_profile import SongProfiles
from etl.user_profile import UserProfiles
from graph.projection import ALWAYS, Projection
from kg_recall.evaluation.split import TEST, TRAIN, VALID, split_events
from kg_recall.moments import Moments
from ranking.listening import ListeningFeatures
from ranking.ranker import Examples
from recall.candidate_table import CandidateTable
from recall.interest_sequences import Sequences
from recall.merge_features import MergeFeatures
from recall.popular import PopularRoute
from recall.snapshot import Snapshot

N_USERS, N_SONGS, N_ARTISTS = 3, 6, 2
KEYS = [f"song:{song}" for song in range(N_SONGS)] + [f"artist:{artist}" for artist in range(N_ARTISTS)]
T = 1_000_000
"""The moment of every reading; one step of time is an hour."""

ACT = st.tuples(st.integers(0, N_USERS - 1), st.integers(0, len(KEYS) - 1), st.sampled_from(Behaviour), st.integers(0, 2))
FACT = st.tuples(st.integers(0, N_SONGS - 1), st.integers(N_SONGS, len(KEYS) - 1))
SAID_SCHEMA = {"ts": pl.Int64, "user": pl.Int32, "item": pl.Int32}
SAID = st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS - 1))


@dataclass(frozen=True)
class Rows:
    """Rows of one side of the moment: acts (user, item, behaviour, scene), facts and comments, each with an age in hours."""

    acts: list[tuple[int, tuple[int, int, Behaviour, int]]]
    facts: list[tuple[int, tuple[int, int]]]
    comments: list[tuple[int, tuple[int, int]]]


def rows(first: int, last: int) -> st.SearchStrategy[Rows]:
    hours = st.integers(first, last)
    return st.builds(
        Rows,
        st.lists(st.tuples(hours, ACT), max_size=25),
        st.lists(st.tuples(hours, FACT), max_size=6),
        st.lists(st.tuples(hours, SAID), max_size=4),
    )


BEFORE, AFTER = rows(-300, -1), rows(0, 300)
ASKED = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_SONGS - 1), st.floats(0, 1)), min_size=1, max_size=10)
"""User, song, and where in the log before the moment."""
LAWS = settings(max_examples=50, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def lake_of(*parts: Rows, popularity: float = 1.0) -> Lake:
    acts = sorted((row for part in parts for row in part.acts), key=lambda row: row[0])
    n = len(acts)
    events = Events(
        user=np.array([act[0] for _, act in acts], np.int32),
        item=np.array([act[1] for _, act in acts], np.int32),
        behaviour=np.array([act[2] for _, act in acts], np.int8),
        ts=np.array([T + 3_600 * hour for hour, _ in acts], np.int64),
        scene=np.array([act[3] - 1 for _, act in acts], np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=np.arange(n, dtype=np.int64),
    )
    # A fact may hold from the moment itself on; events and comments of that second are not before it.
    dated = [(T + 3_600 * hour + (hour >= 0), *fact) for part in parts for hour, fact in part.facts]
    facts = [(KEYS[head], "SUNG_BY", KEYS[tail], "t", 1.0, ts) for ts, head, tail in dated]
    facts.append((KEYS[0], "SUNG_BY", KEYS[N_SONGS], "t", 1.0, None))
    comments = sorted((T + 3_600 * hour, *said) for part in parts for hour, said in part.comments)
    return Lake(
        catalogue=catalogue(popularity),
        events=events,
        triples=pl.DataFrame(facts, schema=TRIPLE_SCHEMA, orient="row"),
        comments=pl.DataFrame(comments, schema=SAID_SCHEMA, orient="row").with_columns(text=pl.lit("好")),
        rejected=pl.DataFrame([("events", "dangling", str(n), "{}")] * n, schema=REJECTED_SCHEMA, orient="row"),
        scenes=("daily", "fm"),
    )


def catalogue(popularity: float) -> Catalogue:
    return Catalogue(
        pl.DataFrame({"key": KEYS, "kind": [key.split(":")[0] for key in KEYS], "name": KEYS}),
        pl.DataFrame(
            {
                "song_id": [key[5:] for key in KEYS[:N_SONGS]],
                "release_ts": pl.Series([None, T - 10, T, T + 1, T + 10**6, None], dtype=pl.Int64),
                "popularity": [popularity] * N_SONGS,
            }
        ),
        pl.DataFrame({"user_id": [str(user) for user in range(N_USERS)]}),
    )


def projection_of(lake: Lake) -> Projection:
    ids = {key: node for node, key in enumerate(KEYS)}
    head, tail = ([ids[key] for key in lake.triples[side]] for side in ("head", "tail"))
    dates = lake.triples["valid_from"].fill_null(ALWAYS).to_numpy()
    return Projection.build(KEYS, KEYS, N_SONGS, head, lake.triples["relation"].to_list(), tail, dates)


def snapshot_of(lake: Lake, t: int = T) -> Snapshot:
    past = as_of(lake, t)
    return Snapshot(past.catalogue, past.events, projection_of(lake).as_of(t), t)


def assert_same_events(one: Events, other: Events) -> None:
    assert_frame_equal(events_frame(one), events_frame(other))


def assert_same_columns(one: Any, other: Any) -> None:
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


@LAWS
@given(BEFORE, AFTER)
def test_the_lake(before: Rows, after: Rows) -> None:
    alone, grown = as_of(lake_of(before), T), as_of(lake_of(before, after, popularity=99.0), T)
    assert_same_events(alone.events, grown.events)
    assert len(alone.events) == len(before.acts)
    for name in ("triples", "comments", "rejected"):
        assert_frame_equal(getattr(alone, name), getattr(grown, name), check_row_order=name != "triples")
    assert alone.comments.height == len(before.comments)
    assert_frame_equal(alone.catalogue.songs, grown.catalogue.songs)
    assert alone.catalogue.songs["popularity"].null_count() == N_SONGS
    assert_same_columns(projection_of(alone), projection_of(lake_of(before, after)).as_of(T))


@LAWS
@given(BEFORE, AFTER)
def test_counts_and_profiles(before: Rows, after: Rows) -> None:
    lakes = lake_of(before), lake_of(before, after, popularity=99.0)
    routes = PopularRoute(), PopularRoute()
    for route, lake in zip(routes, lakes, strict=True):
        route.observe(snapshot_of(lake))
    np.testing.assert_array_equal(routes[0].popularity, routes[1].popularity)
    songs, listeners = ([kind.as_of(lake, T) for lake in lakes] for kind in (SongProfiles, UserProfiles))
    assert_frame_equal(songs[0].table, songs[1].table)
    assert_same_profiles(listeners[0], listeners[1])


def assert_same_profiles(one: UserProfiles, other: UserProfiles) -> None:
    for user in range(N_USERS):
        for mine, theirs in zip(one.user(user), other.user(user), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@LAWS
@given(BEFORE, AFTER)
def test_features_of_the_merge_and_tokens_of_the_interest_model(before: Rows, after: Rows) -> None:
    snapshots = [snapshot_of(lake) for lake in (lake_of(before), lake_of(before, after))]
    pair = np.arange(N_USERS * N_SONGS, dtype=np.int32)
    table = CandidateTable((), pair // N_SONGS, pair % N_SONGS, np.zeros((len(pair), 0), np.float32), np.zeros((len(pair), 0), np.int32))
    one, other = (MergeFeatures(snapshot).matrix(table) for snapshot in snapshots)
    np.testing.assert_array_equal(one, other)
    assert_same_columns(*(Sequences.of(snapshot) for snapshot in snapshots))


@LAWS
@given(BEFORE, AFTER, ASKED)
def test_reads_at_event_positions_of_one_growing_log(before: Rows, after: Rows, asked: list[tuple[int, int, float]]) -> None:
    lakes = lake_of(before), lake_of(before, after)
    facts = projection_of(lakes[0])
    snapshots = [Snapshot(lake.catalogue, lake.events, facts, T + 10**7) for lake in lakes]
    position = np.array([int(share * len(before.acts)) for *_, share in asked], np.int64)
    times = np.append(lakes[0].events.ts, T)
    examples = Examples(
        user=np.array([user for user, *_ in asked], np.int32),
        item=np.array([item for _, item, _ in asked], np.int32),
        label=np.zeros(len(asked), np.float32),
        position=position,
        ts=times[position],
        scene=np.zeros(len(asked), np.int16),
    )
    np.testing.assert_array_equal(*(ListeningFeatures(snapshot).of(examples) for snapshot in snapshots))
    for behaviours in (POSITIVE, (Behaviour.SKIP,), ()):
        both = [BehaviourSequences.of(lake.events, N_USERS, *behaviours, n_songs=N_SONGS) for lake in lakes]
        songs, mask = zip(*(sequences.last(examples.user, 4, position) for sequences in both), strict=True)
        np.testing.assert_array_equal(*songs)
        np.testing.assert_array_equal(*mask)


@LAWS
@given(BEFORE, AFTER)
def test_sessions_that_the_moment_cuts(before: Rows, after: Rows) -> None:
    lakes = lake_of(before), lake_of(before, after)
    alone = Sessions.of(lakes[0].events, SessionRules(), N_USERS)
    cut = Sessions.of(lakes[1].events, SessionRules(), N_USERS, part=lakes[1].events.ts >= T)
    past = cut.first < len(lakes[0].events)
    for name in ("user", "start", "end", "scene", "first", "last", "n_events", "n_plays"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(cut, name)[past], err_msg=name)


@LAWS
@given(BEFORE.filter(lambda rows: len(rows.acts) > 3), AFTER, st.integers(0, 2**32 - 1))
def test_snapshots_of_a_split_whatever_follows_them(before: Rows, after: Rows, seed: int) -> None:
    """Other events in the place of the later ones: their number says where the cut is, and nothing else of them is seen."""
    lake = lake_of(before, after)
    moments = moments_of(lake)
    for part, other_part in ((TRAIN, VALID), (VALID, TEST)):
        snapshot = moments.after(part)
        other = moments_of(replace(lake, events=with_another_future(lake.events, moments.split.part > part, seed))).after(part)
        assert_same_events(snapshot.events, other.events)
        assert_same_columns(snapshot.projection, other.projection)
        assert snapshot.now == other.now
        later = moments.events.take(moments.split.part >= other_part)
        assert not len(later) or snapshot.now <= later.ts[0]
        assert not len(snapshot.events) or snapshot.events.ts[-1] <= snapshot.now


def moments_of(lake: Lake) -> Moments:
    split = split_events(lake.events, "time", test_share=0.3, valid_share=0.3, seed=0)
    return Moments(lake, projection_of(lake), lake.events, split, int(lake.events.ts[-1]), seed=0)


def with_another_future(events: Events, later: npt.NDArray[np.bool_], seed: int) -> Events:
    rng, n = np.random.default_rng(seed), int(later.sum())
    columns = {name: getattr(events, name).copy() for name in ("user", "item", "behaviour", "ts")}
    columns["user"][later] = rng.integers(0, N_USERS, n)
    columns["item"][later] = rng.integers(0, N_SONGS, n)
    columns["behaviour"][later] = rng.integers(0, len(Behaviour), n)
    # The first of them keeps its time, which is the moment of the cut.
    columns["ts"][later] = events.ts[later] + np.append(0, np.sort(rng.integers(0, 10**6, max(n - 1, 0))))[:n]
    return replace(events, **columns)


def test_limits_of_the_moment() -> None:
    lake = lake_of(Rows([(-1, (0, 1, Behaviour.PLAY, 0))], [], []), Rows([(0, (0, 2, Behaviour.PLAY, 0))], [], [(0, (0, 2))]))
    assert as_of(lake, T).events.item.tolist() == [1]  # what happens at t is not before it
    assert as_of(lake, T + 1).events.item.tolist() == [1, 2]
    assert as_of(lake, T).comments.is_empty()
    facts = pl.DataFrame({"valid_from": [None, T - 1, T, T + 1]}, schema={"valid_from": pl.Int64})
    assert facts_known_at(facts, T)["valid_from"].to_list() == [None, T - 1, T]  # a fact dated t holds at t
    assert released(lake.catalogue, T).tolist() == [True, True, True, False, False, True]
    assert len(as_of(lake, 0).events) == 0
    assert as_of(lake, T).catalogue.n_songs == N_SONGS  # ids stay


def test_what_stands_beside_the_events_is_cut_with_them() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Judged(Lake):
        verdict: npt.NDArray[np.int8]

    lake = lake_of(Rows([(hour, (0, 1, Behaviour.PLAY, 0)) for hour in (-2, -1, 1)], [], []))
    judged = Judged(**{field.name: getattr(lake, field.name) for field in fields(lake)}, verdict=np.array([3, 0, 1], np.int8))
    past = as_of(judged, T)
    assert isinstance(past, Judged)
    assert past.verdict.tolist() == [3, 0]
    assert len(past.flag) == len(past.events) == 2


def test_verdicts_are_cut_at_the_moment() -> None:
    spans = {"user": [0, 1, 2], "since": [T - 9, T - 9, T], "until": [T - 5, T + 5, T + 5], "kind": ["robot"] * 3, "reason": ["loops"] * 3}
    lake = replace(lake_of(), robots=pl.DataFrame(spans, schema=ROBOT_SCHEMA))
    assert as_of(lake, T).robots.select("user", "since", "until").rows() == [(0, T - 9, T - 5), (1, T - 9, T - 1)]


def test_a_catalogue_without_such_columns_stays_itself() -> None:
    plain = replace(catalogue(1.0), songs=pl.DataFrame({"song_id": ["1"]}))
    assert catalogue_as_of(plain) is plain
    assert released(plain, 0).tolist() == [True]
