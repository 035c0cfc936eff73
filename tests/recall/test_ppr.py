"""The route of personalised PageRank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_house import house, random_plays

from etl.errors import UserError
from recall.ppr import PprRoute, PprSettings, walk_graph
from recall.snapshot import Snapshot

PLAYS = random_plays(2, 120, 9, 30)


def snapshot() -> Snapshot:
    return house(PLAYS, n_users=9, n_songs=30, albums=[song // 3 for song in range(30)], artists=[song % 7 for song in range(30)])


def route_on(at: Snapshot, **settings: Any) -> PprRoute:
    route = PprRoute(PprSettings(**settings))
    route.fit(at)
    return route


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


def test_songs_that_facts_join_to_the_history_are_recalled_and_songs_only() -> None:
    at = house([(0, 0)], n_users=2, n_songs=5, albums=[0, 0, 1, -1, -1], artists=[-1, 0, 0, 1, -1])
    found = route_on(at, tolerance=1e-7).recall(ids(0, 1), 10)
    assert found.user.tolist() == [0, 0, 0]
    assert set(found.item.tolist()) == {0, 1, 2}  # song 0 by the walks that come back to it
    assert route_on(at, tolerance=1e-7).recall(ids(0), 10, new_only=True).item.tolist() == [1, 2]
    assert len(route_on(at).recall(ids(1), 10)) == 0


@pytest.mark.parametrize("settings", [{}, {"play_weight": 0.5}, {"threads": 2}])
def test_one_user_alone_gets_what_many_get(settings: dict[str, Any]) -> None:
    route = route_on(snapshot(), **settings)
    everybody = np.arange(9, dtype=np.int32)[::-1].copy()
    together = route.recall(everybody, 7, new_only=True)
    for user in everybody:
        alone, mine = route.recall(ids(user), 7, new_only=True), together.user == user
        assert alone.item.tolist() == together.item[mine].tolist()
        assert alone.score.tolist() == together.score[mine].tolist()


def test_pairs_score_as_in_the_list() -> None:
    route = route_on(snapshot(), play_weight=0.2)
    found = route.recall(np.arange(9, dtype=np.int32), 30)
    assert route.score(found.user, found.item).tolist() == found.score.tolist()
    mixed = np.random.default_rng(0).permutation(len(found))
    assert route.score(found.user[mixed], found.item[mixed]).tolist() == found.score[mixed].tolist()


def test_plays_join_listeners_where_asked() -> None:
    at = house([(0, 0), (1, 0), (1, 1)], n_users=2, n_songs=3)
    assert len(route_on(at).recall(ids(0), 5, new_only=True)) == 0
    assert route_on(at, play_weight=1.0).recall(ids(0), 5, new_only=True).item.tolist() == [1]
    told = route_on(at, play_weight=1.0).explain(ids(0), ids(1))
    assert told.length.tolist() == [0]  # over another listener there is no fact to tell


def test_explanations_walk_over_facts_from_the_history() -> None:
    at = house([(0, 0)], n_users=1, n_songs=5, albums=[0, 0, 1, -1, -1], artists=[-1, 0, 0, 1, -1])
    paths = route_on(at, tolerance=1e-7).explain(ids(0, 0, 0, 0), ids(2, 1, 3, 0))
    keys = at.projection.keys
    told = [[str(keys[node]) for node in nodes[:length]] for nodes, length in zip(paths.nodes, paths.length, strict=True)]
    assert told == [["song:0", "album:0", "song:1", "artist:0", "song:2"], ["song:0", "album:0", "song:1"], [], ["song:0"]]
    assert [paths.step_names[step] for step in paths.steps[0][:4]] == ["IN_ALBUM", "<IN_ALBUM", "SUNG_BY", "<SUNG_BY"]


def test_every_recalled_song_has_its_walk_over_facts() -> None:
    route = route_on(snapshot(), max_hops=8)
    found = route.recall(np.arange(9, dtype=np.int32), 5)
    assert (route.explain(found.user, found.item).length > 0).all()


def test_hubs_lead_nowhere() -> None:
    at = house([(0, 0)], n_users=1, n_songs=6, albums=[0, 0, -1, -1, -1, -1], artists=[0] * 6)
    assert len(route_on(at, tolerance=1e-7).recall(ids(0), 9, new_only=True)) == 5
    assert route_on(at, tolerance=1e-7, max_degree=5).recall(ids(0), 9, new_only=True).item.tolist() == [1]


def test_edges_have_the_same_weight_both_ways() -> None:
    at, route = snapshot(), route_on(snapshot(), play_weight=0.3)
    graph = walk_graph(at.projection, at.now, 100, route._played, 0.3)
    source = np.repeat(np.arange(len(graph.strength)), np.diff(graph.indptr))
    forth = sorted(zip(source.tolist(), graph.target.tolist(), graph.weight.tolist(), strict=True))
    assert forth == sorted(zip(graph.target.tolist(), source.tolist(), graph.weight.tolist(), strict=True))


def test_a_saved_route_recalls_the_same(tmp_path: Path) -> None:
    route = route_on(snapshot(), stop=0.3, play_weight=0.1)
    route.save(tmp_path)
    loaded = PprRoute.load(tmp_path, snapshot())
    assert loaded.settings == route.settings
    assert loaded.recall(ids(0, 1), 5).score.tolist() == route.recall(ids(0, 1), 5).score.tolist()


@pytest.mark.parametrize("wrong", [{"stop": 1.0}, {"tolerance": 0}, {"play_weight": -1.0}, {"max_degree": 0}])
def test_a_wrong_setting_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        PprSettings(**wrong)
