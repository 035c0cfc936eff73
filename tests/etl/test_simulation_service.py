import sqlite3
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from etl.contract import TABLES
from etl.errors import UserError
from etl.simulation.service import run_simulation, simulate
from etl.simulation.settings import CAUSES, START_TS, SimulationSettings

SETTINGS = SimulationSettings(n_songs=600, n_users=160, n_days=20, seed=5)
Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def tables() -> Tables:
    return simulate(SETTINGS)


@pytest.fixture(scope="module")
def plays(tables: Tables) -> pl.DataFrame:
    """Plays of songs in order, with the share heard, whether the song was played before, and the cause."""
    songs = tables["songs"].select("song_id", "duration_ms", "release_date")
    events = tables["events"].filter((pl.col("behaviour") == "play") & (pl.col("item_kind") == "song"))
    joined = events.join(songs, left_on="item_id", right_on="song_id").join(tables["truth"].drop("ts", "user_id", "item_id"), on="event_id")
    again = ~pl.struct("user_id", "item_id").is_first_distinct()
    return joined.sort("event_id").with_columns(again=again, share=pl.col("play_ms") / pl.col("duration_ms"))


def test_every_table_of_the_contract_is_filled(tables: Tables) -> None:
    assert set(tables) == {*TABLES, "truth"}
    assert [name for name, frame in tables.items() if frame.is_empty()] == []


def test_columns_are_those_of_the_contract(tables: Tables) -> None:
    extras = {"users": {"gender", "birth_year", "country", "signup_at"}, "events": {"position"}}
    for name, table in TABLES.items():
        assert set(tables[name].columns) <= set(table.names) | extras.get(name, set())
        assert {column.name for column in table.columns if column.required} <= set(tables[name].columns)


def test_no_id_dangles(tables: Tables) -> None:
    known = {"song": "songs.song_id", "album": "albums.album_id", "artist": "artists.artist_id", "drama": "dramas.drama_id"}
    known |= {"show": "variety_shows.show_id", "mv": "mvs.mv_id", "mlog": "mlogs.mlog_id", "playlist": "playlists.playlist_id"}
    known["user"] = "users.user_id"
    ids = {kind: tables[where.split(".")[0]][where.split(".")[1]] for kind, where in known.items()}
    for column in ids.values():
        assert column.n_unique() == len(column)
    for name, table in TABLES.items():
        for column in table.columns:
            if column.refers and column.name in tables[name].columns:
                assert tables[name][column.name].drop_nulls().is_in(ids[column.refers].implode()).all(), (name, column.name)
    for kind, rows in tables["events"].group_by("item_kind"):
        assert rows["item_id"].is_in(ids[str(kind[0])].implode()).all()
    assert tables["events"]["user_id"].is_in(ids["user"].implode()).all()


def test_keys_are_unique(tables: Tables) -> None:
    for name, table in TABLES.items():
        key = [column for column in table.key if column in tables[name].columns]
        assert tables[name].select(key).is_duplicated().sum() == 0, name


def test_same_seed_same_world_and_another_seed_another() -> None:
    small = SimulationSettings(60, 12, 3, seed=1)
    first, second = simulate(small), simulate(small)
    assert all(first[name].equals(second[name]) for name in first)
    other = simulate(SimulationSettings(60, 12, 3, seed=2))
    assert not other["events"].equals(first["events"])


def test_events_are_in_order_and_within_the_days(tables: Tables) -> None:
    events = tables["events"]
    assert events["ts"].is_sorted()
    assert events["event_id"].is_sorted()
    assert events["ts"].min() >= START_TS
    assert events["ts"].max() < START_TS + (SETTINGS.n_days + 1) * 86_400


def test_about_half_of_the_plays_are_repeats(plays: pl.DataFrame) -> None:
    assert 0.35 < plays["again"].mean() < 0.65
    assert plays.filter(pl.col("cause") == "repeat")["again"].all()


