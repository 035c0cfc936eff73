from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_house import house, random_plays

from recall.candidate_table import CandidateTable, collect
from recall.graph import GraphRecallSettings, GraphRoute
from recall.itemcf import ItemCfRoute
from recall.merge import LearnedMerge, MergeSettings
from recall.merge_features import MergeFeatures
from recall.popular import PopularRoute
from recall.repeat import RepeatRoute
from recall.route import RecallRoute

N_USERS, N_SONGS = 30, 40
ALBUMS = [song // 4 for song in range(N_SONGS)]
SNAPSHOT = house(
    random_plays(5, 600, N_USERS, N_SONGS), n_users=N_USERS, n_songs=N_SONGS, albums=ALBUMS, artists=[album // 2 for album in ALBUMS]
)
SMALL = MergeSettings(trees=20, min_leaf=5, threads=1)


def table() -> CandidateTable:
    routes: dict[str, RecallRoute] = {"popular": PopularRoute(), "repeat": RepeatRoute(), "itemcf": ItemCfRoute()}
    for route in routes.values():
        route.fit(SNAPSHOT)
    return collect(routes, np.arange(N_USERS, dtype=np.int32), 20, 10)


TABLE = table()
# A rule that no single route knows: even songs among those that item-CF scores.
LABELS = (TABLE.item % 2 == 0) & (TABLE.score[:, 2] > np.median(TABLE.score[:, 2]))


def fitted() -> LearnedMerge:
    merge = LearnedMerge(SMALL, seed=3)
    merge.fit(TABLE, LABELS, SNAPSHOT)
    return merge


def test_names_and_columns_agree() -> None:
    features = MergeFeatures(SNAPSHOT)
    assert features.matrix(TABLE).shape == (len(TABLE), len(features.names(TABLE.routes)))


def test_features_do_not_depend_on_chunks() -> None:
    features = MergeFeatures(SNAPSHOT)
    cut = TABLE.user < 11
    parts = np.concatenate([features.matrix(TABLE.take(cut)), features.matrix(TABLE.take(~cut))])
    np.testing.assert_array_equal(parts, features.matrix(TABLE))


def test_pair_features_against_counting() -> None:
    features = MergeFeatures(SNAPSHOT)
    matrix, names = features.matrix(TABLE), features.names(TABLE.routes)
    plays = list(zip(SNAPSHOT.plays.user.tolist(), SNAPSHOT.plays.item.tolist(), strict=True))
    for row in range(0, len(TABLE), 37):
        user, item = int(TABLE.user[row]), int(TABLE.item[row])
        of_album = [song for owner, song in plays if owner == user and ALBUMS[song] == ALBUMS[item]]
        assert matrix[row, names.index("song plays")] == pytest.approx(np.log1p(plays.count((user, item))))
        assert matrix[row, names.index("album plays")] == pytest.approx(np.log1p(len(of_album)))
        assert matrix[row, names.index("album share")] == pytest.approx(len(set(of_album)) / 4)


def test_a_play_that_stands_for_many_counts_as_many() -> None:
    counted = house([(0, 1), (0, 2), (1, 1)], n_users=2, n_songs=3, count=[5, 1, 1], albums=[0, 0, 0])
    routes: dict[str, RecallRoute] = {"popular": PopularRoute()}
    routes["popular"].fit(counted)
    found, features = collect(routes, np.array([0], np.int32), 3), MergeFeatures(counted)
    of = dict(zip(features.names(found.routes), features.matrix(found).T, strict=True))
    assert np.expm1(of["song plays"]).tolist() == pytest.approx([5, 1])
    assert np.expm1(of["album plays"]).tolist() == pytest.approx([6, 6])


def test_learns_what_separates_the_labels() -> None:
    score = fitted().score(TABLE, SNAPSHOT)
    listed = TABLE.best(score, 5)
    among_best = TABLE.find(listed.user, listed.item)
    assert LABELS[among_best].mean() > 2 * LABELS.mean()


def test_same_seed_same_scores_also_after_saving(tmp_path: Path) -> None:
    merge = fitted()
    merge.save(tmp_path)
    expected = merge.score(TABLE, SNAPSHOT)
    np.testing.assert_array_equal(fitted().score(TABLE, SNAPSHOT), expected)
    np.testing.assert_array_equal(LearnedMerge.load(tmp_path).score(TABLE, SNAPSHOT), expected)


def test_works_without_albums_and_artists() -> None:
    bare = house(random_plays(5, 600, N_USERS, N_SONGS), n_users=N_USERS, n_songs=N_SONGS)
    merge = LearnedMerge(SMALL)
    merge.fit(TABLE, LABELS, bare)
    assert np.isfinite(merge.score(TABLE, bare)).all()


def test_no_positive_is_an_error() -> None:
    with pytest.raises(ValueError, match="no positive candidate"):
        LearnedMerge(SMALL).fit(TABLE, np.zeros(len(TABLE), dtype=bool), SNAPSHOT)


def test_find_ranks_and_added_pairs() -> None:
    user, item = np.array([3, 3, 29], np.int32), np.array([int(TABLE.item[TABLE.user == 3][0]), N_SONGS - 1, 0], np.int32)
    rows = {pair: row for row, pair in enumerate(zip(TABLE.user.tolist(), TABLE.item.tolist(), strict=True))}
    expected = [rows.get(pair, -1) for pair in zip(user.tolist(), item.tolist(), strict=True)]
    assert TABLE.find(user, item).tolist() == expected
    ranks = TABLE.rank_of(user, item)
    assert [ranks[place].tolist() for place, row in enumerate(expected) if row < 0] == [[0, 0, 0]] * expected.count(-1)
    popular = PopularRoute()
    popular.fit(SNAPSHOT)
    own = CandidateTable(("popular",), TABLE.user, TABLE.item, TABLE.score[:, :1], TABLE.rank[:, :1])
    more = own.with_pairs({"popular": popular}, user, item)
    added = more.find(user, item)
    assert (added >= 0).all()
    np.testing.assert_array_equal(more.score[added, 0], popular.score(user, item))
    assert (np.diff((more.user.astype(np.int64) << 32) | more.item) > 0).all()


def test_parts_of_a_route_reach_the_trees_by_name() -> None:
    routes: dict[str, RecallRoute] = {
        "popular": PopularRoute(),
        "graph": GraphRoute(GraphRecallSettings(learn=False, offer_parts=True)),
    }
    for route in routes.values():
        route.fit(SNAPSHOT)
    table = collect(routes, np.arange(N_USERS, dtype=np.int32), 12)
    assert table.part is not None
    assert table.part.shape == (len(table), len(table.parts))
    np.testing.assert_allclose(table.part.sum(axis=1), table.score[:, 1], rtol=1e-4, atol=1e-6)
    merge = LearnedMerge(MergeSettings(trees=5, min_leaf=5, threads=1))
    merge.fit(table, table.item % 3 == 0, SNAPSHOT)
    whole = merge.score(table, SNAPSHOT)
    order = list(range(len(table.parts)))[::-1]
    turned = replace(table, parts=tuple(table.parts[column] for column in order), part=table.part[:, order])
    np.testing.assert_array_equal(merge.score(turned, SNAPSHOT), whole)
    assert np.isfinite(merge.score(replace(table, parts=(), part=None), SNAPSHOT)).all()


@pytest.mark.parametrize("at_once", [1, 7, 100, 10**9])
def test_it_learns_the_same_however_the_columns_are_made(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted().score(TABLE, SNAPSHOT)
    monkeypatch.setattr("recall.merge.FEATURES_AT_ONCE", at_once)
    np.testing.assert_array_equal(fitted().score(TABLE, SNAPSHOT), whole)
