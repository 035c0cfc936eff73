from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from merge_house import SNAPSHOT, cascade

from kg_recall.cascade import Cascade
from kg_recall.recommender import Recommender
from recall.snapshot import Snapshot

USERS = np.arange(SNAPSHOT.catalogue.n_users, dtype=np.int32)
N_SONGS = SNAPSHOT.catalogue.n_songs


class OwnTaste:
    """A ranker whose scores spread more widely the later the user: what one user gets must not move another's."""

    name = "own taste"

    def observe(self, snapshot: Snapshot) -> None:
        pass

    def score(self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], scene: int = -1) -> npt.NDArray[np.float32]:
        return ((items * 7 % 11) ** 2 * (1 + users)).astype(np.float32)


@pytest.fixture(scope="module")
def blended() -> Cascade:
    built = cascade(SNAPSHOT)
    built.ranker, built.blend = OwnTaste(), 1.5  # type: ignore[assignment]
    return built


def test_the_ranker_reorders_the_best_and_the_others_stay_below_in_merged_order(blended: Cascade) -> None:
    table = blended.candidates(USERS)
    merged = blended.merged(table)
    final, top = blended.ranked(table, merged), blended.top_rows(table, merged)
    reordered = False
    for user in USERS:
        mine = np.flatnonzero(table.user == user)
        by_merge = mine[np.lexsort((table.item[mine], -merged[mine]))]
        by_final = mine[np.lexsort((table.item[mine], -final[mine]))]
        assert set(by_merge[:5]) == set(mine[top[mine]]) == set(by_final[:5])
        np.testing.assert_array_equal(by_merge[5:], by_final[5:])
        reordered |= by_merge[:5].tolist() != by_final[:5].tolist()
    assert reordered


def test_a_blend_of_nothing_leaves_the_merge_alone(blended: Cascade) -> None:
    table = blended.candidates(USERS)
    merged = blended.merged(table)
    silent = replace(blended, blend=0.0).ranked(table, merged)
    np.testing.assert_array_equal(np.lexsort((table.item, -silent, table.user)), np.lexsort((table.item, -merged, table.user)))


@pytest.mark.parametrize("k", [4, N_SONGS])
@pytest.mark.parametrize("repeats", ["include", "exclude"])
def test_a_users_rows_depend_on_nobody_else(blended: Cascade, k: int, repeats: str) -> None:
    recommender = Recommender(blended, ())
    whole = recommender.recommend(USERS, k, repeats=repeats)  # type: ignore[arg-type]
    for user in (0, 6, 7, 29):
        alone = recommender.recommend(np.array([user], np.int32), k, repeats=repeats)  # type: ignore[arg-type]
        assert alone.to_dicts() == whole.filter(user_id=str(user)).to_dicts()


@pytest.mark.parametrize("k", [4, N_SONGS])
def test_lists_stand_in_the_order_of_the_users_asked_for(blended: Cascade, k: int) -> None:
    recommender = Recommender(blended, ())
    users = np.array([9, 29, 2, 17, 0], np.int32)
    frame = recommender.recommend(users, k)
    assert frame["user_id"].unique(maintain_order=True).to_list() == [str(user) for user in users]
    assert frame["rank"].to_list() == list(range(1, k + 1)) * len(users)
    assert sorted(map(repr, frame.rows())) == sorted(map(repr, recommender.recommend(np.sort(users), k).rows()))


def test_songs_that_fill_a_list_stand_below_the_candidates_by_popularity(blended: Cascade) -> None:
    frame = Recommender(blended, ()).recommend(USERS[:3], N_SONGS)
    plays = np.bincount(SNAPSHOT.plays.item, minlength=N_SONGS)
    for user in USERS[:3]:
        rows = frame.filter(user_id=str(user))
        assert (np.diff(rows["score"].to_numpy()) <= 0).all()
        filled = rows["routes"].list.len().to_numpy() == 0
        assert filled.any()
        assert (np.diff(filled.astype(int)) >= 0).all()
        assert (np.diff(plays[rows["item_id"].cast(int).to_numpy()[filled]]) <= 0).all()
