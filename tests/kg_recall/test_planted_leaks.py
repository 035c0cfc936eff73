"""Leaks and defects, each planted into a sound world: its own check finds it, and no other finds anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import leak_house
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from leak_house import (
    BLOCKED_ARTIST,
    BLOCKED_SONG,
    N_ARTISTS,
    N_ENTITIES,
    N_SONGS,
    N_USERS,
    UNRELEASED,
    World,
    built,
    found,
    sound,
    sound_lake,
)

from etl.behaviours import Behaviour
from etl.events import Events
from etl.point_in_time import as_of
from etl.sequences import BehaviourSequences
from etl.session_rules import SessionRules
from etl.sessions import Sessions
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.cli import invoke
from kg_recall.evaluation.leaks import gate
from kg_recall.evaluation.leaks.finding import CHECKS, LeakError, check_leaks
from kg_recall.evaluation.metrics import Judged, PerUser
from kg_recall.evaluation.split import TEST, TRAIN, VALID, Split, split_events
from kg_recall.evaluation.tally import Truth
from ranking.as_of import AsOfCounts, Past
from ranking.examples import exposure_examples
from ranking.logistic import Logistic, LogisticSettings
from recall.candidate_table import CandidateTable
from recall.graph import GraphRoute
from recall.popular import PopularRoute
from recall.repeat import RepeatRoute

Planter = Callable[[World, pytest.MonkeyPatch], World]


def with_snapshot(world: World, **changes: Any) -> World:
    """Another snapshot where the lists are made; the routes are those that were fitted."""
    return replace(world, cascade=replace(world.cascade, snapshot=replace(world.cascade.snapshot, **changes)))


def with_route(world: World, route: Any) -> World:
    return replace(world, cascade=replace(world.cascade, routes=world.cascade.routes | {route.name: route}))


def with_log(world: World, change: Callable[[Events], Events]) -> World:
    """Another log under the same split, where only the log itself is read."""
    return replace(world, moments=replace(world.moments, events=change(world.moments.events)))


def with_split(world: World, split: Split) -> World:
    """A world in which all is as another split says."""
    return built(replace(world.moments, split=split), world.kind, world.ranker)


def changed(events: Events, row: int, **values: int) -> Events:
    columns = {name: getattr(events, name).copy() for name in values}
    for name, value in values.items():
        columns[name][row] = value
    return replace(events, **columns)


def exposure(world: World, part: int) -> int:
    """Row of an exposure in the middle of a part."""
    rows = np.flatnonzero((world.moments.events.behaviour == Behaviour.EXPOSURE) & (world.moments.split.part == part))
    return int(rows[len(rows) // 2])


def with_listed(lists: RankedLists, user: int, item: int) -> RankedLists:
    """`item` at the last place of the list of `user`."""
    items = lists.item.copy()
    items[np.flatnonzero(lists.user == user)[-1]] = item
    return replace(lists, item=items)


def joined(events: Events, more: Events) -> Events:
    return Events(**{name: np.concatenate((getattr(events, name), getattr(more, name))) for name in events.__dataclass_fields__})


def rows_out_of_order(world: World, patch: pytest.MonkeyPatch) -> World:
    row = exposure(world, TRAIN)
    return with_log(world, lambda events: changed(events, row, ts=int(events.ts[0]) - 1))


def a_join_that_doubles_a_row(world: World, patch: pytest.MonkeyPatch) -> World:
    row, moments = exposure(world, TRAIN), world.moments
    rows = np.insert(np.arange(len(moments.events)), row, row)
    split = replace(moments.split, part=moments.split.part[rows])
    sessions = Sessions.of(moments.events.take(rows), SessionRules(), N_USERS, part=split.part)
    return replace(world, sessions=sessions, moments=replace(moments, events=moments.events.take(rows), split=split))


def an_item_of_no_catalogue(world: World, patch: pytest.MonkeyPatch) -> World:
    row = exposure(world, TRAIN)
    return with_log(world, lambda events: changed(events, row, item=N_ENTITIES + 3))


def plays_dropped_but_not_what_they_derive(world: World, patch: pytest.MonkeyPatch) -> World:
    events = world.cascade.snapshot.events
    return with_snapshot(world, events=events.take(events.behaviour != Behaviour.PLAY))


def robots_left_in(world: World, patch: pytest.MonkeyPatch) -> World:
    events = world.moments.lake.events
    split = split_events(events, "time", test_share=0.2, valid_share=0.2, seed=0)
    return built(replace(world.moments, events=events, split=split), world.kind)


def histories_latest_first(world: World, patch: pytest.MonkeyPatch) -> World:
    straight = BehaviourSequences.of

    def latest_first(events: Events, *args: Any, **kwargs: Any) -> BehaviourSequences:
        sequences = straight(events, *args, **kwargs)
        if events is not world.cascade.snapshot.events:
            return sequences
        owner = np.repeat(np.arange(sequences.n_users), np.diff(sequences.offsets))
        order = np.lexsort((-np.arange(len(owner)), owner))
        columns = {name: getattr(sequences, name)[order] for name in ("item", "ts", "scene", "event")}
        return replace(sequences, **columns)

    patch.setattr(BehaviourSequences, "of", staticmethod(latest_first))
    return world


def validation_drawn_after_test(world: World, patch: pytest.MonkeyPatch) -> World:
    split = world.moments.split
    return with_split(world, replace(split, valid_from=split.test_from, test_from=split.valid_from))


def users_divided_instead_of_time(world: World, patch: pytest.MonkeyPatch) -> World:
    """ComiRec's protocol: some users train, others test, all of them over the whole time."""
    moments = world.moments
    part = np.array([TRAIN, TRAIN, TRAIN, VALID, TEST], np.int8)[moments.events.user % 5]
    return with_split(world, replace(moments.split, part=part))


