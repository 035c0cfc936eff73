"""What a listener has refused is in no scenario's list and in no batch file: neither the song nor a video, mlog or playlist that holds it.

`tests/recall/test_blocks_everywhere.py` asks the same of every route; here are the lists that leave the house.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_house import N_SONGS, N_USERS, SNAPSHOT, cascade

from etl.behaviours import BLOCKING, Behaviour
from etl.events import Events
from kg_recall.batch_job import BatchJob
from kg_recall.cascade import Cascade
from kg_recall.recommender import KIND_SCENARIOS, SCENARIOS, Recommender
from recall.snapshot import Snapshot

USERS = np.arange(N_USERS, dtype=np.int32)
N_ARTISTS = N_SONGS // 8
ARTIST_OF = [song // 8 for song in range(N_SONGS)]
Refusal = tuple[int, Behaviour, int]
"""User, how, and song or artist."""
Pairs = set[tuple[int, int]]


@cache
def world() -> Snapshot:
    """Every song has a video, an mlog and a playlist of its own."""
    old, facts = SNAPSHOT.projection, SNAPSHOT.projection.facts
    made = {"mv": "MV_OF", "mlog": "USES_SONG", "playlist": "IN_PLAYLIST"}
    keys = [*old.keys.tolist(), *(f"{kind}:{song}" for kind in made for song in range(N_SONGS))]
    relations = [*(old.relations[code] for code in facts.relation), *np.repeat(list(made.values()), N_SONGS).tolist()]
    head = np.concatenate([facts.head, np.arange(old.n_nodes, len(keys))])
    projection = type(old).build(keys, keys, N_SONGS, head, relations, np.concatenate([facts.tail, np.tile(np.arange(N_SONGS), 3)]))
    entities = pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys})
    return replace(SNAPSHOT, catalogue=replace(SNAPSHOT.catalogue, entities=entities), projection=projection)


@cache
def served() -> Cascade:
    """Fitted before anybody refused anything, and warm: its lists of every scenario have been asked for."""
    built = cascade(world())
    for scenario in SCENARIOS:
        Recommender(built, ()).recommend(USERS, 10, scenario)
    return built


def after(refusals: list[Refusal]) -> Snapshot:
    snapshot, n = world(), len(refusals)
    item = [_artist(target) if how == Behaviour.BLOCK_ARTIST else target for _, how, target in refusals]
    late = replace(
        snapshot.events.take(np.zeros(n, np.intp)),
        user=np.array([user for user, _, _ in refusals], np.int32),
        item=np.array(item, np.int32),
        behaviour=np.array([how for _, how, _ in refusals], np.int8),
        ts=np.full(n, snapshot.now, np.int64),
        source=len(snapshot.events) + np.arange(n, dtype=np.int64),
    )
    joined = {field.name: np.concatenate([getattr(part, field.name) for part in (snapshot.events, late)]) for field in fields(Events)}
    return replace(snapshot, events=Events(**joined), now=snapshot.now + 1)


def _artist(number: int) -> int:
    entity = world().catalogue.entity(f"artist:{number % N_ARTISTS}")
    assert entity is not None
    return entity


def forbidden(refusals: list[Refusal]) -> Pairs:
    songs = {(user, target) for user, how, target in refusals if how != Behaviour.BLOCK_ARTIST}
    artists = {(user, target % N_ARTISTS) for user, how, target in refusals if how == Behaviour.BLOCK_ARTIST}
    return songs | {(user, song) for user, artist in artists for song in range(N_SONGS) if ARTIST_OF[song] == artist}


def pairs(frame: pl.DataFrame) -> Pairs:
    """User and song; of a video, mlog or playlist the song that it is made with, whose number it bears."""
    return set(frame.select(pl.col("user_id").cast(int), pl.col("item_id").cast(int)).rows())


def batch(cascade: Cascade, scenario: str) -> pl.DataFrame:
    with TemporaryDirectory() as folder:
        job = BatchJob(lambda: Recommender(cascade, ()), USERS, Path(folder) / "out.parquet", k=12, scenario=scenario, users_per_shard=11)
        for shard in job.missing():
            job.write_shard(job.open(), shard)
        job.join()
        return pl.read_parquet(job.out)


def check(refusals: list[Refusal]) -> None:
    built, refused = served(), forbidden(refusals)
    built.observe(after(refusals))
    for scenario in SCENARIOS:
        frame = Recommender(built, ()).recommend(USERS, 12, scenario)
        assert not refused & pairs(frame), scenario
        file = batch(built, scenario)
        assert not refused & pairs(file), scenario
        # What is sent is what is shown, whoever is asked together.
        assert file.equals(frame.select(file.columns)), scenario
        if scenario in KIND_SCENARIOS:
            assert set(frame["item_kind"]) <= {scenario}


acts = st.tuples(st.integers(0, N_USERS - 1), st.sampled_from(BLOCKING), st.integers(0, N_SONGS - 1))


@settings(max_examples=4, deadline=None)
@given(st.lists(acts, max_size=15), st.lists(acts, min_size=1, max_size=15))
def test_no_scenario_and_no_batch_file_holds_what_was_refused_before_or_after_it_was_warm(
    first: list[Refusal], then: list[Refusal]
) -> None:
    check(first)
    check(first + then)


@pytest.mark.parametrize("how", [Behaviour.DISLIKE, Behaviour.BLOCK_SONG, Behaviour.BLOCK_ARTIST])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_refusing_the_best_of_a_list_takes_it_out_and_lets_it_return_when_the_refusal_is_gone(scenario: str, how: Behaviour) -> None:
    built = served()
    built.observe(world())
    before = Recommender(built, ()).recommend(USERS, 10, scenario)
    top = before.filter(pl.col("rank") == 1).select(pl.col("user_id").cast(int), pl.col("item_id").cast(int)).rows()
    refusals = [(user, how, ARTIST_OF[song] if how == Behaviour.BLOCK_ARTIST else song) for user, song in top]
    built.observe(after(refusals))
    again = pairs(Recommender(built, ()).recommend(USERS, 10, scenario))
    assert again
    assert not forbidden(refusals) & again
    built.observe(world())
    assert Recommender(built, ()).recommend(USERS, 10, scenario).equals(before)
