from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from merge_house import SNAPSHOT, cascade

from etl.behaviours import Behaviour
from etl.errors import UserError
from kg_recall.cascade import RankedLists, standardise
from kg_recall.recommender import BATCH_SCHEMA, Recommender, speaking_route

USERS = np.arange(SNAPSHOT.catalogue.n_users, dtype=np.int32)
N_SONGS = SNAPSHOT.catalogue.n_songs


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(cascade(SNAPSHOT), ())


def rows_of(frame: pl.DataFrame, user_id: str) -> list[dict[str, object]]:
    return frame.filter(pl.col("user_id") == user_id).to_dicts()


@pytest.mark.parametrize("k", [1, 5, N_SONGS])
def test_exactly_k_rows_ordered_by_rank(recommender: Recommender, k: int) -> None:
    frame = recommender.recommend(USERS, k)
    assert frame.height == k * len(USERS)
    assert frame["rank"].to_list() == list(range(1, k + 1)) * len(USERS)
    assert not frame.select("user_id", "item_id").is_duplicated().any()
    assert frame.select(list(BATCH_SCHEMA)).schema == pl.Schema(BATCH_SCHEMA)


def test_no_more_rows_than_songs(recommender: Recommender) -> None:
    assert recommender.recommend(USERS[:2], N_SONGS + 50).height == 2 * N_SONGS


def test_excluded_repeats_leave_only_new_songs(recommender: Recommender) -> None:
    frame = recommender.recommend(USERS, N_SONGS, repeats="exclude")
    listed = set(frame.select(pl.col("user_id").cast(int), pl.col("item_id").cast(int)).rows())
    played = set(zip(SNAPSHOT.plays.user.tolist(), SNAPSHOT.plays.item.tolist(), strict=True))
    assert not listed & played
    assert len(listed) == len(USERS) * N_SONGS - len(played)


def test_one_user_alone_gets_the_rows_of_the_batch(recommender: Recommender) -> None:
    whole = recommender.recommend(USERS, 8)
    for user in (0, 7, 29):
        alone = recommender.recommend(np.array([user], dtype=np.int32), 8)
        assert alone.to_dicts() == rows_of(whole, str(user))


def test_refused_songs_and_artists_never_appear() -> None:
    artist = SNAPSHOT.catalogue.entity("artist:1")
    assert artist is not None
    events = SNAPSHOT.events
    refused = events.take(np.arange(2))
    refused = replace(
        refused,
        user=np.array([4, 4], np.int32),
        item=np.array([0, artist], np.int32),
        behaviour=np.array([Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST], np.int8),
    )
    joined = {name: np.concatenate([getattr(events, name), getattr(refused, name)]) for name in events.__dataclass_fields__}
    snapshot = replace(SNAPSHOT, events=type(events)(**joined))
    frame = Recommender(cascade(snapshot), ()).recommend(USERS[:6], N_SONGS)
    offsets, artists = SNAPSHOT.projection.facet("SUNG_BY")
    songs_of_artist = np.flatnonzero(artists == artist)
    assert len(songs_of_artist) == len(offsets[:-1][artists == artist])
    gone = {0, *songs_of_artist.tolist()}
    mine = {int(str(row["item_id"])) for row in rows_of(frame, "4")}
    assert mine == set(range(N_SONGS)) - gone
    assert len(rows_of(frame, "3")) == N_SONGS


def test_a_list_holds_one_version_of_a_work_until_all_else_is_used_up() -> None:
    titles = pl.Series("title", ["same", "same (Live)", *(f"song {song}" for song in range(2, N_SONGS))])
    catalogue = replace(SNAPSHOT.catalogue, songs=SNAPSHOT.catalogue.songs.with_columns(titles))
    house = cascade(replace(SNAPSHOT, catalogue=catalogue))
    frame = Recommender(house, ()).recommend(USERS, N_SONGS)
    versions = frame.filter(pl.col("item_id").is_in(["0", "1"]))
    assert (versions["rank"] == N_SONGS).sum() == len(USERS)
    assert frame.height == N_SONGS * len(USERS)
    house.settings = replace(house.settings, one_of_each_work=False)
    versions = Recommender(house, ()).recommend(USERS, N_SONGS).filter(pl.col("item_id").is_in(["0", "1"]))
    assert (versions["rank"] == N_SONGS).sum() < len(USERS)