def ties_in_another_order(world: World, patch: pytest.MonkeyPatch) -> World:
    """HSTU's preprocessing: rows of one second change places, and with them what is tested."""
    moments = world.moments
    shown = moments.events.behaviour == Behaviour.EXPOSURE
    row = int(np.flatnonzero(shown[1:] & shown[:-1] & (moments.split.part[:-1] == TEST))[0]) + 1
    ts, part = moments.events.ts.copy(), np.where(np.arange(len(shown)) < row, np.minimum(moments.split.part, VALID), TEST).astype(np.int8)
    ts[row] = ts[row - 1]
    part[row - 1], part[row] = TEST, VALID
    split = replace(moments.split, part=part, test_from=int(ts[row]))
    return built(replace(moments, events=replace(moments.events, ts=ts), split=split), world.kind, world.ranker)


def each_users_first_events_tested(world: World, patch: pytest.MonkeyPatch) -> World:
    events = world.moments.events
    _, first, row = np.unique(events.source, return_index=True, return_inverse=True)
    place = np.lexsort((np.arange(len(events)), events.user)).argsort() - np.searchsorted(np.sort(events.user), events.user)
    part = np.where(place < 5, TEST, np.where(place < 10, VALID, TRAIN)).astype(np.int8)
    return with_split(world, replace(world.moments.split, part=part[first][row]))


def events_of_a_pair_divided(world: World, patch: pytest.MonkeyPatch) -> World:
    sources, row = np.unique(world.moments.events.source, return_inverse=True)
    part = np.random.default_rng(0).choice(np.array([TRAIN, VALID, TEST], np.int8), len(sources))[row]
    return with_split(world, replace(world.moments.split, part=part))


def a_later_event_among_those_seen(world: World, patch: pytest.MonkeyPatch) -> World:
    row = exposure(world, TEST)
    return with_snapshot(world, events=joined(world.cascade.snapshot.events, world.moments.events.take(slice(row, row + 1))))


def a_clock_set_to_the_end(world: World, patch: pytest.MonkeyPatch) -> World:
    return with_snapshot(world, now=world.moments.now)


def facts_whatever_their_date(world: World, patch: pytest.MonkeyPatch) -> World:
    return with_snapshot(world, projection=world.moments.projection)


def exposures_judged_by_facts_of_the_end(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, judged_on=replace(world.judged_on, projection=world.moments.after(TEST).projection))