def test_repeats_prefer_the_recent(plays: pl.DataFrame) -> None:
    before = pl.col("ts").shift(1).over("user_id", "item_id")
    at_once = pl.col("item_id").shift(1).over("user_id") == pl.col("item_id")
    repeats = plays.with_columns(gap=(pl.col("ts") - before) / 86_400, at_once=at_once).filter(pl.col("cause") == "repeat")
    later = repeats.filter(~pl.col("at_once"))["gap"]
    assert (later < 2).sum() > (later > 10).sum() > 0
    assert later.min() >= 0.25 / 24
    assert 0.05 < repeats["at_once"].mean() < 0.4


def test_every_cause_occurs(tables: Tables) -> None:
    assert set(tables["truth"]["cause"]) == set(CAUSES)


def test_every_behaviour_and_scene_occurs(tables: Tables) -> None:
    events = tables["events"]
    assert {"exposure", "click", "play", "collect", "download", "share", "comment", "dislike", "block_song"} <= set(events["behaviour"])
    assert {"full_play", "skip"}.isdisjoint(events["behaviour"])
    assert set(events["scene"]) == {"daily", "fm", "mv", "playlist", "album", "search", "library"}
    assert set(events.filter(pl.col("behaviour") == "exposure")["scene"]) == {"daily", "fm", "mv"}


def test_full_plays_and_skips_emerge(plays: pl.DataFrame) -> None:
    assert 0.4 < (plays["share"] >= 0.8).mean() < 0.85
    assert 0.05 < ((plays["play_ms"] < 30_000) & (plays["share"] < 0.5)).mean() < 0.35
    assert plays["share"].max() <= 1.0
    assert plays["play_ms"].min() > 0


def test_nothing_is_heard_before_its_release(plays: pl.DataFrame) -> None:
    released = plays["release_date"].str.to_date().dt.epoch("s")
    assert (plays["ts"] >= released).all()
    assert (plays["release_date"] >= "2025-03-01").any()


def test_evidence_is_an_earlier_play_of_the_path(plays: pl.DataFrame) -> None:
    linked = plays.filter(pl.col("evidence_event").is_not_null())
    earlier = plays.select(pl.col("event_id").alias("evidence_event"), heard="item_id", heard_at="ts", heard_by="user_id")
    joined = linked.join(earlier, on="evidence_event", how="left")
    assert joined["heard"].null_count() == 0
    assert (joined["heard_at"] < joined["ts"]).all()
    own = joined.filter(pl.col("cause") != "friend")
    assert (own["heard_by"] == own["user_id"]).all()
    assert (own["evidence_path"].str.split(" ").list.first() == "song:" + own["heard"]).all()


def test_paths_end_at_the_song_and_start_at_evidence(plays: pl.DataFrame) -> None:
    facts = plays.filter(pl.col("cause").is_in(["artist", "album", "style", "drama", "show"]))
    assert (facts["evidence_path"].str.split(" ").list.last() == "song:" + facts["item_id"]).all()
    assert facts["evidence_event"].null_count() == 0
    nothing = plays.filter(pl.col("cause").is_in(["interest", "popularity", "chance", "recommended"]))
    assert (nothing["evidence_path"] == "").all()


def hops(paths: pl.Series) -> set[tuple[str, str, str]]:
    """Every hop of the paths as an edge in its own direction."""
    found = set()
    for path in paths:
        parts = path.split(" ")
        for head, relation, tail in zip(parts[:-2:2], parts[1::2], parts[2::2], strict=True):
            found.add((tail, relation[1:], head) if relation.startswith("<") else (head, relation, tail))
    return found


def key(kind: str, column: str) -> pl.Expr:
    return pl.format(kind + ":{}", column)


def relation(frame: pl.DataFrame, head: pl.Expr, name: str, tail: pl.Expr) -> pl.DataFrame:
    return frame.select(head=head, relation=pl.lit(name), tail=tail)


