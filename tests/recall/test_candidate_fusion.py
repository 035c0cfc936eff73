import numpy as np
import pytest
from small_house import house, random_plays

from recall.candidate_table import CandidateTable, collect
from recall.itemcf import ItemCfRoute
from recall.popular import PopularRoute
from recall.reciprocal_rank import reciprocal_rank
from recall.repeat import RepeatRoute
from recall.usercf import UserCfRoute

N_USERS, N_SONGS = 8, 20
SNAPSHOT = house(random_plays(11, 90, N_USERS, N_SONGS), n_users=N_USERS, n_songs=N_SONGS)
USERS = np.array([5, 1, 3, 7], np.int32)


def routes() -> dict[str, PopularRoute | RepeatRoute | ItemCfRoute | UserCfRoute]:
    found = {"popular": PopularRoute(), "repeat": RepeatRoute(), "itemcf": ItemCfRoute(), "usercf": UserCfRoute()}
    for route in found.values():
        route.fit(SNAPSHOT)
    return found


def test_the_table_is_the_union_of_the_lists_with_every_score() -> None:
    table, table_routes = collect(routes(), USERS, 3, 2), routes()
    pairs = set()
    for column, route in enumerate(table_routes.values()):
        whole, new = route.recall(np.sort(USERS), 3), route.recall(np.sort(USERS), 2, new_only=True)
        listed = {*zip(whole.user.tolist(), whole.item.tolist(), strict=True), *zip(new.user.tolist(), new.item.tolist(), strict=True)}
        marked = table.rank[:, column] > 0
        assert listed == set(zip(table.user[marked].tolist(), table.item[marked].tolist(), strict=True))
        np.testing.assert_array_equal(table.score[:, column], route.score(table.user, table.item))
        pairs |= listed
    rows = list(zip(table.user.tolist(), table.item.tolist(), strict=True))
    assert rows == sorted(pairs)


def test_ranks_count_from_one_in_the_order_of_the_scores() -> None:
    table = collect(routes(), USERS, 4, 4)
    for column in range(len(table.routes)):
        for user in USERS:
            mine = (table.user == user) & (table.rank[:, column] > 0)
            rank, score, item = table.rank[mine, column], table.score[mine, column], table.item[mine]
            assert rank[np.lexsort((item, -score))].tolist() == list(range(1, mine.sum() + 1))


def test_chunks_below_each_other_are_the_whole() -> None:
    users = np.sort(USERS)
    whole = collect(routes(), users, 4, 2)
    parts = CandidateTable.concat([collect(routes(), chunk, 4, 2) for chunk in (users[:1], users[1:])])
    for name in ("user", "item", "score", "rank"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_labels_and_best() -> None:
    table = CandidateTable(
        ("a", "b"),
        np.array([0, 0, 0, 2], np.int32),
        np.array([1, 4, 6, 1], np.int32),
        np.zeros((4, 2), np.float32),
        np.array([[1, 0], [0, 3], [2, 1], [1, 1]], np.int32),
    )
    assert table.contains(np.array([0, 2, 9]), np.array([6, 4, 1])).tolist() == [False, False, True, False]
    assert table.contains(np.empty(0, np.int32), np.empty(0, np.int32)).tolist() == [False] * 4
    assert reciprocal_rank(table).tolist() == pytest.approx([1 / 61, 1 / 63, 1 / 62 + 1 / 61, 2 / 61])
    best = table.best(np.array([0.5, 0.5, 0.1, 0.9]), 2)
    assert list(zip(best.user.tolist(), best.item.tolist(), strict=True)) == [(0, 1), (0, 4), (2, 1)]


def test_no_routes_and_no_users_give_an_empty_table() -> None:
    assert len(collect({}, USERS, 5)) == 0
    assert len(collect(routes(), np.empty(0, np.int32), 5, 5)) == 0