def exposures_learned_by_facts_of_the_end(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, learned_on=replace(world.learned_on, projection=world.moments.after(TEST).projection))


def comments_of_all_times(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, past=replace(world.past, comments=world.moments.lake.comments))


def popularity_of_the_source(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, past=replace(world.past, catalogue=sound_lake()[0].catalogue))


def sessions_over_the_cut(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, sessions=Sessions.of(world.moments.events, SessionRules(), N_USERS))


def popularity_of_the_future(world: World, patch: pytest.MonkeyPatch) -> World:
    route = PopularRoute()
    route.observe(world.moments.after(TEST))
    return with_route(world, route)


def a_profile_that_counts_plays(world: World, patch: pytest.MonkeyPatch) -> World:
    lake = world.moments.lake
    plays = world.moments.events.of(Behaviour.PLAY)
    users = lake.catalogue.users.with_columns(play_count=pl.Series(np.bincount(plays.user, minlength=N_USERS)))
    catalogue = replace(lake.catalogue, users=users)
    return replace(world, moments=replace(world.moments, lake=replace(lake, catalogue=catalogue)))


def merge_taught_by_models_that_know(world: World, patch: pytest.MonkeyPatch) -> World:
    window = world.moments.window(VALID)
    table = world.cascade.candidates(window.users)
    label = table.contains(window.user, window.item)
    return replace(world, teacher=world.cascade, table=table, label=label, held_out=table.user % 5 == 0)


def labels_of_the_test_part(world: World, patch: pytest.MonkeyPatch) -> World:
    window = world.moments.window(TEST)
    return replace(world, label=world.table.contains(window.user, window.item))


def rows_held_out_instead_of_users(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, held_out=np.random.default_rng(0).random(len(world.table)) < 0.2)


def exposures_of_the_window_learned(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, learned=exposure_examples(world.learned_on, 0, len(world.learned_on.events)))


def a_test_song_drawn_as_negative(world: World, patch: pytest.MonkeyPatch) -> World:
    """Negatives drawn from what the *training* part does not hold."""
    user, item, label = world.pairs
    window = world.moments.window(TEST)
    negative = np.flatnonzero((label == 0) & np.isin(user, window.user))[0]
    item = item.copy()
    item[negative] = window.item[window.user == user[negative]][0]
    return replace(world, pairs=(user, item, label))


def histories_that_hold_their_answer(world: World, patch: pytest.MonkeyPatch) -> World:
    strict = BehaviourSequences.end

    def and_the_next(self: BehaviourSequences, users: Any, before: Any = None) -> npt.NDArray[np.int64]:
        return strict(self, users, None if before is None else before + 4)

    patch.setattr(BehaviourSequences, "end", and_the_next)
    return world


def counts_over_the_whole_log(world: World, patch: pytest.MonkeyPatch) -> World:
    """A feature "plays of the song" that is one number a song, whenever it is asked."""
    strict = AsOfCounts.before

    def ever(self: AsOfCounts, keys: npt.NDArray[np.int64], position: npt.NDArray[np.int64]) -> Past:
        return strict(self, keys, np.full_like(position, self.span))

    patch.setattr(AsOfCounts, "before", ever)
    return world


def hours_of_a_source_without_a_clock(world: World, patch: pytest.MonkeyPatch) -> World:
    with_clock = replace(world.learned_on, ordinal=False)
    learned = replace(world.learned, ts=world.learned.ts + 3_600 * np.arange(len(world.learned)))
    ranker = Logistic(LogisticSettings(l2=(0.01,)))
    ranker.fit(with_clock, learned, learned)
    return replace(world, ranker=ranker)


def one_song_at_two_places(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, lists=with_listed(world.lists, int(world.lists.user[0]), int(world.lists.item[0])))


def a_song_before_its_release(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, lists=with_listed(world.lists, int(world.lists.user[0]), UNRELEASED))


def a_refused_song(world: World, patch: pytest.MonkeyPatch) -> World:
    return replace(world, lists=with_listed(world.lists, *BLOCKED_SONG))


