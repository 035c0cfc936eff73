"""What stands in the truth's files, and that the mechanisms it names are those at work."""

from pathlib import Path

import polars as pl
import pytest

from etl.errors import UserError
from etl.simulation.service import run_simulation, simulate
from etl.simulation.settings import DAY, START_TS, SimulationSettings

SETTINGS = SimulationSettings(n_songs=400, n_users=120, n_days=12, seed=3, preset="robots")
Tables = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Tables of the database, and of the truth under `truth` and `truth.NAME`."""
    folder = tmp_path_factory.mktemp("truth")
    url = f"sqlite:///{folder / 'music.db'}"
    run_simulation(SETTINGS, url, folder / "truth.parquet")
    files = {path.name.removesuffix(".parquet"): pl.read_parquet(path) for path in folder.glob("*.parquet")}
    return files | {name: pl.read_database_uri(f"SELECT * FROM {name}", url, engine="adbc") for name in ("events", "comments", "users")}


def test_what_is_streamed_is_what_is_collected(written: Tables) -> None:
    collected = simulate(SETTINGS)
    assert written["truth"].equals(collected["truth"])
    assert written["events"]["event_id"].equals(collected["events"]["event_id"])
    columns = ["user_id", "item_id", "behaviour", "ts", "play_ms", "position"]
    assert written["events"].select(columns).equals(collected["events"].select(columns))
    assert written["comments"]["text"].equals(collected["comments"]["text"])


def test_the_truth_has_a_row_for_each_play_of_a_song(written: Tables) -> None:
    plays = written["events"].filter((pl.col("behaviour") == "play") & (pl.col("item_kind") == "song"))
    same = ["event_id", "user_id", "item_id", "ts"]
    assert written["truth"].select(same).equals(plays.select(same))
    assert written["truth"].columns == [*same, "cause", "evidence_event", "evidence_path", "is_robot"]


def test_evidence_is_an_event_before(written: Tables) -> None:
    linked = written["truth"].drop_nulls("evidence_event")
    assert linked.height > 0
    assert (linked["evidence_event"] < linked["event_id"]).all()
    assert linked["evidence_event"].is_in(written["truth"]["event_id"].implode()).all()


def test_comments_have_their_mood(written: Tables) -> None:
    comments = written["events"].filter(pl.col("behaviour") == "comment")
    assert written["truth.comments"]["event_id"].equals(comments["event_id"])
    assert set(written["truth.comments"]["mood"]) == {-1, 0, 1}
    assert (written["truth.comments"].filter(pl.col("is_ironic"))["mood"] == -1).all()


def test_spurious_facts_are_on_no_path(written: Tables) -> None:
    spurious = written["truth.spurious"]
    assert set(spurious["relation"]) == {"SOUNDTRACK_OF", "COMPETED_IN"}
    forth = spurious.select(pl.format("{} {} {}", "head", "relation", "tail")).to_series()
    back = spurious.select(pl.format("{} <{} {}", "tail", "relation", "head")).to_series()
    paths = written["truth"]["evidence_path"]
    assert paths.str.contains("SOUNDTRACK_OF").any()
    assert not any(paths.str.contains(hop, literal=True).any() for hop in (*forth, *back))


def test_interests_cover_the_period_without_gaps(written: Tables) -> None:
    interests = written["truth.interests"]
    assert set(interests["user_id"]) == set(written["users"]["user_id"])
    ordered = interests.with_columns(before=pl.col("until_ts").shift(1).over("user_id", "interest"))
    assert ordered.filter(pl.col("before").is_null())["from_ts"].unique().to_list() == [START_TS]
    later = ordered.drop_nulls("before")
    assert (later["before"] == later["from_ts"]).all()
    counts = interests.group_by("user_id").agg(pl.col("interest").n_unique(), last=pl.col("until_ts").is_null().sum())
    assert counts["interest"].is_between(2, 4).all()
    # The third and fourth interest may be given up for good.
    assert (counts["last"] <= counts["interest"]).all()
    assert counts["last"].min() >= 2


def test_robots_play_without_causes_and_some_listeners_only_at_night(written: Tables) -> None:
    truth = written["truth"]
    assert (truth["is_robot"] == (truth["cause"] == "robot")).all()
    share = truth.group_by("user_id").agg(pl.col("is_robot").mean(), n=pl.len()).filter(pl.col("is_robot") > 0)
    whole, part = share.filter(pl.col("is_robot") == 1), share.filter(pl.col("is_robot") < 1)
    assert whole.height > 0
    assert part.height > 0
    nights = truth.filter("is_robot").join(part, on="user_id")
    hour = (nights["ts"] - START_TS) % DAY / 3600
    assert ((hour >= 23) | (hour < 9)).all()
    assert (whole["n"] > 20 * SETTINGS.n_days).any()


def test_robots_neither_refuse_nor_are_they_all_alike(written: Tables) -> None:
    accounts = written["truth"].group_by("user_id").agg(pl.col("is_robot").mean()).filter(pl.col("is_robot") == 1)["user_id"]
    events = written["events"].filter(pl.col("user_id").is_in(accounts.implode()))
    assert set(events["behaviour"]) <= {"play", "click", "collect"}
    songs = events.group_by("user_id").agg(pl.col("item_id").n_unique())["item_id"]
    assert songs.n_unique() > 2


def test_interests_change_more_where_they_drift(tmp_path: Path) -> None:
    def versions(preset: str) -> float:
        run_simulation(SimulationSettings(100, 40, 10, preset=preset), f"sqlite:///{tmp_path / preset}.db", tmp_path / f"{preset}.parquet")
        interests = pl.read_parquet(tmp_path / f"{preset}.interests.parquet")
        return interests.height / interests.select(pl.struct("user_id", "interest").n_unique()).item()

    assert versions("drift") > 2 * versions("default")


def test_hidden_tastes_name_no_facet(tmp_path: Path) -> None:
    run_simulation(SimulationSettings(60, 12, 2, preset="kg-useless"), f"sqlite:///{tmp_path}/music.db", tmp_path / "truth.parquet")
    interests = pl.read_parquet(tmp_path / "truth.interests.parquet")
    assert interests["style"].str.starts_with("hidden ").all()
    assert interests["artists"].explode().drop_nulls().str.starts_with("hidden ").all()


def test_a_filled_database_is_refused_before_anything_is_simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small, url = SimulationSettings(60, 12, 1), f"sqlite:///{tmp_path}/music.db"
    run_simulation(small, url)
    monkeypatch.setattr("etl.simulation.service.Engine", None)
    with pytest.raises(UserError, match="already holds the table"):
        run_simulation(small, url, tmp_path / "truth.parquet")
    assert not (tmp_path / "truth.parquet").exists()


def test_progress_counts_the_days(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    run_simulation(SimulationSettings(60, 12, 3), f"sqlite:///{tmp_path}/music.db", tell=lambda *news: told.append(news))
    assert told == [("simulate", day, 3) for day in range(4)]


def test_sessions_fit_their_days_and_do_not_overlap() -> None:
    events = simulate(SimulationSettings(100, 60, 6, seed=2))["events"]
    hour = (events["ts"] - START_TS) / 3600
    assert hour.min() >= 4
    assert hour.max() < 6 * 24 + 4
    gaps = events.filter(pl.col("behaviour") == "play").select((pl.col("ts").diff().over("user_id")).alias("gap"))["gap"]
    assert gaps.drop_nulls().min() > 0