def edges(tables: Tables) -> set[tuple[str, str, str]]:
    """Facts of the tables as edges."""
    soundtracks, shows = tables["soundtracks"], tables["show_appearances"]
    season = pl.format("season:{}/{}", "show_id", "season")
    songs, styles = tables["songs"], tables["song_tags"].filter(pl.col("kind") == "style")
    frames = [
        relation(songs, key("song", "song_id"), "IN_ALBUM", key("album", "album_id")),
        relation(tables["song_artists"], key("song", "song_id"), "SUNG_BY", key("artist", "artist_id")),
        relation(styles, key("song", "song_id"), "HAS_STYLE", key("style", "tag")),
        relation(tables["playlist_songs"], key("song", "song_id"), "IN_PLAYLIST", key("playlist", "playlist_id")),
        relation(soundtracks.drop_nulls("album_id"), key("album", "album_id"), "SOUNDTRACK_OF", key("drama", "drama_id")),
        relation(soundtracks.drop_nulls("song_id"), key("song", "song_id"), "SOUNDTRACK_OF", key("drama", "drama_id")),
        relation(shows, key("artist", "artist_id"), "COMPETED_IN", season),
        relation(shows, season, "SEASON_OF", key("show", "show_id")),
        relation(tables["friends"], key("user", "user_id"), "FRIEND_OF", key("user", "friend_id")),
    ]
    return {row for frame in frames for row in frame.rows()}


def test_every_hop_of_a_path_is_a_fact_of_the_tables(tables: Tables) -> None:
    assert hops(tables["truth"].filter(pl.col("evidence_path") != "")["evidence_path"]) <= edges(tables)


def test_some_facts_cause_nothing(tables: Tables) -> None:
    walked = hops(tables["truth"].filter(pl.col("cause").is_in(["drama", "show"]))["evidence_path"])
    for relation in ("SOUNDTRACK_OF", "COMPETED_IN"):
        facts = {edge for edge in edges(tables) if edge[1] == relation}
        assert 0 < len(facts - walked) < len(facts)


def test_a_drama_brings_together_singers_of_different_styles(tables: Tables) -> None:
    songs = tables["songs"].join(tables["soundtracks"].drop_nulls("album_id").drop("song_id"), on="album_id")
    singers = songs.join(tables["song_artists"], on="song_id").group_by("drama_id").agg(pl.col("artist_id").n_unique())
    assert singers["artist_id"].min() >= 3


def test_refused_songs_and_artists_are_not_heard_again(tables: Tables) -> None:
    events = tables["events"].with_row_index()
    refusals = events.filter(pl.col("behaviour").is_in(["dislike", "block_song"])).select("user_id", "item_id", refused="index")
    songs = events.filter((pl.col("behaviour") == "play") & (pl.col("item_kind") == "song"))
    assert refusals.height > 0
    assert songs.join(refusals, on=["user_id", "item_id"]).filter(pl.col("index") > pl.col("refused")).is_empty()
    blocked = events.filter(pl.col("behaviour") == "block_artist").select("user_id", artist_id="item_id", refused="index")
    by_artist = songs.join(tables["song_artists"], left_on="item_id", right_on="song_id").join(blocked, on=["user_id", "artist_id"])
    assert by_artist.filter(pl.col("index") > pl.col("refused")).is_empty()


def test_a_comment_event_has_its_comment(tables: Tables) -> None:
    events = tables["events"].filter(pl.col("behaviour") == "comment").select("user_id", pl.col("item_id").alias("song_id"), "ts")
    assert events.equals(tables["comments"].select("user_id", "song_id", "ts"))
    assert tables["comments"]["text"].n_unique() > 20


