"""A small house whose every part is sound: a log with sessions, facts and comments with dates, models, lists and what judges them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.events import Events
from etl.flags import Flag
from etl.lake import TRIPLE_SCHEMA, Lake
from etl.point_in_time import as_of, catalogue_as_of
from etl.session_rules import SessionRules
from etl.sessions import Sessions
from graph.projection import ALWAYS, Projection
from kg_recall.cascade import Cascade, CascadeSettings, RankedLists
from kg_recall.evaluation.leaks import gate
from kg_recall.evaluation.leaks.examples import no_test_song_among_negatives
from kg_recall.evaluation.leaks.finding import Finding
from kg_recall.evaluation.leaks.lists import ListChecks
from kg_recall.evaluation.leaks.parts import no_comment_after_the_split, no_count_of_the_extraction, no_session_across_the_split
from kg_recall.evaluation.run import kgcn_pairs
from kg_recall.evaluation.split import TEST, TRAIN, VALID, SplitKind, split_events
from kg_recall.evaluation.tally import Truth
from kg_recall.listening import is_played
from kg_recall.moments import Moments
from ranking.examples import candidate_examples, exposure_examples
from ranking.logistic import Logistic, LogisticSettings
from ranking.ranker import Examples
from recall.candidate_table import CandidateTable
from recall.graph import GraphRoute
from recall.itemcf import ItemCfRoute
from recall.merge import LearnedMerge, MergeSettings
from recall.popular import PopularRoute
from recall.repeat import RepeatRoute
from recall.route import RecallRoute
from recall.snapshot import Snapshot

N_USERS, N_SONGS, N_ARTISTS, N_SEASONS = 24, 40, 8, 4
N_ENTITIES = N_SONGS + N_ARTISTS + N_SEASONS
START, DAY = 1_000_000_000, 86_400
UNRELEASED = N_SONGS - 1
"""Comes out in the test part and is heard by nobody before."""
BLOCKED_SONG, BLOCKED_ARTIST = (0, 3), (1, N_SONGS + 2)
"""User and what they have refused, early."""
ROBOT = N_USERS - 1


@dataclass(frozen=True)
class World:
    """Everything that the checks look at."""

    moments: Moments
    kind: SplitKind
    cascade: Cascade
    """Standing before the test part."""
    earlier: Cascade
    """Standing before the validation part: merge and ranker learn from its candidates."""
    teacher: Cascade
    """Whose candidates these are."""
    table: CandidateTable
    label: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    learned_on: Snapshot
    learned: Examples
    judged_on: Snapshot
    judged: Examples
    ranker: Logistic
    truth: Truth
    lists: RankedLists
    new_lists: RankedLists
    pairs: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]
    sessions: Sessions
    past: Lake
    """The lake before the test part."""


def findings(world: World) -> Iterator[Finding | None]:
    """Every check of everything."""
    moments, cascade = world.moments, world.cascade
    yield from gate.of_data(moments, world.kind)
    yield from gate.of_snapshot(moments, world.earlier.snapshot, TRAIN)
    yield from gate.of_cascade(moments, cascade, VALID)
    yield from gate.of_truth(moments, world.truth)
    yield from gate.of_learning(moments, world.teacher, world.table, world.label, world.held_out, VALID)
    yield from gate.of_examples(moments, world.learned_on, world.learned, gate.moment_after(moments, TRAIN), VALID)
    yield from gate.of_judged_examples(world.judged_on, world.judged)
    world.ranker.observe(world.judged_on)
    yield from gate.of_ordinal_ranker(world.ranker, world.judged_on, world.judged)
    yield from gate.of_ranker(world.ranker, world.judged_on)
    yield from ListChecks(cascade.snapshot).of(world.lists, world.new_lists)
    yield from gate.of_lists(cascade, world.truth, world.lists)
    yield no_test_song_among_negatives(*world.pairs, moments.window(TEST))
    yield no_session_across_the_split(world.sessions, moments.split.part)
    yield no_comment_after_the_split(world.past.comments, gate.moment_after(moments, VALID))
    yield no_count_of_the_extraction(world.past.catalogue)


def found(world: World) -> set[str]:
    """Names of the checks that find something."""
    return {finding.check for finding in findings(world) if finding is not None}


@cache
def sound(kind: SplitKind = "time") -> World:
    """The sound world; nobody changes it in place."""
    lake, projection = sound_lake()
    events = lake.events.take(lake.flag == Flag.NONE)
    split = split_events(events, kind, test_share=0.2, valid_share=0.2, seed=0)
    shown = replace(lake, catalogue=catalogue_as_of(lake.catalogue))
    return built(Moments(shown, projection, events, split, int(events.ts[-1]), seed=0), kind)


def built(moments: Moments, kind: SplitKind, ranker: Logistic | None = None) -> World:
    """All that follows from the data and their split; a fitted ranker may be given."""
    earlier, cascade = cascade_at(moments.after(TRAIN)), cascade_at(moments.after(VALID))
    window = moments.window(VALID)
    table = earlier.candidates(window.users)
    label = table.contains(window.user, window.item)
    cascade.merge = LearnedMerge(MergeSettings(trees=10, min_leaf=5, threads=1))
    cascade.merge.fit(table, label, earlier.snapshot)
    learned_on, learned, judged_on, judged = examples_of(moments, earlier, cascade, table, label)
    if ranker is None:
        ranker = Logistic(LogisticSettings(l2=(1.0,)))
        ranker.fit(learned_on, learned, learned)
    truth = Truth.of(moments.window(TEST), cascade.snapshot, np.zeros(N_SONGS, np.int64))
    lists, new_lists = lists_of(cascade, np.unique(truth.user))
    return World(
        moments=moments,
        kind=kind,
        cascade=cascade,
        earlier=earlier,
        teacher=earlier,
        table=table,
        label=label,
        held_out=table.user % 5 == 0,
        learned_on=learned_on,
        learned=learned,
        judged_on=judged_on,
        judged=judged,
        ranker=ranker,
        truth=truth,
        lists=lists,
        new_lists=new_lists,
        pairs=kgcn_pairs(cascade, moments, moments.window(TEST)),
        sessions=Sessions.of(moments.events, SessionRules(), N_USERS, part=moments.split.part),
        past=as_of(moments.lake, gate.moment_after(moments, VALID)),
    )


def examples_of(
    moments: Moments, earlier: Cascade, cascade: Cascade, table: CandidateTable, label: npt.NDArray[np.bool_]
) -> tuple[Snapshot, Examples, Snapshot, Examples]:
    """What the ranker learns from and what it is judged on, each with its snapshot: exposures where there is a clock, else candidates."""
    if moments.split.ordinal:
        learned = candidate_examples(earlier.snapshot, table.user, table.item, label.astype(np.float32))
        return earlier.snapshot, learned, earlier.snapshot, learned
    learned_on = replace(moments.after(VALID), projection=earlier.snapshot.projection)
    judged_on = replace(moments.after(TEST), projection=cascade.snapshot.projection)
    learned = exposure_examples(learned_on, 0, moments.first_of(VALID))
    return learned_on, learned, judged_on, exposure_examples(judged_on, moments.first_of(TEST), len(judged_on.events))


def lists_of(cascade: Cascade, users: npt.NDArray[np.int32]) -> tuple[RankedLists, RankedLists]:
    """Final lists, and those of new songs."""
    table = cascade.candidates(users)
    score, new = cascade.merged(table), ~is_played(cascade.snapshot, table.user, table.item)
    return RankedLists.of(table.user, table.item, score), RankedLists.of(table.user[new], table.item[new], score[new])


def cascade_at(snapshot: Snapshot) -> Cascade:
    """Counting routes, fitted on a snapshot."""
    routes: dict[str, RecallRoute] = {"popular": PopularRoute(), "repeat": RepeatRoute(), "itemcf": ItemCfRoute(), "graph": GraphRoute()}
    for route in routes.values():
        route.fit(snapshot)
    return Cascade(snapshot, routes, CascadeSettings(route_k=15, new_k=15, rank_k=10, users_per_chunk=50))


@cache
def sound_lake() -> tuple[Lake, Projection]:
    """One day of sessions of all users, and facts, some of which became known near its end."""
    events = _log()
    late = int(events.ts[int(len(events) * 0.9)])
    keys = [f"song:{song:02}" for song in range(N_SONGS)]
    keys += [f"artist:{artist}" for artist in range(N_ARTISTS)] + [f"season:1/{season}" for season in range(N_SEASONS)]
    songs = np.arange(N_SONGS)
    head = np.concatenate((songs, songs))
    tail = np.concatenate((N_SONGS + songs % N_ARTISTS, N_SONGS + N_ARTISTS + songs % N_SEASONS))
    relation = np.repeat(["SUNG_BY", "PERFORMED_ON"], N_SONGS)
    valid_from = np.concatenate((np.full(N_SONGS, ALWAYS), np.where(songs % 3 == 0, late, START - DAY)))
    projection = Projection.build(keys, keys, N_SONGS, head, relation, tail, valid_from)
    names = np.array(keys, dtype=object)
    dates = [None if date == ALWAYS else date for date in valid_from.tolist()]
    rows = zip(names[head], relation.tolist(), names[tail], ["songs"] * len(head), [1.0] * len(head), dates, strict=True)
    catalogue = Catalogue(
        entities=pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys}),
        songs=pl.DataFrame(
            {
                "song_id": [key[5:] for key in keys[:N_SONGS]],
                "artist": ["someone"] * N_SONGS,
                "release_ts": [late if song == UNRELEASED else START - DAY for song in range(N_SONGS)],
                "popularity": np.bincount(events.item[events.item < N_SONGS], minlength=N_SONGS).astype(float),
            }
        ),
        users=pl.DataFrame({"user_id": [f"u{user:02}" for user in range(N_USERS)], "birth_year": [1970 + user for user in range(N_USERS)]}),
    )
    said = np.flatnonzero(events.behaviour == Behaviour.COMMENT)
    columns = {"user": events.user[said], "item": events.item[said], "ts": events.ts[said], "text": ["好听"] * len(said)}
    triples = pl.DataFrame(list(rows), schema=TRIPLE_SCHEMA, orient="row")
    rejected = pl.DataFrame({"table": ["events"], "reason": ["dangling user"], "key": ["9"], "row": ["{}"]})
    flag = np.where(events.user == ROBOT, Flag.ROBOT, Flag.NONE).astype(np.int8)
    return Lake(catalogue, events, triples, pl.DataFrame(columns), rejected, ("daily", "fm"), flag), projection


def _log() -> Events:
    """Sessions of shown songs; what is of the listener's artist is played to the end, and sometimes commented on."""
    rng = np.random.default_rng(7)
    rows: list[tuple[int, int, int, Behaviour, int]] = []  # ts, user, item, behaviour; what shares the last number is one source row
    for session in range(260):
        user, clock = int(rng.integers(N_USERS)), START + int(session * DAY / 260)
        for _ in range(int(rng.integers(2, 7))):
            song = int(rng.integers(UNRELEASED)) if rng.random() < 0.5 else int(user % N_ARTISTS + N_ARTISTS * rng.integers(4))
            rows.append((clock, user, song, Behaviour.EXPOSURE, len(rows)))
            if rng.random() < (0.9 if song % N_ARTISTS == user % N_ARTISTS else 0.3):
                source, liked = len(rows), rng.random() < 0.7
                rows.append((clock + 20, user, song, Behaviour.PLAY, source))
                rows.append((clock + 20, user, song, Behaviour.FULL_PLAY if liked else Behaviour.SKIP, source))
                if rng.random() < 0.1:
                    rows.append((clock + 60, user, song, Behaviour.COMMENT, len(rows)))
            clock += 150
    rows += [(START + 5, *BLOCKED_SONG, Behaviour.BLOCK_SONG, -1), (START + 6, *BLOCKED_ARTIST, Behaviour.BLOCK_ARTIST, -2)]
    rows.sort(key=lambda row: row[0])
    given = [row[4] for row in rows]
    source = {number: place for place, number in enumerate(dict.fromkeys(given))}
    columns = [np.array(column) for column in zip(*(row[:4] for row in rows), strict=True)]
    return events_of(*columns, source=np.array([source[number] for number in given]))


def events_of(
    ts: npt.ArrayLike, user: npt.ArrayLike, item: npt.ArrayLike, behaviour: npt.ArrayLike, *, source: npt.ArrayLike | None = None
) -> Events:
    """Events as columns."""
    n = len(np.asarray(ts))
    return Events(
        user=np.asarray(user, np.int32),
        item=np.asarray(item, np.int32),
        behaviour=np.asarray(behaviour, np.int8),
        ts=np.asarray(ts, np.int64),
        scene=np.full(n, -1, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=np.arange(n, dtype=np.int64) if source is None else np.asarray(source, np.int64),
    )