def a_song_of_a_refused_artist(world: World, patch: pytest.MonkeyPatch) -> World:
    user, artist = BLOCKED_ARTIST
    return replace(world, lists=with_listed(world.lists, user, artist - N_SONGS + 2 * N_ARTISTS))


def a_played_song_as_new(world: World, patch: pytest.MonkeyPatch) -> World:
    plays = world.cascade.snapshot.plays
    mine = plays.take(plays.user == world.new_lists.user[-1])
    return replace(world, new_lists=with_listed(world.new_lists, int(mine.user[0]), int(mine.item[0])))


def lists_by_chance(world: World, patch: pytest.MonkeyPatch) -> World:
    """DeepMatch's MIND draws at serving."""
    rng = np.random.default_rng()
    drawn = Cascade.ranked

    def ranked(self: Cascade, table: CandidateTable, merged: npt.NDArray[np.float32], scene: int = -1) -> npt.NDArray[np.float32]:
        return drawn(self, table, merged, scene) + rng.normal(size=len(table)).astype(np.float32)

    patch.setattr(Cascade, "ranked", ranked)
    return world


def relevant_of_another_part(world: World, patch: pytest.MonkeyPatch) -> World:
    truth = Truth.of(world.moments.window(VALID), world.earlier.snapshot, np.zeros(N_SONGS, np.int64))
    lists, new_lists = leak_house.lists_of(world.cascade, np.unique(truth.user))
    return replace(world, truth=truth, lists=lists, new_lists=new_lists)


def ndcg_of_the_hits_alone(world: World, patch: pytest.MonkeyPatch) -> World:
    """KGAT's: the ideal list holds only what was found."""
    honest = Judged.ndcg

    def of_hits(self: Judged, k: int) -> PerUser:
        hits = np.bincount(self.hit_row[self.hit_rank <= k], minlength=len(self.user))
        return honest(replace(self, n_relevant=np.maximum(hits, 1)), k)

    patch.setattr(Judged, "ndcg", of_hits)
    return world


def reasons_from_what_was_held_out(world: World, patch: pytest.MonkeyPatch) -> World:
    route = RepeatRoute()
    route.observe(world.moments.after(TEST))
    return with_route(world, route)


def reasons_by_facts_not_yet_known(world: World, patch: pytest.MonkeyPatch) -> World:
    snapshot = world.cascade.snapshot
    relation = world.moments.projection.without(["SUNG_BY"])
    late = replace(snapshot, projection=relation, now=world.moments.now)
    route = GraphRoute()
    route.observe(late)
    return with_route(world, route)


@dataclass(frozen=True)
class Planted:
    """What is planted, the check that finds it, and the split of the world that it is planted into."""

    planter: Planter
    check: str
    split: Any = "time"

    def __str__(self) -> str:
        return self.planter.__name__