def test_clicks_follow_what_the_listener_heard_lately(tables: Tables, plays: pl.DataFrame) -> None:
    """Exposures with the artist or style of a full play of the three days before are clicked more."""
    styles = tables["song_tags"].filter(pl.col("kind") == "style").select("song_id", "tag")
    singers = tables["song_artists"].filter(pl.col("role") == "singer").select("song_id", "artist_id")
    facets = styles.join(singers, on="song_id")
    daily = tables["events"].filter(pl.col("scene") == "daily").join(facets, left_on="item_id", right_on="song_id")
    clicks = daily.filter(pl.col("behaviour") == "click").select("user_id", "item_id", clicked="ts")
    shown = daily.filter(pl.col("behaviour") == "exposure").join(clicks, on=["user_id", "item_id"], how="left")
    hit = ((pl.col("clicked") - pl.col("ts")).is_between(0, 7200)).fill_null(False)
    shown = shown.group_by("event_id").agg(pl.first("user_id", "ts", "tag", "artist_id"), hit=hit.max())
    full = plays.filter(pl.col("share") >= 0.8).join(facets, left_on="item_id", right_on="song_id").rename({"ts": "heard"})
    for facet in ("artist_id", "tag"):
        near = (pl.col("ts") - pl.col("heard")).is_between(1, 3 * 86_400)
        matches = shown.join(full.select("user_id", facet, "heard"), on=["user_id", facet]).filter(near)["event_id"].unique()
        known = pl.col("event_id").is_in(matches.implode())
        assert shown.filter(known)["hit"].mean() > 1.5 * shown.filter(~known)["hit"].mean()


def test_some_listeners_have_a_profile_and_no_events(tables: Tables) -> None:
    without = tables["users"].join(tables["events"], on="user_id", how="anti")
    assert 0 < without.height < 0.3 * SETTINGS.n_users


def test_profiles_say_something_about_taste(tables: Tables) -> None:
    plays = tables["events"].filter(pl.col("behaviour") == "play").join(tables["songs"], left_on="item_id", right_on="song_id")
    plays = plays.join(tables["users"], on="user_id")
    share = {country: (rows["language"] == "English").mean() for (country,), rows in plays.group_by("country")}
    assert share["US"] > 1.5 * share["CN"]


def test_facts_cause_nothing_where_they_are_useless() -> None:
    causes = set(simulate(SimulationSettings(200, 60, 8, 1, "kg-useless"))["truth"]["cause"])
    assert causes == {"repeat", "interest", "friend", "popularity", "chance", "recommended"}


def fact_share(truth: pl.DataFrame) -> float:
    return float(truth.filter(pl.col("cause") != "recommended")["cause"].is_in(["drama", "show", "artist"]).mean())


def test_facts_cause_more_where_they_are_strong(tables: Tables) -> None:
    strong = simulate(replace(SETTINGS, preset="kg-strong"))["truth"]
    assert fact_share(strong) > 1.3 * fact_share(tables["truth"])


def test_the_smallest_world_holds_every_kind() -> None:
    tables = simulate(SimulationSettings(40, 2, 1, seed=3))
    kinds = ("songs", "albums", "artists", "dramas", "soundtracks", "variety_shows", "show_appearances", "mvs", "mlogs", "playlists")
    assert all(tables[name].height for name in kinds)


def test_settings_refuse_what_cannot_be_simulated() -> None:
    with pytest.raises(UserError, match="knows default, kg-strong, kg-useless"):
        SimulationSettings(preset="kg-medium")
    with pytest.raises(UserError, match="n_songs = 5 is too small"):
        SimulationSettings(n_songs=5)
    with pytest.raises(UserError, match="negative"):
        SimulationSettings(seed=-1)


def test_run_simulation_writes_database_truth_and_config(tmp_path: Path) -> None:
    truth = tmp_path / "truth.parquet"
    message = run_simulation(SimulationSettings(60, 12, 3), f"sqlite:///{tmp_path}/music.db", truth)
    assert "60 songs" in message
    assert "truth.parquet" in message
    assert 'split = "time"' in (tmp_path / "kg-recall.toml").read_text()
    with sqlite3.connect(tmp_path / "music.db") as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        n_plays = connection.execute("SELECT COUNT(*) FROM events WHERE behaviour = 'play' AND item_kind = 'song'").fetchone()[0]
    assert names == set(TABLES)
    assert pl.read_parquet(truth).height == n_plays


def test_a_truth_file_that_cannot_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name a place you may write to"):
        run_simulation(SimulationSettings(60, 12, 1), f"sqlite:///{tmp_path}/music.db", tmp_path / "nowhere" / "truth.parquet")


