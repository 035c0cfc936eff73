"""Lists of playlists, MVs and Mlogs: who gets which, what refusals do, and the contract of their columns."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from merge_house import N_SONGS, N_USERS, SNAPSHOT, cascade

from etl.behaviours import Behaviour
from etl.events import Events
from kg_recall.cascade import Cascade
from kg_recall.kinds import KindLists
from kg_recall.recommender import BATCH_SCHEMA, KIND_SCENARIOS, Recommender
from recall.kind_settings import KindSettings
from recall.made_of_songs import KINDS
from recall.snapshot import Snapshot

USERS = np.arange(N_USERS, dtype=np.int32)
COLD = N_USERS - 1
"""A user without any event."""
PLAYLISTS = [[0, 9, 17, 25], [1, 2, 3], list(range(20)), [30, 31, 38, 39], [], [8, 16]]
MVS = [[0], [9], [17, 25], [31]]
MLOGS = [[2], [38]]
HELD = {"playlist": PLAYLISTS, "mv": MVS, "mlog": MLOGS}
ARTIST_OF = [song // 8 for song in range(N_SONGS)]


@cache
def world() -> Snapshot:
    old, facts = SNAPSHOT.projection, SNAPSHOT.projection.facts
    keys, head, tail = old.keys.tolist(), facts.head.tolist(), facts.tail.tolist()
    relation = [old.relations[code] for code in facts.relation]
    for kind, held in HELD.items():
        for number, songs in enumerate(held):
            node = len(keys)
            keys.append(f"{kind}:{number}")
            for song in songs:
                ends = (song, node) if kind == "playlist" else (node, song)
                head.append(ends[0])
                tail.append(ends[1])
                relation.append(KINDS[kind].relation)
    entities = pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys})
    projection = type(old).build(keys, keys, N_SONGS, head, relation, tail)
    return replace(SNAPSHOT, catalogue=replace(SNAPSHOT.catalogue, entities=entities), projection=projection)


@cache
def built() -> Cascade:
    return cascade(world())


def after(*acts: tuple[int, Behaviour, str]) -> Snapshot:
    """The world after acts `(user, how, key)`."""
    snapshot, n = world(), len(acts)
    items = [snapshot.catalogue.entity(key) for _, _, key in acts]
    late = replace(
        snapshot.events.take(np.zeros(n, np.intp)),
        user=np.array([user for user, _, _ in acts], np.int32),
        item=np.array(items, np.int32),
        behaviour=np.array([how for _, how, _ in acts], np.int8),
        ts=np.full(n, snapshot.now, np.int64),
        source=len(snapshot.events) + np.arange(n, dtype=np.int64),
    )
    joined = {field.name: np.concatenate([getattr(part, field.name) for part in (snapshot.events, late)]) for field in fields(Events)}
    return replace(snapshot, events=Events(**joined), now=snapshot.now + 1)


def lists(snapshot: Snapshot, kind: str, k: int = 10, users: np.ndarray = USERS) -> pl.DataFrame:
    house = built()
    house.observe(snapshot)
    return Recommender(house, ()).recommend(users, k, kind)


def listed(frame: pl.DataFrame, user: int) -> list[str]:
    return frame.filter(pl.col("user_id") == str(user))["item_id"].to_list()


@pytest.mark.parametrize("kind", KIND_SCENARIOS)
def test_everybody_gets_k_of_what_there_is_in_the_columns_of_a_batch(kind: str) -> None:
    n = sum(map(bool, HELD[kind]))
    for k in (1, 2, n + 5):
        frame = lists(world(), kind, k)
        assert frame.height == N_USERS * min(k, n)
        assert frame["rank"].to_list() == list(range(1, min(k, n) + 1)) * N_USERS
        assert frame.select(list(BATCH_SCHEMA)).schema == pl.Schema(BATCH_SCHEMA)
        assert set(frame["item_kind"]) == {kind}


def test_an_empty_playlist_is_never_listed() -> None:
    assert "4" not in lists(world(), "playlist")["item_id"].to_list()


@pytest.mark.parametrize("kind", KIND_SCENARIOS)
def test_a_source_without_the_kind_gives_empty_lists(kind: str) -> None:
    frame = lists(SNAPSHOT, kind)
    assert frame.is_empty()
    assert frame.select(list(BATCH_SCHEMA)).schema == pl.Schema(BATCH_SCHEMA)


@pytest.mark.parametrize("kind", KIND_SCENARIOS)
def test_nobody_gets_nothing(kind: str) -> None:
    assert lists(world(), kind, users=np.empty(0, np.int32)).is_empty()


@pytest.mark.parametrize("kind", KIND_SCENARIOS)
def test_a_batch_of_one_is_a_batch_of_many_in_whatever_order(kind: str) -> None:
    together = lists(world(), kind, users=USERS[::-1])
    assert together["user_id"].unique(maintain_order=True).to_list() == [str(user) for user in USERS[::-1]]
    for user in (0, 7, 20, COLD):
        alone = lists(world(), kind, users=USERS[user : user + 1])
        assert alone.equals(together.filter(pl.col("user_id") == str(user)))


@pytest.mark.parametrize("kind", KIND_SCENARIOS)
def test_a_path_runs_from_a_song_of_the_history_over_a_song_of_the_item_to_the_item(kind: str) -> None:
    frame = lists(world(), kind)
    heard = {(str(user), f"song:{item}") for user, item in zip(SNAPSHOT.plays.user.tolist(), SNAPSHOT.plays.item.tolist(), strict=True)}
    explained = frame.filter(pl.col("path").list.len() > 0)
    assert explained.height > frame.height / 2
    for row in explained.to_dicts():
        path = row["path"]
        assert (row["user_id"], path[0]) in heard
        assert path[-2:] == [KINDS[kind].hop, f"{kind}:{row['item_id']}"]
        assert int(path[-3].removeprefix("song:")) in HELD[kind][int(row["item_id"])]
        assert "because" in row["reason"]


def test_a_listener_without_events_gets_what_others_take_up() -> None:
    favourite = [(user, Behaviour.CLICK, "playlist:3") for user in range(12)]
    frame = lists(after(*favourite), "playlist")
    assert len(listed(frame, COLD)) == 5
    before = listed(lists(world(), "playlist"), COLD)
    assert listed(frame, COLD).index("3") <= before.index("3")


def test_what_a_listener_takes_up_rises_for_him_more_than_for_others() -> None:
    before, now = lists(world(), "mv"), lists(after((2, Behaviour.CLICK, "mv:3")), "mv")
    risen = {user: listed(before, user).index("3") - listed(now, user).index("3") for user in (2, 5)}
    assert risen[2] >= 0
    score = {
        name: frame.filter((pl.col("user_id") == "2") & (pl.col("item_id") == "3"))["score"][0]
        for name, frame in (("b", before), ("n", now))
    }
    assert score["n"] > score["b"]


def test_a_refused_item_is_gone_and_so_is_what_holds_a_refused_song() -> None:
    frame = lists(after((0, Behaviour.DISLIKE, "playlist:1"), (1, Behaviour.BLOCK_SONG, "song:38")), "playlist")
    assert set(listed(frame, 0)) == {"0", "2", "3", "5"}
    assert set(listed(frame, 1)) == {"0", "1", "2", "5"}
    assert set(listed(frame, 2)) == {"0", "1", "2", "3", "5"}


def test_a_video_of_several_songs_goes_with_any_of_them() -> None:
    for song in (17, 25):
        assert set(listed(lists(after((0, Behaviour.BLOCK_SONG, f"song:{song}")), "mv"), 0)) == {"0", "1", "3"}


def test_a_blocked_artist_takes_along_every_playlist_with_a_song_of_hers() -> None:
    frame = lists(after((4, Behaviour.BLOCK_ARTIST, "artist:3")), "playlist")
    gone = {str(number) for number, songs in enumerate(PLAYLISTS) if any(ARTIST_OF[song] == 3 for song in songs)}
    assert gone == {"0", "3"}
    assert set(listed(frame, 4)) == {"1", "2", "5"}


def test_where_a_share_may_be_refused_the_playlist_stays_and_falls() -> None:
    house, snapshot = built(), after((4, Behaviour.BLOCK_SONG, "song:9"))
    user = np.array([4], np.int32)

    def place(snapshot: Snapshot, share: float) -> dict[int, float]:
        house.observe(snapshot)
        found = KindLists(snapshot, KINDS["playlist"], KindSettings(refused_share=share)).of(house, user, 10).lists
        names = snapshot.projection.keys[found.item]
        return {int(name.removeprefix("playlist:")): score for name, score in zip(names, found.score.tolist(), strict=True)}

    assert 0 not in place(snapshot, 0.2)
    before, now = place(world(), 0.3), place(snapshot, 0.3)
    assert now[0] < before[0]


def test_a_listeners_own_playlist_is_not_recommended_to_him() -> None:
    item = world().catalogue.entity("playlist:0")
    owners = pl.DataFrame({"item": [item], "user": [6]}, schema={"item": pl.Int32, "user": pl.Int32})
    frame = lists(replace(world(), catalogue=replace(world().catalogue, owners=owners)), "playlist")
    assert "0" not in listed(frame, 6)
    assert "0" in listed(frame, 5)