def test_songs_to_come_are_left_out_where_times_are_times() -> None:
    release = pl.Series("release_ts", [SNAPSHOT.now + 1] + [None] * (N_SONGS - 1), dtype=pl.Int64)
    catalogue = replace(SNAPSHOT.catalogue, songs=SNAPSHOT.catalogue.songs.with_columns(release))
    for ordinal, expected in ((False, N_SONGS - 1), (True, N_SONGS)):
        snapshot = replace(SNAPSHOT, catalogue=catalogue, ordinal=ordinal)
        assert Recommender(cascade(snapshot), ()).recommend(USERS[:1], N_SONGS).height == expected


def test_every_path_ends_at_the_item_and_starts_in_the_history(recommender: Recommender) -> None:
    frame = recommender.recommend(USERS, 5)
    heard = {(user, f"song:{item}") for user, item in zip(SNAPSHOT.plays.user.tolist(), SNAPSHOT.plays.item.tolist(), strict=True)}
    explained = frame.filter(pl.col("path").list.len() > 0)
    assert explained.height > frame.height / 2
    for row in explained.to_dicts():
        assert row["path"][-1] == f"song:{row['item_id']}"
        assert (int(row["user_id"]), row["path"][0]) in heard
        assert len(row["path"]) % 2 == 1
        assert "because" in row["reason"]


def test_unknown_scenario_is_the_users_mistake(recommender: Recommender) -> None:
    with pytest.raises(UserError, match="scenario 'radio' is unknown"):
        recommender.recommend(USERS, 5, "radio")


def test_who_speaks() -> None:
    found = np.array([[1, 0, 9], [0, 3, 1], [5, 2, 0], [0, 0, 0], [0, 0, 4]])
    assert speaking_route(["repeat", "graph", "itemcf"], found).tolist() == [0, 1, 0, -1, 2]


def test_lists_break_ties_by_item() -> None:
    lists = RankedLists.of(np.array([2, 2, 2, 1], np.int32), np.array([5, 3, 4, 0], np.int32), np.array([1, 1, 2, 0], np.float32))
    assert lists.item.tolist() == [4, 3, 5, 0]
    assert lists.rank.tolist() == [1, 2, 3, 1]
    assert lists.take(lists.item != 3).rank.tolist() == [1, 2, 1]


def test_standardise_within_users() -> None:
    values = standardise(np.array([1, 3, 7, 7], np.float32), np.array([0, 0, 1, 1], np.int32))
    assert values.tolist() == [-1, 1, 0, 0]


def with_videos(refused_song: int | None) -> Recommender:
    """Every song has a video; user 0 may have refused a song."""
    old, facts = SNAPSHOT.projection, SNAPSHOT.projection.facts
    videos = np.arange(old.n_nodes, old.n_nodes + N_SONGS)
    keys = [*old.keys.tolist(), *(f"mv:{song}" for song in range(N_SONGS))]
    relations = [*(old.relations[code] for code in facts.relation), *["MV_OF"] * N_SONGS]
    head, tail = np.concatenate([facts.head, videos]), np.concatenate([facts.tail, np.arange(N_SONGS)])
    projection = type(old).build(keys, keys, N_SONGS, head, relations, tail)
    events = SNAPSHOT.events
    if refused_song is not None:
        refusal = replace(
            events.take(slice(0, 1)),
            user=np.zeros(1, np.int32),
            item=np.full(1, refused_song, np.int32),
            behaviour=np.full(1, Behaviour.BLOCK_SONG, np.int8),
        )
        events = type(events)(**{name: np.concatenate([getattr(events, name), getattr(refusal, name)]) for name in vars(events)})
    entities = pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys})
    catalogue = replace(SNAPSHOT.catalogue, entities=entities)
    return Recommender(cascade(replace(SNAPSHOT, catalogue=catalogue, projection=projection, events=events)), ())


def test_the_video_of_a_refused_song_never_appears() -> None:
    listed = with_videos(None).recommend(USERS[:1], 10, "mv")
    assert listed.height == 10
    assert set(listed["item_kind"]) == {"mv"}
    refused = int(listed["item_id"][0])
    again = with_videos(refused).recommend(USERS[:1], 10, "mv")
    assert again.height == 10
    assert str(refused) not in again["item_id"].to_list()