def twin_outcomes(tables: Tables) -> pl.DataFrame:
    """Whether each play is a full one and whether it is a skip, by the default rules."""
    songs = tables["songs"].select(pl.col("song_id").alias("item_id"), "duration_ms")
    plays = tables["events"].filter((pl.col("behaviour") == "play") & (pl.col("item_kind") == "song"))
    share = pl.col("play_ms") / pl.col("duration_ms")
    plays = plays.join(songs, on="item_id", how="left", maintain_order="left")
    return plays.select("event_id", full=share >= 0.8, skip=(pl.col("play_ms") < 30_000) & (share < 0.5))


def test_skips_rise_within_a_session(plays: pl.DataFrame) -> None:
    people = plays.filter(~pl.col("is_robot")).with_columns(gap=pl.col("ts").diff().over("user_id"))
    people = people.with_columns(session=(pl.col("gap").is_null() | (pl.col("gap") > 1800)).cum_sum().over("user_id"))
    places = people.with_columns(place=pl.int_range(pl.len()).over("user_id", "session"), skip=pl.col("play_ms") < 30_000)
    assert places.filter(pl.col("place") >= 8)["skip"].mean() > 1.15 * places.filter(pl.col("place") <= 1)["skip"].mean()


def test_the_skipped_song_is_wanted_less_than_the_one_heard_out(plays: pl.DataFrame, tables: Tables) -> None:
    """Outcomes stand before songs are drawn, and yet tell of taste: skips fall on artists who are otherwise played less."""
    new = plays.filter(~pl.col("again"), ~pl.col("is_robot")).join(
        tables["song_artists"].filter(pl.col("role") == "singer"), left_on="item_id", right_on="song_id"
    )
    kept = new.filter(pl.col("share") >= 0.8).group_by("user_id", "artist_id").len(name="kept")
    joined = new.join(kept, on=["user_id", "artist_id"], how="left").with_columns(pl.col("kept").fill_null(0))
    others = joined.with_columns(pl.col("kept") - (pl.col("share") >= 0.8).cast(pl.Int64))
    skip = pl.col("play_ms") < 30_000
    assert others.filter(~skip)["kept"].mean() > 1.2 * others.filter(skip)["kept"].mean()


def test_twin_worlds_differ_in_the_songs_alone() -> None:
    """What facts are worth is read off two worlds where people, catalogue, times and behaviours are the same.

    But for what is done with playlists, which follows from where songs come from: where none comes from a playlist, none is opened.
    """
    strong, useless = (simulate(replace(SETTINGS, n_days=12, preset=preset)) for preset in ("kg-strong", "kg-useless"))
    strong["events"] = strong["events"].filter(pl.col("item_kind") != "playlist")
    for name in strong.keys() - {"events", "comments", "truth"} - {table for table in strong if table.startswith("truth")}:
        assert strong[name].equals(useless[name]), name
    shared = ["event_id", "user_id", "behaviour", "ts", "item_kind", "scene", "is_organic", "position"]
    assert strong["events"].select(shared).equals(useless["events"].select(shared))
    assert (strong["events"]["item_id"] != useless["events"]["item_id"]).mean() > 0.5
    shown = strong["comments"].select("user_id", "ts")
    assert shown.equals(useless["comments"].select("user_id", "ts"))
    assert twin_outcomes(strong).equals(twin_outcomes(useless))


def test_links_make_half_of_new_organic_plays_where_they_are_strong() -> None:
    linked = ["artist", "album", "style", "drama", "show"]
    for preset, low, high in (("kg-strong", 0.4, 0.6), ("kg-useless", 0.0, 0.0)):
        chosen = ~pl.col("cause").is_in(["repeat", "recommended"]) & ~pl.col("is_robot")
        causes = simulate(replace(SETTINGS, preset=preset))["truth"].filter(chosen)["cause"]
        assert low <= causes.is_in(linked).mean() <= high, preset


def test_robots_are_told_in_the_truth() -> None:
    tables = simulate(replace(SETTINGS, preset="robots"))
    truth = tables["truth"]
    assert 0.02 < truth["is_robot"].mean() < 0.9
    assert truth.filter(pl.col("is_robot"))["user_id"].n_unique() < 0.2 * SETTINGS.n_users
