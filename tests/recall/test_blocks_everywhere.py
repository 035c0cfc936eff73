"""Whatever a listener has refused appears in no list of theirs: through no route, no index, nothing found before the refusal came."""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_house import NOW, house, random_plays

from etl.behaviours import Behaviour
from etl.events import Events
from kg_recall.cascade import Cascade, CascadeSettings
from kg_recall.recommender import Recommender
from recall.merge import LearnedMerge, MergeSettings
from recall.reciprocal_rank import reciprocal_rank
from recall.registry import ROUTES
from recall.route import RecallRoute
from recall.snapshot import Snapshot

N_USERS, N_SONGS, N_ARTISTS = 14, 24, 4
ALBUM = [song // 3 for song in range(N_SONGS)]
ARTIST = [song * N_ARTISTS // N_SONGS for song in range(N_SONGS)]
FIRST_ARTIST = N_SONGS + max(ALBUM) + 1
USERS = np.arange(N_USERS, dtype=np.int32)
VECTORS = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float32)
"""Graph vectors of the nodes."""
TINY = {
    "dim": 8,
    "length": 6,
    "short_length": 6,
    "long_length": 12,
    "layers": 1,
    "heads": 2,
    "n_negatives": 8,
    "factors": 8,
    "threads": 1,
    "max_epochs": 1,
}
Refusal = tuple[int, Behaviour, int]
"""User, how it was refused, and song or artist."""


def plain() -> Snapshot:
    """Nobody has refused anything yet."""
    plays = random_plays(3, 160, N_USERS, N_SONGS)
    snapshot = house(plays, n_users=N_USERS, n_songs=N_SONGS, albums=ALBUM, artists=ARTIST, ordinal=True)
    snapshot.catalogue.songs.insert_column(1, pl.Series("artist", [f"artist {artist}" for artist in ARTIST]))
    snapshot.catalogue.songs.insert_column(1, pl.Series("title", [f"song {song}" for song in range(N_SONGS)]))
    return replace(snapshot, vectors=VECTORS[: snapshot.projection.n_nodes])


def tiny(name: str) -> RecallRoute:
    """The route of that name, small enough to be trained in a moment."""
    kind: Any = ROUTES[name]
    wanted = inspect.signature(kind).parameters
    default = wanted["settings"].default
    small = {field.name: TINY[field.name] for field in fields(default) if field.name in TINY}
    route: RecallRoute = kind(replace(default, **small), **({"epochs": 1} if "epochs" in wanted else {}))
    return route


@cache
def served() -> Cascade:
    """Every registered route that the house allows, trained before anybody refused anything, and a learned merge."""
    snapshot = plain()
    routes = {name: tiny(name) for name in ROUTES}
    able: dict[str, RecallRoute] = {}
    for name, route in routes.items():
        if hasattr(route, "obstacle") and route.obstacle(snapshot) is not None:
            continue
        route.fit(snapshot)
        able[name] = route
    cascade = Cascade(snapshot, able, CascadeSettings(route_k=10, new_k=6, rank_k=5, users_per_chunk=5))
    table = cascade.candidates(USERS)
    cascade.merge = LearnedMerge(MergeSettings(trees=5, min_leaf=5, threads=1))
    cascade.merge.fit(table, table.item % 3 == 0, snapshot)
    return cascade


def after(snapshot: Snapshot, refusals: list[Refusal]) -> Snapshot:
    """The same house a little later, with these refusals."""
    n = len(refusals)
    item = [target if behaviour != Behaviour.BLOCK_ARTIST else FIRST_ARTIST + target % N_ARTISTS for _, behaviour, target in refusals]
    late = Events(
        user=np.array([user for user, _, _ in refusals], np.int32),
        item=np.array(item, np.int32),
        behaviour=np.array([behaviour for _, behaviour, _ in refusals], np.int8),
        ts=np.full(n, NOW, np.int64),
        scene=np.full(n, -1, np.int16),
        play_ms=np.full(n, -1, np.int32),
        is_organic=np.full(n, -1, np.int8),
        count=np.ones(n, np.float32),
        source=len(snapshot.events) + np.arange(n, dtype=np.int64),
    )
    columns = {field.name: np.concatenate([getattr(snapshot.events, field.name), getattr(late, field.name)]) for field in fields(Events)}
    return replace(snapshot, events=Events(**columns), now=NOW + 1)


def refused(refusals: list[Refusal]) -> set[tuple[int, int]]:
    """Pairs of user and song that may not be shown, from the refusals as drawn."""
    songs = {(user, target) for user, behaviour, target in refusals if behaviour != Behaviour.BLOCK_ARTIST}
    artists = {(user, target % N_ARTISTS) for user, behaviour, target in refusals if behaviour == Behaviour.BLOCK_ARTIST}
    return songs | {(user, song) for user, artist in artists for song in range(N_SONGS) if ARTIST[song] == artist}


def lists_of(frame: pl.DataFrame) -> set[tuple[int, int]]:
    return set(zip(frame["user_id"].cast(int).to_list(), frame["item_id"].cast(int).to_list(), strict=True))


def check(cascade: Cascade, forbidden: set[tuple[int, int]]) -> None:
    """No list of any route alone, of all together, or of the finished recommender holds a forbidden pair."""
    for name, route in cascade.routes.items():
        alone = replace(cascade, routes={name: route})
        table = alone.candidates(USERS)
        best = table.best(reciprocal_rank(table), 8)
        assert not forbidden & set(zip(best.user.tolist(), best.item.tolist(), strict=True)), name
    recommender = Recommender(cascade, ())
    for scenario, repeats, k in (("daily", "include", 6), ("fm", "exclude", 6), ("daily", "include", N_SONGS)):
        frame = recommender.recommend(USERS, k, scenario, repeats)  # type: ignore[arg-type]
        assert not forbidden & lists_of(frame), (scenario, repeats, k)
    # The last frame asked for every song: what may be shown and nothing else is what it holds.
    assert lists_of(frame) == {(int(user), song) for user in USERS for song in range(N_SONGS)} - forbidden
    for user in USERS[:3]:
        assert not forbidden & lists_of(recommender.recommend(user[None], 6))


acts = st.tuples(
    st.integers(0, N_USERS - 1),
    st.sampled_from([Behaviour.DISLIKE, Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST]),
    st.integers(0, N_SONGS - 1),
)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(acts, max_size=12), st.lists(acts, min_size=1, max_size=12))
def test_what_is_refused_never_appears_also_when_the_refusal_comes_after_lists_were_made(first: list[Refusal], then: list[Refusal]) -> None:
    cascade = served()
    cascade.observe(after(plain(), first))
    check(cascade, refused(first))
    # User vectors and lists of the first moment have been found by now; the same routes hear of more refusals.
    cascade.observe(after(plain(), first + then))
    check(cascade, refused(first + then))


@pytest.mark.parametrize("name", list(ROUTES))
def test_a_refusal_reaches_the_route_that_knows_the_song_best(name: str) -> None:
    cascade = served()
    if name not in cascade.routes:
        pytest.skip("this house does not allow the route")
    cascade.observe(plain())
    top = cascade.routes[name].recall(USERS, 1)
    acts = [(int(user), Behaviour.BLOCK_SONG, int(item)) for user, item in zip(top.user, top.item, strict=True)]
    cascade.observe(after(plain(), acts))
    table = replace(cascade, routes={name: cascade.routes[name]}).candidates(USERS)
    assert not refused(acts) & set(zip(table.user.tolist(), table.item.tolist(), strict=True))


def test_everything_refused_leaves_an_empty_list() -> None:
    cascade = served()
    acts = [(2, Behaviour.BLOCK_ARTIST, artist) for artist in range(N_ARTISTS)]
    cascade.observe(after(plain(), acts))
    assert Recommender(cascade, ()).recommend(np.array([2], np.int32), 5).is_empty()
    assert len(Recommender(cascade, ()).recommend(np.array([3], np.int32), 5)) == 5
