"""Themed playlists: what fits, how near, and what changes from one period to the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from small_house import house, random_plays

from etl.errors import UserError
from graph.projection import Projection
from recall.snapshot import Snapshot
from recall.theme_settings import ThemeSettings
from recall.themes import mean_cosines, themed_playlists

N_SONGS, WEEK = 120, 7 * 86_400
SETTINGS = ThemeSettings(size=30, least=20)


def world(*, tagged: bool = True, styled: bool = True) -> Snapshot:
    """Folk songs 0–79 (0–59 of them calm at night), rock songs 80–119 (80–89 calm at night); vectors go by style."""
    base = house(
        random_plays(2, 600, 20, N_SONGS), n_users=20, n_songs=N_SONGS, artists=[song % 15 for song in range(N_SONGS)], ordinal=False
    )
    keys = [*base.projection.keys.tolist(), "style:folk", "style:rock", "tag:scene/night", "tag:emotion/calm"]
    folk, rock, night, calm = range(len(keys) - 4, len(keys))
    facts = base.projection.facts
    head, tail = facts.head.tolist(), facts.tail.tolist()
    relation = [base.projection.relations[code] for code in facts.relation]
    for song in range(N_SONGS):
        ends = [("HAS_STYLE", folk if song < 80 else rock)] if styled else []
        ends += [("TAGGED", night), ("TAGGED", calm)] if tagged and (song < 60 or 80 <= song < 90) else []
        for name, node in ends:
            head.append(song), relation.append(name), tail.append(node)
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 0.3, (len(keys), 8)).astype(np.float32)
    vectors[:80, 0] += 1
    vectors[80:N_SONGS, 1] += 1
    songs = base.catalogue.songs.with_columns(title=pl.col("song_id"), artist=pl.lit("someone"))
    entities = pl.DataFrame({"key": keys, "kind": [key.split(":")[0] for key in keys], "name": keys})
    projection = Projection.build(keys, keys, N_SONGS, head, relation, tail)
    return replace(base, catalogue=replace(base.catalogue, songs=songs, entities=entities), projection=projection, vectors=vectors)


def test_a_theme_of_enough_songs_is_written_and_another_is_named() -> None:
    found = themed_playlists(world(), SETTINGS)
    assert found.themes.select("style", "scene", "emotion").rows() == [("folk", "night", "calm")]
    assert found.left_out.select("style", "scene", "emotion").rows() == [("rock", "night", "calm")]
    assert SETTINGS.least <= len(found.song) <= SETTINGS.size
    assert (found.song < 60).all()
    assert len(np.unique(found.song)) == len(found.song)


def test_its_songs_lie_nearer_to_each_other_than_songs_do() -> None:
    found = themed_playlists(world(), SETTINGS)
    assert found.themes["coherence"][0] > found.of_random + 0.1


def test_the_same_moment_gives_the_same_playlist_and_the_next_week_another_part() -> None:
    snapshot = world()
    first, again, next_week = (themed_playlists(replace(snapshot, now=snapshot.now + days), SETTINGS) for days in (0, 0, WEEK))
    assert first.song.tolist() == again.song.tolist()
    assert_frame_equal(first.themes, again.themes)
    both = np.isin(first.song, next_week.song).sum()
    assert len(first.song) / 2 <= both < len(first.song)


def test_where_all_places_are_kept_nothing_changes() -> None:
    snapshot, settings = world(), replace(SETTINGS, kept_share=1.0)
    now, later = (themed_playlists(replace(snapshot, now=snapshot.now + days, ordinal=True), settings) for days in (0, WEEK))
    assert now.song.tolist() == later.song.tolist()


def test_an_artist_has_her_share() -> None:
    found = themed_playlists(world(), SETTINGS)
    assert np.bincount(found.song % 15).max() <= SETTINGS.per_artist


def test_where_nothing_is_known_of_scene_and_emotion_a_style_is_a_theme() -> None:
    found = themed_playlists(world(tagged=False), SETTINGS)
    assert found.themes["style"].to_list() == ["folk", "rock"]
    assert found.themes["scene"].null_count() == 2


def test_without_styles_or_vectors_one_line_says_so() -> None:
    with pytest.raises(UserError, match="need styles"):
        themed_playlists(world(styled=False), SETTINGS)
    with pytest.raises(UserError, match="kg-recall embed"):
        themed_playlists(replace(world(), vectors=None), SETTINGS)


def test_a_playlist_larger_than_allowed_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="less than least"):
        ThemeSettings(size=10)


def test_mean_cosine_of_pairs() -> None:
    unit = np.array([[1.0, 0], [0, 1], [1, 0], [1, 0]])
    assert mean_cosines(unit, np.array([0, 0, 1, 1]), 2).tolist() == [0, 1]
