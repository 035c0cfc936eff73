"""Learned weights of meta-paths: planted causes are found, hands overrule, and without data nothing moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_house import house

from etl.errors import UserError
from graph.metapaths import ANY, chain, expanded, shared
from graph.multihop import Parts
from recall.graph import GraphRecallSettings, GraphRoute
from recall.later_slice import later_slice
from recall.metapath_weights import Evidence, MetaPathWeights, evidence
from recall.snapshot import Snapshot

ALBUM, ARTIST = "IN_ALBUM.<IN_ALBUM", "SUNG_BY.<SUNG_BY"
PATHS = (shared("same album", "IN_ALBUM", 1.0), shared("same artist", "SUNG_BY", 1.0))
N_GROUPS, SIZE, N_USERS = 12, 10, 150


def planted(cause: str, seed: int = 0) -> Snapshot:
    """Listeners who hear some songs, then more of the same albums (or artists), which cut the songs in two unrelated ways."""
    rng = np.random.default_rng(seed)
    n_songs = N_GROUPS * SIZE
    albums, artists = np.arange(n_songs) // SIZE, rng.permutation(n_songs) % N_GROUPS
    group = albums if cause == ALBUM else artists
    plays = []
    for user in range(N_USERS):
        heard = rng.choice(n_songs, 4, replace=False)
        later = np.concatenate([np.flatnonzero(group == group[song]) for song in heard[:2]])
        plays += [(user, int(song)) for song in (*heard, *rng.choice(later, 3, replace=False))]
    return house(plays, n_users=N_USERS + 1, n_songs=n_songs, albums=albums.tolist(), artists=artists.tolist())


def learned_on(snapshot: Snapshot, **changed: Any) -> GraphRoute:
    route = GraphRoute(GraphRecallSettings(**{"learn_share": 0.4, **changed}), PATHS)
    route.fit(snapshot)
    return route


def weights(route: GraphRoute) -> dict[str, float]:
    return dict(route.weight_table().select("meta_path", "weight").iter_rows())


@pytest.mark.parametrize(("cause", "other"), [(ALBUM, ARTIST), (ARTIST, ALBUM)])
def test_the_chain_that_causes_everything_outweighs_the_other(cause: str, other: str) -> None:
    found = weights(learned_on(planted(cause)))
    assert found[cause] > 1
    assert found[other] == 0


def test_a_chain_that_never_arrives_gets_nothing() -> None:
    n, rng = 400, np.random.default_rng(1)
    part = np.column_stack([rng.random(n), np.zeros(n), rng.random(n)])
    mass = np.tile([0.4, 0.3, 0.3], (n, 1))
    found = MetaPathWeights.fit((*PATHS, chain("other", "TAGGED <TAGGED", 0.5)), Evidence(part, mass, np.full(n, 1e-3)), 5.0)
    assert found.paths[1].own == 0
    assert found.applied(PATHS)[1].weight == 0
    assert found.paths[0].own > 0
    assert found.paths[1].plays < 1


def test_useless_chains_count_nothing_and_are_not_walked() -> None:
    route = learned_on(planted(ALBUM))
    table = route.weight_table()
    assert table["meta_path"].to_list()[0] == ALBUM
    assert table["share"][0] > 0.5
    assert table["share"].sum() <= 1


def test_without_data_every_weight_is_the_one_given() -> None:
    given = (shared("same album", "IN_ALBUM", 0.7), shared("same artist", "SUNG_BY", 0.2))
    empty = house([], n_users=2, n_songs=4, albums=[0, 0, 1, 1], artists=[0, 1, 0, 1])
    for snapshot in (empty, house([(0, 1), (0, 2)], n_users=2, n_songs=4, albums=[0, 0, 1, 1], artists=[0, 1, 0, 1])):
        route = GraphRoute(meta_paths=given)
        route.fit(snapshot)
        assert weights(route) == {ALBUM: 0.7, ARTIST: 0.2}


def test_without_learning_the_weights_are_those_given() -> None:
    assert weights(learned_on(planted(ALBUM), learn=False)) == {ALBUM: 1.0, ARTIST: 1.0}


def test_weights_by_hand_overrule_the_learned_ones() -> None:
    snapshot = planted(ALBUM)
    equal = learned_on(snapshot, weights={ALBUM: 1.0, ARTIST: 1.0})
    assert weights(equal) == {ALBUM: 1.0, ARTIST: 1.0}
    plain = learned_on(snapshot, learn=False)
    users = np.arange(5, dtype=np.int32)
    assert equal.recall(users, 20).item.tolist() == plain.recall(users, 20).item.tolist()
    assert equal.weight_table()["by_hand"].to_list() == [True, True]
    off = learned_on(snapshot, weights={ALBUM: 0.0, ARTIST: 1.0}).parts(np.zeros(120, np.int32), np.arange(120, dtype=np.int32))
    assert (off[:, 0] == 0).all()
    assert (off[:, 1] > 0).any()


def test_a_relation_by_hand_stands_for_what_was_learned_of_it() -> None:
    snapshot = planted(ALBUM)
    learned = learned_on(snapshot)
    by_hand = learned_on(snapshot, relations={"IN_ALBUM": 0.5})
    own = {path.key: path.own for path in learned.learned.paths}
    assert weights(by_hand)[ALBUM] == pytest.approx(own[ALBUM] * 0.25)
    assert weights(by_hand)[ARTIST] == weights(learned)[ARTIST]
    assert by_hand.relation_table().rows() == [("IN_ALBUM", 0.5, True), ("SUNG_BY", learned.learned.relations["SUNG_BY"], False)]


@pytest.mark.parametrize("wrong", [{"weights": {"IN_ALBUM.SUNG_BY": 1.0}}, {"relations": {"SINGS": 1.0}}, {"weights": {ALBUM: -1.0}}])
def test_a_weight_of_something_unknown_or_negative_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"recall\.graph\.(weights|relations)") as raised:
        learned_on(planted(ALBUM), **wrong)
    assert "\n" not in str(raised.value)


def test_an_unknown_weight_is_answered_with_those_there_are() -> None:
    with pytest.raises(UserError, match=ARTIST):
        learned_on(planted(ALBUM), weights={"IN_ALBUM.SUNG_BY": 1.0})


def test_learning_is_the_same_twice_and_survives_a_save(tmp_path: Path) -> None:
    snapshot = planted(ALBUM)
    first, second = learned_on(snapshot), learned_on(snapshot)
    assert first.learned == second.learned
    first.save(tmp_path)
    loaded = GraphRoute.load(tmp_path, snapshot)
    assert loaded.learned == first.learned
    assert loaded.settings == first.settings
    users = np.arange(9, dtype=np.int32)
    assert loaded.recall(users, 9).score.tolist() == first.recall(users, 9).score.tolist()


def test_observing_learns_nothing() -> None:
    route = learned_on(planted(ALBUM))
    before = weights(route)
    route.observe(planted(ARTIST))
    assert weights(route) == before


def test_parts_add_up_to_the_score() -> None:
    route = learned_on(planted(ARTIST))
    rng = np.random.default_rng(3)
    users, items = rng.integers(0, N_USERS, 300).astype(np.int32), rng.integers(0, 120, 300).astype(np.int32)
    part = route.parts(users, items)
    assert route.part_names == ("same album", "same artist")
    order = np.argsort(users, kind="stable")
    np.testing.assert_allclose(part[order].sum(1), route.score(users[order], items[order]), rtol=1e-5)


def test_rare_chains_follow_the_relations_that_they_share() -> None:
    n, rng = 2_000, np.random.default_rng(4)
    paths = (*PATHS, chain("rare", "IN_ALBUM <IN_ALBUM SUNG_BY <SUNG_BY", 1.0))
    part = np.column_stack([rng.random(n) * 5, rng.random(n) * 0.05, np.zeros(n)])
    mass = np.tile([0.5, 0.5, 0.0], (n, 1))
    found = MetaPathWeights.fit(paths, Evidence(part, mass, np.full(n, 0.5)), 5.0)
    assert found.relations["IN_ALBUM"] > 2 * found.relations["SUNG_BY"]
    assert found.paths[2].own == pytest.approx(1.0)


def test_each_open_relation_has_chains_of_its_own() -> None:
    paths = expanded((chain("linked", ANY, 0.5), shared("to one thing", ANY, 0.5), PATHS[0]), ("IN_ALBUM", "COVERS", "SAMPLES"))
    keys = [path.key for path in paths]
    assert keys[:2] == ["COVERS|<COVERS", "SAMPLES|<SAMPLES"]
    assert len(keys) == 2 + 4 + 1
    assert paths[3].relations == ("COVERS", "SAMPLES")
    many = expanded((shared("to one thing", ANY, 0.5),), tuple(f"R{i}" for i in range(7)))
    assert [path.key for path in many] == ["*.*"]
    assert expanded((chain("linked", ANY, 0.5),), ("IN_ALBUM",)) == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 5), st.floats(0.5, 20))
def test_weights_are_never_negative_and_explain_no_more_than_happened(seed: int, n: int, n_paths: int, pseudo: float) -> None:
    rng = np.random.default_rng(seed)
    paths = tuple(chain(f"p{i}", f"R{i} <R{i}", 1.0) for i in range(n_paths))
    found = Parts((rng.random((n, n_paths)) * (rng.random((n, n_paths)) < 0.5)).astype(np.float32), rng.random((3, n_paths)))
    learned = MetaPathWeights.fit(paths, evidence(paths, found, rng.integers(0, 3, n), rng.random(n)), pseudo)
    assert all(path.own >= 0 for path in learned.paths)
    assert sum(path.plays for path in learned.paths) <= n + 1e-6


def test_the_later_slice_holds_the_last_of_each_user_and_nothing_known_before() -> None:
    plays = [(0, 0), (0, 1), (0, 2), (0, 0), (1, 3), (1, 2), (0, 3)]
    later = later_slice(house(plays, n_users=3, n_songs=4), 0.5)
    assert list(zip(later.user.tolist(), later.item.tolist(), strict=True)) == [(0, 3)]
    assert len(later.before.events) == 5
    timed = later_slice(house(plays, n_users=3, n_songs=4, ordinal=False), 0.5)
    assert timed.before.now <= timed.before.events.ts.max() + 86_400
    assert (timed.before.events.ts < timed.before.now).all()
    assert len(later_slice(house([], n_users=1, n_songs=1, ordinal=False), 0.5).user) == 0
