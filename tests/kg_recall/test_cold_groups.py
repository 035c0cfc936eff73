"""Cold listeners are told apart by what was known of them, and songs of which facts alone speak have a row of their own."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.behaviours import Behaviour
from kg_recall.cascade import RankedLists
from kg_recall.evaluation.cold import FACTS, NOTHING, ONE, PROFILE, SOME, cold_groups, has_profile, source_events
from kg_recall.evaluation.graph_weights import graph_weights
from kg_recall.evaluation.report import Report
from kg_recall.evaluation.tally import Tally, Truth
from kg_recall.moments import Window
from recall.graph import GraphRecallSettings, GraphRoute
from recall.popular import PopularRoute
from recall.snapshot import Snapshot

PLAYED, BARE, LINKED = 0, 5, 4
"""Songs: one that was played, one of which nothing is known, one of which facts alone are."""


def world() -> Snapshot:
    """User 0 is a stranger, 1 has a profile, 2 one event with what was derived from it, 3 five events, 4 six."""
    plays = [(2, PLAYED), (2, PLAYED), *[(3, n % 3) for n in range(5)], *[(4, n % 4) for n in range(6)]]
    behaviour = [Behaviour.PLAY] + [Behaviour.FULL_PLAY] * (len(plays) - 1)
    snapshot = house(plays, n_users=5, n_songs=6, albums=[0, 0, 1, 1, 0, -1], behaviour=behaviour)
    users = snapshot.catalogue.users.with_columns(country=pl.Series([" ", "IS", None, None, "DE"]), born=pl.lit(None, pl.Int64))
    source = snapshot.events.source.copy()
    source[1:] -= 1
    return replace(snapshot, catalogue=replace(snapshot.catalogue, users=users), events=replace(snapshot.events, source=source))


def window(songs: tuple[int, ...] = (PLAYED, LINKED, BARE)) -> Window:
    pairs = [(user, song) for user in range(5) for song in sorted(songs)]
    return Window(*(np.array(column, np.int32) for column in zip(*pairs, strict=True)))


def truth_of(snapshot: Snapshot, of: Window) -> Truth:
    return Truth.of(of, snapshot, np.bincount(snapshot.plays.item, minlength=6))


def test_users_are_told_apart_by_events_of_the_source_and_by_filled_columns() -> None:
    snapshot = world()
    assert source_events(snapshot).tolist() == [0, 0, 1, 5, 6]
    assert has_profile(snapshot.catalogue.users).tolist() == [False, True, False, False, True]
    assert not has_profile(snapshot.catalogue.users.select("user_id")).any()
    truth = truth_of(snapshot, window())
    found = {group: set(truth.user[mask].tolist()) for group, mask in truth.cold.items()}
    assert found == {NOTHING: {0}, PROFILE: {1}, ONE: {2}, SOME: {3}, FACTS: {0, 1, 2, 3, 4}}
    assert set(truth.item[truth.cold[FACTS]].tolist()) == {LINKED}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), max_size=25), st.lists(st.booleans(), min_size=7, max_size=7))
def test_the_groups_of_users_without_events_are_the_slice_and_no_two_share_a_user(plays: list[tuple[int, int]], filled: list[bool]) -> None:
    snapshot = house(plays, n_users=7, n_songs=6, albums=[0, 0, 1, 1, 0, -1])
    users = snapshot.catalogue.users.with_columns(country=pl.Series(["IS" if some else None for some in filled], dtype=pl.String))
    snapshot = replace(snapshot, catalogue=replace(snapshot.catalogue, users=users))
    of = Window(np.repeat(np.arange(7, dtype=np.int32), 6), np.tile(np.arange(6, dtype=np.int32), 7))
    truth = truth_of(snapshot, of)
    nobody = np.zeros(len(of.user), bool)
    masks = [truth.cold.get(group, nobody) for group in (NOTHING, PROFILE, ONE, SOME)]
    assert (sum(mask.astype(int) for mask in masks) <= 1).all()
    np.testing.assert_array_equal(masks[0] | masks[1], truth.slices["cold_user"])
    assert not (truth.cold.get(FACTS, nobody) & ~truth.slices["cold_song"]).any()
    assert all(mask.any() for mask in truth.cold.values())


def report_of(of: Window) -> Report:
    snapshot = world()
    truth = truth_of(snapshot, of)
    tally, users = Tally(truth, 6), np.arange(5, dtype=np.int32)
    lists = RankedLists.of(users, np.array([PLAYED, LINKED, PLAYED, PLAYED, LINKED], np.int32), np.ones(5, np.float32))
    for stage, name in (("merged", "learned"), ("route", "popular")):
        for part in (users[:2], users[2:]):
            mine = lists.take(np.isin(lists.user, part))
            tally.add(stage, name, part, mine, mine)  # type: ignore[arg-type]
    report = Report("a house", "last", 0, {"all": 5, "new": 5})
    tally.report(report)
    return report


def test_rows_are_measured_over_the_pairs_of_the_group_and_lie_in_slices_of_the_contract(tmp_path: Path) -> None:
    report = report_of(window((PLAYED, LINKED)))
    found = {group: report.find("merged", "learned", group.metric, 20, group.slice) for group in (NOTHING, PROFILE, ONE, SOME, FACTS)}
    assert {group: row and (row.value, row.n) for group, row in found.items()} == {
        NOTHING: (0.5, 1),
        PROFILE: (0.5, 1),
        ONE: (0.5, 1),
        SOME: (0.5, 1),
        FACTS: (0.4, 5),
    }
    report.write(tmp_path)
    read = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(read) == ["data", "split", "seed", "users", "rows"]
    assert {row["slice"] for row in read["rows"]} <= {"all", "new", "repeat", "cold_user", "cold_song", "tail"}
    # The slice keeps its meaning: everybody without an event, profile or none.
    cold = report.find("merged", "learned", "recall", 20, "cold_user")
    assert cold is not None
    assert cold.n == 2


def test_the_page_has_a_column_for_every_group_with_a_listener_and_none_without(tmp_path: Path) -> None:
    report_of(window()).write(tmp_path)
    page = (tmp_path / "evaluation.md").read_text()
    part = page[page.index("## Cold listeners and songs") :].split("\n## ")[0]
    head = "no event, empty profile (1 listeners) | no event, a profile (1 listeners) | one event (1 listeners) | 2–5 events (1 listeners)"
    assert f"| stage | name | graph | {head} | songs of facts alone (5 listeners) |" in part
    assert "| route | popular | true | 0.333 ±0.000 |" in part
    warm = window((PLAYED,))
    only = warm.of(np.array([4], np.int32))
    report_of(only).write(tmp_path)
    assert "Cold listeners" not in (tmp_path / "evaluation.md").read_text()


def test_without_a_pair_a_group_is_not_there() -> None:
    snapshot = world()
    nobody = np.zeros(0, np.int32)
    assert cold_groups(Window(nobody, nobody), snapshot, np.zeros(6, np.int64)) == {}


def test_the_page_prints_what_the_graph_route_weighs_and_how_to_overrule_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plays = [(int(user), int(song)) for user, song in zip(rng.integers(0, 8, 300), rng.integers(0, 24, 300), strict=True)]
    snapshot = house(plays, n_users=8, n_songs=24, albums=[n // 3 for n in range(24)], artists=[n // 6 for n in range(24)])
    route = GraphRoute(GraphRecallSettings(relations={"SUNG_BY": 0.25}))
    route.fit(snapshot)
    section = graph_weights({"popular": PopularRoute(), "graph": route})
    assert section is not None
    report = Report("a house", "last", 0, {"all": 1, "new": 1}, sections=[section])
    report.write(tmp_path)
    assert "What the graph route weighs" not in (tmp_path / "evaluation.json").read_text()
    page = (tmp_path / "evaluation.md").read_text()
    assert "## What the graph route weighs" in page
    for text in ("[recall.graph.weights]", "[recall.graph.relations]", "| SUNG_BY | 0.25 | by hand |", f"{route.learned.n_plays} plays"):
        assert text in page
    for key, weight in route.weight_table().select("meta_path", "weight").iter_rows():
        assert any(f"`{key}`" in line and f"| {weight:.3g} |" in line for line in page.splitlines())


def test_what_the_page_says_to_write_is_what_the_route_takes() -> None:
    route = GraphRoute()
    route.fit(house([(0, 0), (0, 1), (1, 2)], n_users=2, n_songs=4, albums=[0, 0, 0, 0]))
    section = graph_weights({"graph": route})
    assert section is not None
    text = "\n".join(section.lines)
    read = tomllib.loads(text[text.index("```toml") + 7 : text.rindex("```")])["recall"]["graph"]
    again = GraphRoute(GraphRecallSettings(**read))
    again.fit(house([(0, 0), (0, 1), (1, 2)], n_users=2, n_songs=4, albums=[0, 0, 0, 0]))
    assert again.weight_table()["by_hand"].any()


def test_without_the_route_there_is_no_section() -> None:
    assert graph_weights({"popular": PopularRoute()}) is None


def test_a_chain_over_either_direction_stays_in_its_cell() -> None:
    snapshot = house([(0, 0), (0, 1), (1, 2)], n_users=2, n_songs=4)
    projection = type(snapshot.projection).build(
        snapshot.projection.keys, snapshot.projection.names, 4, [0, 1], ["INSPIRED", "INSPIRED"], [2, 3]
    )
    route = GraphRoute()
    route.fit(replace(snapshot, projection=projection))
    section = graph_weights({"graph": route})
    assert section is not None
    rows = [line for line in section.lines if "INSPIRED\\|<INSPIRED" in line]
    assert rows
    assert {line.replace("\\|", "").count("|") for line in rows} == {8}


def test_a_song_that_came_out_later_is_no_song_of_facts_alone() -> None:
    snapshot = replace(world(), ordinal=False)
    later = [snapshot.now + 1 if song == LINKED else None for song in range(6)]
    songs = snapshot.catalogue.songs.with_columns(release_ts=pl.Series(later, dtype=pl.Int64))
    unborn = replace(snapshot, catalogue=replace(snapshot.catalogue, songs=songs))
    assert FACTS in truth_of(snapshot, window()).cold
    assert FACTS not in truth_of(unborn, window()).cold
    assert FACTS in truth_of(replace(unborn, ordinal=True), window()).cold
