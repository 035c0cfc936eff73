"""The measures of `benchmarks/marginals` on logs small enough to count by hand."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.behaviours import Behaviour
from etl.events import Events

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from marginals import measures as m
from marginals import recency as r
from marginals.plays import UNKNOWN_RELEASE, Plays

MONDAY = 4 * m.DAY
"""1970-01-05, midnight."""


def plays_of(songs_by_user: list[list[int]], ts: list[int] | None = None) -> Plays:
    """Plays of songs by listener, a minute apart unless `ts` says otherwise; nothing else is known."""
    users = np.repeat(np.arange(len(songs_by_user)), [len(songs) for songs in songs_by_user])
    songs = np.array([song for songs in songs_by_user for song in songs], dtype=np.int64)
    unknown = np.full(len(songs), -1)
    when = np.array(ts, dtype=np.int64) if ts is not None else np.arange(len(songs)) * 60
    return Plays(users, songs, when, unknown, unknown, unknown, np.full(len(songs), UNKNOWN_RELEASE))


def links(*pairs: tuple[int, str]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema={"song": pl.Int64, "value": pl.String}, orient="row")


def events_of(*rows: tuple[Behaviour, int, int]) -> Events:
    """Events of behaviour, scene and whether organic."""
    behaviour, scene, organic = (np.array(column, dtype=np.int8) for column in zip(*rows, strict=True))
    zeros = np.zeros(len(rows), dtype=np.int32)
    return Events(zeros, zeros, behaviour, zeros.astype(np.int64), scene.astype(np.int16), zeros, organic, zeros.astype(np.float32), zeros)


def test_a_repeat_is_an_earlier_play_by_the_same_listener() -> None:
    plays = plays_of([[1, 2, 1, 1], [1, 3]])
    assert m.heard_before(plays).tolist() == [False, False, True, True, False, False]
    assert m.repeat_share(plays) == pytest.approx(2 / 6)
    assert m.immediate_repeat_share(plays) == pytest.approx(1 / 6)


def test_the_last_tenth_counts_earlier_plays_as_past() -> None:
    plays = plays_of([[1, 2, 3, 4, 5, 6, 7, 8, 9, 1], [5]])
    assert m.repeat_share(plays, 0.1) == pytest.approx(1 / 2)  # one play of each listener


def test_the_last_play_of_one_listener_is_not_the_play_before_the_next_listeners_first() -> None:
    assert m.immediate_repeat_share(plays_of([[1, 2], [2, 1]])) == 0.0


def test_nothing_is_said_of_an_empty_log() -> None:
    plays = plays_of([])
    assert np.isnan([m.repeat_share(plays), m.immediate_repeat_share(plays), m.gini(m.plays_per_song(plays)), m.weekend_ratio(plays)]).all()


def test_gini_and_top_share_of_known_distributions() -> None:
    assert m.gini(np.array([5, 5, 5, 5])) == pytest.approx(0.0)
    assert m.gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert m.gini(np.array([1, 3])) == pytest.approx(0.25)
    assert m.top_share(np.array([1, 1, 6, 2]), 0.25) == pytest.approx(0.6)
    assert m.top_share(np.array([3, 7]), 0.001) == pytest.approx(0.7)  # at least one row


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40).filter(any))
def test_gini_is_the_mean_difference_of_pairs(counts: list[int]) -> None:
    values = np.array(counts)
    pairs = np.abs(values[:, None] - values[None, :]).mean()
    assert m.gini(values) == pytest.approx(pairs / (2 * values.mean()))


def test_distinct_songs_and_artists() -> None:
    plays = plays_of([[1, 2, 1], [3, 4]])
    assert m.distinct_per_user(plays).tolist() == [2, 2]
    assert m.distinct_per_user(plays, links((1, "a"), (2, "a"), (3, "b"))).tolist() == [1, 1]


def test_new_songs_from_known_artists() -> None:
    # Listener 0: song 1 (first: left out), 2 by the same artist (known), 3 (new artist), 1 (a repeat: no new song), 4 by a known one.
    plays = plays_of([[1, 2, 3, 1, 4], [2]])
    facts = links((1, "a"), (2, "a"), (3, "b"), (4, "b"), (4, "c"))
    assert m.new_from_known(plays, facts) == pytest.approx(2 / 3)
    assert m.new_from_known(plays, facts, last=0.2) == pytest.approx(1.0)
    assert np.isnan(m.new_from_known(plays, links()))


def test_a_song_without_an_artist_counts_as_unknown() -> None:
    assert m.new_from_known(plays_of([[1, 2, 9]]), links((1, "a"), (2, "a"))) == pytest.approx(1 / 2)


def test_sessions_end_after_thirty_minutes_of_silence_counted_from_the_end_of_a_play() -> None:
    plays = plays_of([[1, 2, 3], [4]], ts=[0, 1_800, 3_601, 3_700])
    assert m.sessions(plays).tolist() == [0, 0, 1, 2]
    heard = replace(plays, heard_ms=np.array([0, 60_000, 30_000, 0]))
    session = m.sessions(heard)
    assert session.tolist() == [0, 0, 0, 1]
    lengths, minutes = m.session_lengths(heard, session)
    assert lengths.tolist() == [3, 1]
    assert minutes.tolist() == pytest.approx([(3_601 + 30) / 60, 0.0])
    assert m.position_in_session(session).tolist() == [0, 1, 2, 0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20_000)), max_size=40))
def test_sessions_partition_the_plays(rows: list[tuple[int, int]]) -> None:
    ordered = sorted(rows)
    plays = replace(
        plays_of([[0] * len(ordered)], ts=[ts for _, ts in ordered]), user=np.array([user for user, _ in ordered], dtype=np.int64)
    )
    session = m.sessions(plays)
    lengths, _ = m.session_lengths(plays, session)
    assert lengths.sum() == len(plays)
    assert (np.bincount(session, minlength=0) == lengths).all() if len(plays) else not len(lengths)


def test_plays_left_early() -> None:
    plays = replace(plays_of([[1, 2, 3, 4]]), heard_ms=np.array([4_000, 20_000, 90_000, -1]), duration_ms=np.array([100_000] * 4))
    assert m.left_before(plays, seconds=5).tolist() == [True, False, False]
    assert m.left_before(plays, share=0.8).tolist() == [True, True, False]


def test_left_by_position_is_silent_where_few_plays_stand() -> None:
    many = replace(plays_of([[1]] * 60), heard_ms=np.full(60, 10), duration_ms=np.full(60, 100))
    rates = m.left_by_position(many, m.sessions(many), 0.8, 2)
    assert rates[0] == 1.0
    assert np.isnan(rates[1])


def test_hours_and_weekdays() -> None:
    plays = plays_of([[1, 2, 3]], ts=[MONDAY + 3_600, MONDAY + 3_700, MONDAY + 5 * m.DAY])
    assert m.by_hour(plays)[:2].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert m.by_weekday(plays)[[0, 5]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(m.by_weekday(plays)[1])


def test_torn_days_count_for_no_weekday() -> None:
    week = [MONDAY + day * m.DAY + minute for day in range(7) for minute in range(10)]
    torn = [MONDAY + 7 * m.DAY]
    plays = plays_of([[0] * 71], ts=week + torn)
    assert m.by_weekday(plays).tolist() == pytest.approx([1 / 7] * 7)
    assert m.weekend_ratio(plays) == pytest.approx(1.0)
    assert m.covered_days(plays) == 1.0
    assert m.covered_days(plays_of([[1, 1]], ts=[0, 9 * m.DAY])) == pytest.approx(0.2)


def test_new_releases_and_own_choice() -> None:
    plays = replace(
        plays_of([[1, 2, 3, 4]], ts=[40 * m.DAY] * 4),
        release_ts=np.array([20 * m.DAY, 0, UNKNOWN_RELEASE, 41 * m.DAY]),
        organic=np.array([1, 0, -1, 1]),
    )
    assert m.new_release_share(plays) == pytest.approx(1 / 3)
    assert m.organic_share(plays) == pytest.approx(2 / 3)


def test_hearts_a_play_and_clicks_an_exposure() -> None:
    shown, stream, own = 0, 1, 2
    events = events_of(
        (Behaviour.EXPOSURE, shown, 0), (Behaviour.EXPOSURE, shown, 0), (Behaviour.CLICK, shown, 0), (Behaviour.PLAY, shown, 0),
        (Behaviour.EXPOSURE, stream, 0), (Behaviour.PLAY, stream, 0), (Behaviour.CLICK, own, 1), (Behaviour.COLLECT, own, 1),
    )  # fmt: skip
    assert m.click_rate(events) == pytest.approx(1 / 2)  # the stream is shown without clicks, and own clicks follow no exposure
    assert m.per_play(events, Behaviour.COLLECT) == pytest.approx(1 / 2)
    assert np.isnan(m.per_play(events, Behaviour.SHARE))


def test_lags_in_plays_and_days_are_censored_at_the_end_of_the_listeners_log() -> None:
    plays = plays_of([[1, 2, 1, 3]], ts=[0, 10, 2 * m.DAY, 3 * m.DAY])
    lag, returned = r.lags_in_plays(plays)
    assert lag.tolist() == [2, 2, 1, 0]
    assert returned.tolist() == [True, False, False, False]
    days, again = r.lags_in_days(plays)  # in order of song and day
    assert days.tolist() == [2, 1, 3, 0]
    assert again.tolist() == [True, False, False, False]


def test_the_hazard_counts_returns_over_what_has_not_returned() -> None:
    hazard, at_risk = r.return_hazard(np.array([1, 2, 2, 3, 9]), np.array([True, True, False, True, True]), 3)
    assert at_risk.tolist() == [5, 4, 2]
    assert hazard.tolist() == pytest.approx([1 / 5, 1 / 4, 1 / 2])


@given(st.floats(0.2, 1.2), st.floats(0.01, 0.2))
def test_the_slope_of_an_exact_power_law_is_its_exponent(d: float, scale: float) -> None:
    lags = np.arange(1, 201)
    assert r.power_slope(scale * lags**-d, np.full(200, 1_000), 2, 200) == pytest.approx(d, abs=0.02)


def test_a_slope_needs_three_bins_with_returns() -> None:
    hazard = np.zeros(30)
    hazard[:2] = 0.5
    assert np.isnan(r.power_slope(hazard, np.full(30, 10), 2, 30))


def _file_plays(frame: pl.DataFrame) -> Plays:
    """Plays of a frame `user, song, ts` in each listener's order."""
    rows = frame.sort("user", "ts", maintain_order=True)
    plays = plays_of([[0] * rows.height])
    return replace(plays, user=rows["user"].to_numpy(), song=rows["song"].to_numpy(), ts=rows["ts"].to_numpy())


