"""Constraints of `[recommend.rerank]` on the lists that are served."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from merge_house import N_SONGS, N_USERS, SNAPSHOT, cascade

from etl.behaviours import Behaviour
from etl.errors import UserError
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.evaluation.constraints import KeptConstraints
from kg_recall.evaluation.report import Report
from kg_recall.listening import is_played
from kg_recall.recommender import Recommender
from kg_recall.reranking import Reranking
from ranking.rerank.settings import RerankSettings, SceneConstraints
from ranking.rerank.songs import tail

USERS = np.arange(N_USERS, dtype=np.int32)
CONSTRAINTS = RerankSettings(
    places=5,
    pool=15,
    max_per_artist=3,
    max_per_album=2,
    tail_share=0.2,
    tail_plays=11,
    repeats_at_most=0.6,
    explore=1,
    explore_below=11,
    calibration=0.3,
    diversity=0.4,
)


@pytest.fixture(scope="module")
def house() -> Cascade:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(SNAPSHOT.projection.n_nodes, 6)).astype(np.float32)
    built = cascade(SNAPSHOT)
    built.snapshot = replace(SNAPSHOT, vectors=vectors)
    return built


def artists(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.group_by("user_id", (pl.col("item_id").cast(pl.Int32) // 8).alias("artist")).len()


def test_without_constraints_nothing_changes(house: Cascade) -> None:
    for scenario in ("daily", "fm"):
        plain = Recommender(house, ()).recommend(USERS, 8, scenario)
        same = Recommender(house, (), rerank=RerankSettings(places=3, pool=4, window=2)).recommend(USERS, 8, scenario)
        assert same.equals(plain)


def test_declared_constraints_hold_and_lists_keep_their_form(house: Cascade) -> None:
    served = Recommender(house, (), rerank=CONSTRAINTS)
    frame = served.recommend(USERS, 5)
    assert frame.height == 5 * N_USERS
    assert frame["rank"].to_list() == [1, 2, 3, 4, 5] * N_USERS
    assert artists(frame)["len"].max() == 3
    assert frame.select((pl.col("score").diff().over("user_id") < 0).drop_nulls().all()).item()
    item = frame["item_id"].cast(pl.Int32).to_numpy()
    played = is_played(SNAPSHOT, frame["user_id"].cast(pl.Int32).to_numpy(), item).reshape(-1, 5)
    assert (played.sum(axis=1) <= 3).all()
    plays = np.bincount(SNAPSHOT.plays.item, minlength=N_SONGS)
    assert ((plays[item] < 11).reshape(-1, 5).sum(axis=1) >= 1).all()
    assert frame.filter(pl.col("path").list.len() > 0).height > frame.height / 2


@pytest.mark.parametrize("k", [1, 3, 8, N_SONGS])
def test_a_shorter_list_is_the_beginning_of_a_longer_one(house: Cascade, k: int) -> None:
    served = Recommender(house, (), rerank=CONSTRAINTS)
    whole = served.recommend(USERS[:7], N_SONGS)
    assert whole.height == 7 * N_SONGS
    assert not whole.select("user_id", "item_id").is_duplicated().any()
    assert served.recommend(USERS[:7], k)["item_id"].to_list() == whole.filter(pl.col("rank") <= k)["item_id"].to_list()


def test_one_user_alone_gets_the_rows_of_the_batch(house: Cascade) -> None:
    served = Recommender(house, (), rerank=CONSTRAINTS)
    whole = served.recommend(USERS, 6)
    for user in (0, 3, 29):
        alone = served.recommend(np.array([user], dtype=np.int32), 6)
        assert alone.to_dicts() == whole.filter(pl.col("user_id") == str(user)).to_dicts()


def test_what_is_refused_comes_in_by_no_constraint(house: Cascade) -> None:
    snapshot, events = house.snapshot, house.snapshot.events
    told = RerankSettings(places=5, pool=15, tail_share=1.0, tail_quantile=0.7)
    in_tail = tail(np.bincount(snapshot.plays.item, minlength=N_SONGS), told)
    refused = np.flatnonzero(in_tail).astype(np.int32)
    refusal = replace(
        events.take(np.arange(len(refused))),
        user=np.full(len(refused), 4, np.int32),
        item=refused,
        behaviour=np.full(len(refused), Behaviour.BLOCK_SONG, np.int8),
    )
    joined = {name: np.concatenate([getattr(events, name), getattr(refusal, name)]) for name in events.__dataclass_fields__}
    after = replace(house, snapshot=replace(snapshot, events=type(events)(**joined)))
    listed = Recommender(after, (), rerank=told).recommend(np.array([3, 4], np.int32), N_SONGS)
    mine, other = (listed.filter(pl.col("user_id") == user)["item_id"].cast(pl.Int32).to_numpy() for user in ("4", "3"))
    assert sorted(mine.tolist()) == np.flatnonzero(~in_tail).tolist()
    assert in_tail[other[:5]].all()


def test_each_scene_has_its_own_share_of_repeats(house: Cascade) -> None:
    told = RerankSettings(places=4, pool=20, repeats_at_most=0.0, fm=SceneConstraints(repeats_at_least=0.5, repeats_at_most=0.5))
    served = Recommender(house, (), rerank=told)
    active = np.unique(SNAPSHOT.plays.user[:200]).astype(np.int32)[:10]
    for scenario, expected in (("daily", 0), ("fm", 2)):
        frame = served.recommend(active, 4, scenario)
        played = is_played(SNAPSHOT, frame["user_id"].cast(pl.Int32).to_numpy(), frame["item_id"].cast(pl.Int32).to_numpy())
        assert set(played.reshape(-1, 4).sum(axis=1)) == {expected}
    # New songs alone: no share of repeats can be asked for.
    assert served.recommend(active, 4, "fm", "exclude").height == 40


def test_other_versions_of_a_work_stay_at_the_end(house: Cascade) -> None:
    titles = pl.Series("title", ["same", "same (Live)", *(f"song {song}" for song in range(2, N_SONGS))])
    catalogue = replace(SNAPSHOT.catalogue, songs=SNAPSHOT.catalogue.songs.with_columns(titles))
    other = replace(house, snapshot=replace(house.snapshot, catalogue=catalogue))
    frame = Recommender(other, (), rerank=CONSTRAINTS).recommend(USERS[:5], N_SONGS)
    versions = frame.filter(pl.col("item_id").is_in(["0", "1"]))
    assert (versions["rank"] == N_SONGS).sum() == 5


def test_diversity_without_vectors_says_what_to_run() -> None:
    plain = cascade(SNAPSHOT)
    with pytest.raises(UserError, match="run `kg-recall embed`"):
        Recommender(plain, (), rerank=RerankSettings(diversity=0.5)).recommend(USERS[:1], 3)
    with pytest.raises(UserError, match="needs the route interest"):
        Recommender(plain, (), rerank=RerankSettings(diversity=0.5, similarity="encoder")).recommend(USERS[:1], 3)


def test_the_report_says_what_was_asked_and_what_was_kept(house: Cascade) -> None:
    reranking = Reranking(house, RerankSettings(places=5, pool=20, max_per_artist=3, tail_share=0.4, tail_plays=3))
    kept, report = KeptConstraints(reranking, "daily"), Report("data", "time", 0, {"all": 1, "new": 1})
    for chunk in house.chunks(USERS):
        table = house.candidates(chunk)
        kept.add(reranking.of(RankedLists.of(table.user, table.item, house.merged(table)), "daily"))
    kept.report(report)
    row = report.find("final", "daily", "kept_max_per_artist", 5)
    assert row is not None
    assert row.n == N_USERS
    assert row.value == 1.0
    tail_row, where = (report.find("final", "daily", f"kept_{name}", 5) for name in ("tail_share", "where_possible_tail_share"))
    assert tail_row is not None
    assert where is None or tail_row.value <= where.value
    assert any("max_per_artist | at most 3 |" in line for line in report.sections[0].lines)
    silent = Report("data", "time", 0, {"all": 1, "new": 1})
    KeptConstraints(Reranking(house), "daily").report(silent)
    assert not silent.rows
    assert not silent.sections
