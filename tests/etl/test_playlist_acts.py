"""What a simulated service tells of playlists, and that telling it changes nothing else."""

import polars as pl
import pytest

from etl.simulation.service import simulate
from etl.simulation.settings import SimulationSettings

Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return simulate(SimulationSettings(n_songs=400, n_users=80, n_days=10, seed=5))


def acts(tables: Tables) -> pl.DataFrame:
    return tables["events"].filter(pl.col("item_kind") == "playlist")


def test_playlists_are_opened_and_kept_in_their_scene(tables: Tables) -> None:
    found = acts(tables)
    assert set(found["behaviour"]) == {"click", "collect"}
    assert set(found["scene"]) == {"playlist"}
    assert found["item_id"].is_in(tables["playlists"]["playlist_id"].implode()).all()
    assert found["is_organic"].all()


def test_an_act_stands_with_a_play_of_one_of_the_playlists_songs_by_the_same_listener(tables: Tables) -> None:
    found = acts(tables).with_columns(of_play=pl.col("event_id").str.strip_suffix("p"))
    plays = tables["events"].filter(pl.col("behaviour") == "play").select("event_id", "user_id", "ts", song="item_id")
    joined = found.join(plays, left_on=["of_play", "user_id", "ts"], right_on=["event_id", "user_id", "ts"])
    assert joined.height == found.height
    holds = tables["playlist_songs"].select("playlist_id", "song_id")
    assert joined.join(holds, left_on=["item_id", "song"], right_on=["playlist_id", "song_id"]).height == found.height


def test_numbers_of_all_other_events_count_through(tables: Tables) -> None:
    others = tables["events"].filter(pl.col("item_kind") != "playlist")["event_id"]
    assert others.to_list() == [f"e{number:09d}" for number in range(len(others))]


def test_a_kept_playlist_was_opened_before(tables: Tables) -> None:
    found = acts(tables)
    opened = found.filter(pl.col("behaviour") == "click").group_by("user_id", "item_id").agg(opened=pl.col("ts").min())
    kept = found.filter(pl.col("behaviour") == "collect").join(opened, on=["user_id", "item_id"], how="left")
    assert kept.height > 0
    assert (kept["opened"] < kept["ts"]).all()


def test_where_playlists_cause_nothing_none_is_opened() -> None:
    assert acts(simulate(SimulationSettings(60, 20, 4, seed=1, preset="kg-useless"))).is_empty()
