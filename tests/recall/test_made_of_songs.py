"""Items made of songs: what they hold, and the laws of their scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from small_house import house, random_plays

from etl.behaviours import Behaviour
from etl.errors import UserError
from etl.events import Events
from graph.projection import Projection
from recall.kind_settings import KindSettings
from recall.made_of_songs import KINDS, ItemTastes, Makeup, standardised
from recall.snapshot import Snapshot

N_USERS, N_SONGS = 6, 20
PLAYLIST, MV = KINDS["playlist"], KINDS["mv"]
Held = list[list[int]]
Acts = list[tuple[int, int]]


def world(playlists: Held, mvs: Held = [], acts: Acts = [], ago: list[float] | None = None, extra: Held = []) -> Snapshot:  # noqa: B006
    """Songs, playlists and MVs with the songs given; `acts` are clicks `(user, playlist)`. `extra` playlists only the graph knows."""
    base = house(random_plays(1, 40, N_USERS, N_SONGS), n_users=N_USERS, n_songs=N_SONGS, ordinal=False)
    keys = [*(f"song:{song}" for song in range(N_SONGS)), *(f"mv:{n}" for n in range(len(mvs)))]
    first = len(keys)
    keys += [f"playlist:{n}" for n in range(len(playlists))]
    n_entities = len(keys)
    keys += [f"playlist:new {n}" for n in range(len(extra))]
    head, relation, tail = [], [], []
    for n, songs in enumerate(mvs):
        for song in songs:
            head.append(N_SONGS + n), relation.append("MV_OF"), tail.append(song)
    for n, songs in enumerate([*playlists, *extra]):
        for song in songs:
            head.append(song), relation.append("IN_PLAYLIST"), tail.append(first + n)
    projection = Projection.build(keys, keys, N_SONGS, head, relation, tail)
    kept = keys[:n_entities]
    entities = pl.DataFrame({"key": kept, "kind": [key.split(":")[0] for key in kept], "name": kept})
    clicks = Events(
        user=np.array([user for user, _ in acts], np.int32),
        item=np.array([first + item for _, item in acts], np.int32),
        behaviour=np.full(len(acts), Behaviour.CLICK, np.int8),
        ts=(base.now - 86_400 * np.array(ago if ago is not None else [1.0] * len(acts))).astype(np.int64),
        scene=np.full(len(acts), -1, np.int16),
        play_ms=np.full(len(acts), -1, np.int32),
        is_organic=np.full(len(acts), -1, np.int8),
        count=np.ones(len(acts), np.float32),
        source=len(base.events) + np.arange(len(acts)),
    )
    events = Events(**{name: np.concatenate([getattr(base.events, name), getattr(clicks, name)]) for name in vars(clicks)})
    return replace(base, catalogue=replace(base.catalogue, entities=entities), projection=projection, events=events)


def taste(*rows: dict[int, float]) -> csr_array:
    dense = np.zeros((len(rows), N_SONGS))
    for row, songs in enumerate(rows):
        dense[row, list(songs)] = list(songs.values())
    return csr_array(dense)


def by_songs(playlists: Held, songs: dict[int, float], doubt: float = 5.0) -> list[float]:
    tastes = ItemTastes(world(playlists), PLAYLIST, KindSettings(doubt=doubt))
    return tastes.by_songs(taste(songs))[0].tolist()


def test_an_item_holds_all_of_its_songs_in_whichever_direction_the_relation_runs() -> None:
    snapshot = world([[3, 1, 2]], [[4], [5, 6]])
    mvs, playlists = Makeup.of(snapshot, MV), Makeup.of(snapshot, PLAYLIST)
    assert mvs.item.tolist() == [N_SONGS, N_SONGS + 1]
    assert mvs.songs.indices.tolist() == [4, 5, 6]
    assert mvs.n_songs.tolist() == [1, 2]
    assert playlists.songs.indices.tolist() == [1, 2, 3]


def test_an_item_without_songs_is_there_and_holds_none() -> None:
    made = Makeup.of(world([[], [1]]), PLAYLIST)
    assert made.n_songs.tolist() == [0, 1]


def test_a_playlist_that_someone_added_to_the_graph_is_an_item_too() -> None:
    snapshot = world([[1]], extra=[[2, 3]])
    made = Makeup.of(snapshot, PLAYLIST)
    assert snapshot.projection.keys[made.item].tolist() == ["playlist:0", "playlist:new 0"]
    assert made.n_songs.tolist() == [1, 2]


def test_songs_to_come_are_no_part_of_an_item_yet() -> None:
    snapshot = world([[0, 1]])
    release = pl.Series("release_ts", [snapshot.now + 1] + [None] * (N_SONGS - 1), dtype=pl.Int64)
    later = replace(snapshot, catalogue=replace(snapshot.catalogue, songs=snapshot.catalogue.songs.with_columns(release)))
    assert Makeup.of(later, PLAYLIST).songs.indices.tolist() == [1]
    assert Makeup.of(replace(later, ordinal=True), PLAYLIST).songs.indices.tolist() == [0, 1]


def test_no_items_no_scores() -> None:
    tastes = ItemTastes(world([]), PLAYLIST)
    assert tastes.scores(np.arange(2, dtype=np.int32), taste({1: 1.0}, {})).shape == (2, 0)


def test_twice_as_many_songs_liked_as_much_do_not_win_where_nothing_is_doubted() -> None:
    songs = dict.fromkeys(range(12), 0.5)
    short, long = by_songs([list(range(4)), list(range(12))], songs, doubt=0)
    assert short == pytest.approx(long)


def test_one_loved_song_alone_does_not_outweigh_a_playlist_of_liked_ones() -> None:
    songs = {0: 1.0} | dict.fromkeys(range(1, 13), 0.7)
    one, many = by_songs([[0], list(range(1, 13))], songs)
    assert many > one


likes = st.lists(st.floats(0, 1), min_size=N_SONGS, max_size=N_SONGS)


@settings(max_examples=30, deadline=None)
@given(likes, st.sets(st.integers(0, N_SONGS - 2), min_size=1, max_size=8))
def test_a_further_song_raises_an_item_where_it_is_liked_more_than_the_item_and_lowers_it_where_less(
    liked: list[float], held: set[int]
) -> None:
    further = N_SONGS - 1
    before, after = by_songs([sorted(held), [*sorted(held), further]], dict(enumerate(liked)))
    assert np.sign(round(after - before, 6)) in (0, np.sign(liked[further] - before))


def test_clicks_raise_what_was_clicked_and_what_is_clicked_together() -> None:
    #  user 0 took up 0; users 1 and 2 took up 0 and 1; user 3 took up 2
    tastes = ItemTastes(world([[1], [2], [3]], acts=[(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (3, 2)]), PLAYLIST)
    together = tastes.by_neighbours(np.array([0, 5], np.int32))
    assert together[0, 0] > together[0, 1] > together[0, 2] == 0
    assert (together[1] == 0).all()


def test_late_clicks_count_for_more_than_early_ones() -> None:
    tastes = ItemTastes(world([[1], [2]], acts=[(0, 0), (1, 1)], ago=[90.0, 1.0]), PLAYLIST)
    assert tastes.popularity[1] > tastes.popularity[0] > 0


def test_being_shown_an_item_says_nothing() -> None:
    snapshot = world([[1], [2]], acts=[(0, 0)])
    events = replace(snapshot.events, behaviour=np.where(snapshot.events.item >= N_SONGS, Behaviour.EXPOSURE, 3).astype(np.int8))
    assert ItemTastes(replace(snapshot, events=events), PLAYLIST).popularity.tolist() == [0, 0]


def test_scores_of_one_user_do_not_depend_on_who_else_is_asked() -> None:
    rng = np.random.default_rng(0)
    playlists = [rng.choice(N_SONGS, size, replace=False).tolist() for size in rng.integers(1, 12, 15)]
    acts = list(zip(rng.integers(0, N_USERS, 40).tolist(), rng.integers(0, 15, 40).tolist(), strict=True))
    tastes = ItemTastes(world(playlists, acts=acts), PLAYLIST)
    users = np.arange(N_USERS, dtype=np.int32)
    liked = csr_array(rng.random((N_USERS, N_SONGS)) * (rng.random((N_USERS, N_SONGS)) < 0.4))
    together = tastes.scores(users, liked)
    for user in users:
        assert np.array_equal(tastes.scores(users[user : user + 1], liked[[user]]), together[[user]])


def test_a_constant_row_is_standardised_to_nothing() -> None:
    assert standardised(np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]])).round(4).tolist() == [[0, 0, 0], [-1.2247, 0, 1.2247]]


def test_a_half_life_of_nothing_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="half_life_days"):
        KindSettings(half_life_days=0)