PLANTED = (
    Planted(rows_out_of_order, "events_in_time_order"),
    Planted(a_join_that_doubles_a_row, "no_duplicate_event"),
    Planted(an_item_of_no_catalogue, "ids_within_catalogue"),
    Planted(plays_dropped_but_not_what_they_derive, "no_derived_event_without_its_play"),
    Planted(robots_left_in, "flagged_not_trained_on"),
    Planted(histories_latest_first, "sequence_order"),
    Planted(validation_drawn_after_test, "validation_before_test"),
    Planted(users_divided_instead_of_time, "user_split_is_by_time"),
    Planted(ties_in_another_order, "user_split_is_by_time"),
    Planted(each_users_first_events_tested, "user_split_is_by_time", "last"),
    Planted(events_of_a_pair_divided, "no_pair_on_both_sides", "random"),
    Planted(a_later_event_among_those_seen, "no_event_after_the_split"),
    Planted(a_later_event_among_those_seen, "no_event_after_the_split", "last"),
    Planted(a_clock_set_to_the_end, "stands_at_the_split"),
    Planted(facts_whatever_their_date, "no_fact_after_the_split"),
    Planted(exposures_judged_by_facts_of_the_end, "no_fact_after_the_split"),
    Planted(exposures_learned_by_facts_of_the_end, "no_fact_after_the_split"),
    Planted(comments_of_all_times, "no_comment_after_the_split"),
    Planted(popularity_of_the_source, "no_count_of_the_extraction"),
    Planted(sessions_over_the_cut, "no_session_across_the_split"),
    Planted(popularity_of_the_future, "popularity_as_of_the_split"),
    Planted(popularity_of_the_future, "popularity_as_of_the_split", "random"),
    Planted(a_profile_that_counts_plays, "profile_not_counted_later"),
    Planted(merge_taught_by_models_that_know, "merge_trained_on_later_window"),
    Planted(labels_of_the_test_part, "labels_of_their_window"),
    Planted(rows_held_out_instead_of_users, "held_out_by_user"),
    Planted(exposures_of_the_window_learned, "no_later_example_trained_on"),
    Planted(a_test_song_drawn_as_negative, "no_test_song_among_negatives"),
    Planted(a_test_song_drawn_as_negative, "no_test_song_among_negatives", "random"),
    Planted(histories_that_hold_their_answer, "target_not_in_its_own_history"),
    Planted(counts_over_the_whole_log, "features_as_of_their_event"),
    Planted(hours_of_a_source_without_a_clock, "ordinal_has_no_clock_features", "last"),
    Planted(one_song_at_two_places, "no_song_listed_twice"),
    Planted(a_song_before_its_release, "unreleased_not_recommended"),
    Planted(a_refused_song, "blocked_not_recommended"),
    Planted(a_song_of_a_refused_artist, "blocked_not_recommended"),
    Planted(a_played_song_as_new, "new_means_never_played"),
    Planted(lists_by_chance, "no_chance_in_lists"),
    Planted(relevant_of_another_part, "truth_is_the_test_part"),
    Planted(ndcg_of_the_hits_alone, "ndcg_counts_all_relevant"),
    Planted(reasons_from_what_was_held_out, "no_path_over_held_out_edge"),
    Planted(reasons_by_facts_not_yet_known, "no_path_over_held_out_edge"),
)


@pytest.mark.parametrize("kind", ["time", "last", "random"])
def test_sound_data_pass_every_check(kind: Any) -> None:
    assert found(sound(kind)) == set()


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: f"{planted}-{planted.split}")
def test_what_is_planted_is_found_by_its_own_check_alone(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(planted.planter(sound(planted.split), monkeypatch)) == {planted.check}


def test_every_check_has_something_to_find() -> None:
    assert {planted.check for planted in PLANTED} == set(CHECKS)
    assert len(CHECKS) >= 20


def test_the_gate_stops_with_one_line_that_names_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    world = facts_whatever_their_date(sound(), monkeypatch)
    check_leaks(gate.of_data(world.moments, "time"))
    with pytest.raises(LeakError, match=r"^no_fact_after_the_split: the fact song:\d\d PERFORMED_ON season:1/\d") as error:
        check_leaks(gate.of_data(world.moments, "time"), gate.of_cascade(world.moments, world.cascade, VALID))
    assert "\n" not in str(error.value)


def test_the_past_is_the_snapshot_where_the_clock_cuts() -> None:
    moments = sound().moments
    for part, moment in ((TRAIN, moments.split.valid_from), (VALID, moments.split.test_from)):
        snapshot = moments.after(part)
        before, until = (as_of(replace(moments.lake, events=moments.events), t).events for t in (moment, moment + 1))
        # A cut at an event, not at a second: of the events of that second those before it are seen.
        assert len(before) <= len(snapshot.events) <= len(until)
        assert snapshot.events.source.tolist() == until.source[: len(snapshot.events)].tolist()


def test_a_leak_ends_the_command_as_a_defect_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world = popularity_of_the_future(sound(), monkeypatch)

    def evaluate(*_: Any, **__: Any) -> None:
        check_leaks(gate.of_cascade(world.moments, world.cascade, VALID))

    monkeypatch.setattr("kg_recall.cli.app", evaluate)
    assert invoke(["evaluate"]) == 1
    told = capsys.readouterr().err.splitlines()[0]
    assert told.startswith("kg-recall: a defect of kg-recall, LeakError: popularity_as_of_the_split: song ")
