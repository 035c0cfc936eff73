"""The graph route: seeds, kinds, and one number for lists and pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from etl.behaviours import Behaviour
from etl.catalogue import Catalogue
from etl.errors import UserError
from etl.events import Events
from graph.metapaths import shared
from graph.projection import Projection
from recall.graph import GraphRecallSettings, GraphRoute
from recall.seeds import user_seeds
from recall.snapshot import SECONDS_PER_DAY, Snapshot

DAY = int(SECONDS_PER_DAY)
NOW = 100 * DAY
KEYS = [*(f"song:{i}" for i in range(6)), "album:a", "album:b", "artist:x", "artist:y", "drama:d", "mv:0", "mv:4", "mlog:5"]
FACTS = [
    ("song:0", "IN_ALBUM", "album:a"),
    ("song:1", "IN_ALBUM", "album:a"),
    ("song:2", "IN_ALBUM", "album:b"),
    ("album:a", "SOUNDTRACK_OF", "drama:d"),
    ("album:b", "SOUNDTRACK_OF", "drama:d"),
    ("song:0", "SUNG_BY", "artist:x"),
    ("song:3", "SUNG_BY", "artist:x"),
    ("song:4", "SUNG_BY", "artist:x"),
    ("song:5", "SUNG_BY", "artist:y"),
    ("mv:0", "MV_OF", "song:0"),
    ("mv:4", "MV_OF", "song:4"),
    ("mlog:5", "USES_SONG", "song:5"),
    ("user:only-in-the-store", "FRIEND_OF", "user:another"),
]
ID = {key: row for row, key in enumerate(KEYS)}


def snapshot_of(events: list[tuple[int, str, Behaviour, int]], facts: Any = FACTS, ordinal: bool = False, **columns: Any) -> Snapshot:
    """`events`: user, key, behaviour, day."""
    kinds = [key.split(":")[0] for key in KEYS]
    songs = pl.DataFrame({"song_id": [str(i) for i in range(6)]})
    catalogue = Catalogue(pl.DataFrame({"key": KEYS, "kind": kinds, "name": KEYS}), songs, pl.DataFrame({"user_id": ["u0", "u1", "u2"]}))
    keys = [*KEYS, *sorted({key for fact in facts for key in fact if ":" in key} - set(KEYS))]
    row = {key: i for i, key in enumerate(keys)}
    head, tail = [row[fact[0]] for fact in facts], [row[fact[2]] for fact in facts]
    projection = Projection.build(keys, keys, 6, head, [fact[1] for fact in facts], tail, **columns)
    events = sorted(events, key=lambda event: event[3])
    n = len(events)
    log = Events(
        user=np.array([event[0] for event in events], dtype=np.int32),
        item=np.array([ID[event[1]] for event in events], dtype=np.int32),
        behaviour=np.array([event[2] for event in events], dtype=np.int8),
        ts=np.array([event[3] * DAY for event in events], dtype=np.int64),
        scene=np.full(n, -1, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=np.arange(n, dtype=np.int64),
    )
    return Snapshot(catalogue, log, projection, NOW, ordinal)


def route_on(snapshot: Snapshot, meta_paths: Any = None, **settings: Any) -> GraphRoute:
    made = GraphRecallSettings(**settings)
    route = GraphRoute(made) if meta_paths is None else GraphRoute(made, meta_paths)
    route.fit(snapshot)
    return route


def users(*ids: int) -> np.ndarray:
    return np.array(ids, dtype=np.int32)


HEARD = [(0, "song:0", Behaviour.FULL_PLAY, 99), (1, "song:5", Behaviour.COLLECT, 90), (0, "song:4", Behaviour.PLAY, 98)]


def test_songs_of_album_artist_and_drama_are_recalled() -> None:
    found = route_on(snapshot_of(HEARD)).recall(users(0), 10)
    assert set(found.item.tolist()) == {1, 2, 3, 4}
    assert found.user.tolist() == [0] * 4
    assert (np.diff(found.score) <= 0).all()


def test_new_only_leaves_out_what_was_played_however_briefly() -> None:
    assert set(route_on(snapshot_of(HEARD)).recall(users(0), 10, new_only=True).item.tolist()) == {1, 2, 3}


def test_lists_follow_the_users_asked_and_a_user_without_history_gets_none() -> None:
    log = [*HEARD, (1, "song:1", Behaviour.SHARE, 97)]
    route = route_on(snapshot_of(log))
    found = route.recall(users(2, 1, 0), 10)
    assert list(dict.fromkeys(found.user.tolist())) == [1, 0]
    alone = route.recall(users(0), 10)
    assert found.item[found.user == 0].tolist() == alone.item.tolist()
    assert found.score[found.user == 0].tolist() == alone.score.tolist()


def test_pairs_score_as_in_the_list_and_zero_elsewhere() -> None:
    route = route_on(snapshot_of(HEARD))
    found = route.recall(users(0), 10)
    score = route.score(np.zeros(6, np.int32), np.arange(6, dtype=np.int32))
    want = np.zeros(6, np.float32)
    want[found.item] = found.score
    assert score.tolist() == want.tolist()
    mixed = route.score(users(1, 1, 0, 0), np.array([0, ID["mlog:5"], ID["mv:4"], 3], dtype=np.int32))
    assert mixed[0] == 0
    assert (mixed[1:] > 0).all()
    assert mixed[3] == want[3]


def test_explanations_run_from_a_song_of_the_history_to_the_item() -> None:
    snapshot = snapshot_of(HEARD)
    items = np.array([2, 5, ID["mv:4"], 3], dtype=np.int32)
    paths = route_on(snapshot).explain(np.zeros(4, np.int32), items)
    keys = snapshot.projection.keys
    told = [[str(key) for key in keys[nodes[:length]]] for nodes, length in zip(paths.nodes, paths.length, strict=True)]
    assert told == [
        ["song:0", "album:a", "drama:d", "album:b", "song:2"],
        [],
        ["song:0", "artist:x", "song:4", "mv:4"],
        ["song:0", "artist:x", "song:3"],
    ]
    assert [paths.step_names[step] for step in paths.steps[2][:3]] == ["SUNG_BY", "<SUNG_BY", "<MV_OF"]
    assert paths.steps[1].tolist() == [-1] * 6


def test_other_kinds_by_the_songs_that_they_belong_to() -> None:
    route = route_on(snapshot_of(HEARD))
    assert route.recall_kind(users(0), 10, "mv").item.tolist() == [ID["mv:0"], ID["mv:4"]]
    assert route.recall_kind(users(1, 0), 10, "mlog").item.tolist() == [ID["mlog:5"]]
    assert set(route.recall_kind(users(0), 10, "artist").item.tolist()) == {ID["artist:x"]}
    assert len(route.recall_kind(users(0), 10, "no such kind")) == 0
    pairs = route.recall_kind(users(0), 10, "mv")
    assert route.score(pairs.user, pairs.item).tolist() == pairs.score.tolist()


def test_old_evidence_counts_half_after_the_half_life() -> None:
    log = [(0, "song:0", Behaviour.FULL_PLAY, 100), (1, "song:0", Behaviour.FULL_PLAY, 90)]
    seeds = user_seeds(snapshot_of(log), GraphRecallSettings(half_life_days=10, repeat_power=1.0)).toarray()
    assert seeds[:, 0].tolist() == pytest.approx([1.0, 0.5, 0.0])
    ordinal = [(0, "song:0", Behaviour.FULL_PLAY, 1), (0, "song:1", Behaviour.FULL_PLAY, 2), (0, "song:2", Behaviour.FULL_PLAY, 99)]
    seeds = user_seeds(snapshot_of(ordinal, ordinal=True), GraphRecallSettings(half_life_plays=2, repeat_power=1.0)).toarray()
    assert seeds[0].tolist() == pytest.approx([0.5, 0.5**0.5, 1.0, 0, 0, 0])


def test_negative_evidence_takes_away_where_asked() -> None:
    log = [(0, "song:0", Behaviour.FULL_PLAY, 100), (0, "song:3", Behaviour.DISLIKE, 100)]
    asked = users(0, 0), np.array([4, 1], dtype=np.int32)
    plain, minus = (route_on(snapshot_of(log), negative_weight=weight).score(*asked) for weight in (0.0, 0.5))
    assert 0 < minus[0] < plain[0]
    assert minus[1] == plain[1]
    assert route_on(snapshot_of(log), negative_weight=5.0).score(*asked)[0] == 0


def test_only_the_heaviest_seeds_are_kept() -> None:
    log = [(0, f"song:{i}", Behaviour.FULL_PLAY, day) for i, day in enumerate([10, 99, 50, 99])]
    seeds = user_seeds(snapshot_of(log), GraphRecallSettings(max_seeds=2))
    assert seeds.indices.tolist() == [1, 3]


def test_known_songs_of_an_artist_come_before_unknown_ones() -> None:
    log = [(0, "song:0", Behaviour.FULL_PLAY, 99), (1, "song:4", Behaviour.PLAY, 50), (2, "song:4", Behaviour.PLAY, 50)]
    same_artist = [shared("same artist", "SUNG_BY", 1.0)]
    popular = route_on(snapshot_of(log), same_artist, popularity_power=0.5).recall(users(0), 5)
    plain = route_on(snapshot_of(log), same_artist, popularity_power=0.0).recall(users(0), 5)
    assert popular.item.tolist() == [4, 3]
    assert popular.score[0] == pytest.approx(popular.score[1] * 3**0.5)
    assert plain.item.tolist() == [3, 4]


def test_facts_of_the_future_are_not_used() -> None:
    late = [0] * len(FACTS)
    late[FACTS.index(("song:3", "SUNG_BY", "artist:x"))] = NOW + 1
    assert 3 not in route_on(snapshot_of(HEARD, valid_from=late)).recall(users(0), 10).item


def test_observe_takes_the_new_history() -> None:
    route = route_on(snapshot_of(HEARD))
    route.observe(snapshot_of([(0, "song:5", Behaviour.FULL_PLAY, 99)]))
    assert len(route.recall(users(0), 10)) == 0


def test_a_saved_route_recalls_the_same(tmp_path: Path) -> None:
    route = route_on(snapshot_of(HEARD), [shared("same artist", "SUNG_BY", 0.3)], popularity_power=0.1)
    route.save(tmp_path)
    loaded = GraphRoute.load(tmp_path, snapshot_of(HEARD))
    assert (loaded.settings, loaded.meta_paths) == (route.settings, route.meta_paths)
    assert loaded.recall(users(0), 5).score.tolist() == route.recall(users(0), 5).score.tolist()


@pytest.mark.parametrize("wrong", [{"half_life_days": 0}, {"hop_decay": 1.5}, {"max_seeds": -1}])
def test_a_wrong_setting_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        GraphRecallSettings(**wrong)  # type: ignore[arg-type]