@pytest.mark.real_data
def test_repeats_of_xiami_as_published_with_it(data_dir: Path) -> None:
    lines = pl.read_csv(data_dir / "xiami" / "sequences.lst", has_header=False, new_columns=["user", "songs"])
    rows = lines.with_columns(song=pl.col("songs").str.split(":")).explode("song").with_columns(pl.col("song").cast(pl.Int64))
    plays = _file_plays(rows.with_row_index("ts").select("user", "song", pl.col("ts").cast(pl.Int64)))
    assert m.repeat_share(plays) == pytest.approx(0.51, abs=0.005)
    assert m.immediate_repeat_share(plays) == pytest.approx(0.16, abs=0.005)


@pytest.mark.real_data
def test_half_of_the_immediate_repeats_of_thirtymusic_are_rows_written_twice(data_dir: Path) -> None:
    rows = pl.read_csv(data_dir / "thirtymusic-sessions" / "events.tsv", separator="\t")
    rows = rows.select("user", song="track", ts="unix_time")
    assert m.repeat_share(_file_plays(rows)) == pytest.approx(0.18, abs=0.005)
    assert m.immediate_repeat_share(_file_plays(rows)) == pytest.approx(0.06, abs=0.005)
    once = _file_plays(rows.unique(maintain_order=True))
    assert m.repeat_share(once) == pytest.approx(0.156, abs=0.001)
    assert m.immediate_repeat_share(once) == pytest.approx(0.030, abs=0.001)
