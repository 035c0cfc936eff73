"""What a listening log looks like: repeats, popularity, activity, sessions, skips, discovery; pure functions over columns.

Every function returns `nan` where the log says nothing of what it measures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.behaviours import Behaviour
from etl.events import Events
from marginals.plays import UNKNOWN_RELEASE, Ints, Mask, Plays

Floats = npt.NDArray[np.float64]
SESSION_GAP = 1_800
"""Seconds of silence after which a play begins a new session."""
DAY = 86_400


def heard_before(plays: Plays) -> Mask:
    """Whether the listener has an earlier play of the same song, `[n]`."""
    frame = pl.DataFrame({"user": plays.user, "song": plays.song})
    return np.asarray(~frame.select(pl.struct("user", "song").is_first_distinct()).to_series().to_numpy())


def repeat_share(plays: Plays, last: float = 1.0) -> float:
    """Plays of a song that the listener has played before, over all plays.

    Args:
        plays: the log.
        last: measure only the last share of each listener's plays; earlier ones count as past.
    """
    return _mean(heard_before(plays)[_late(plays, last)])


def immediate_repeat_share(plays: Plays) -> float:
    """Plays of the very song that the listener played just before, over all plays."""
    again = (plays.user[1:] == plays.user[:-1]) & (plays.song[1:] == plays.song[:-1])
    return float(again.sum() / len(plays)) if len(plays) else float("nan")


def gini(counts: Ints) -> float:
    """Gini coefficient of `counts` `[n]`: 0 all equal, near 1 one has everything."""
    ranked = np.sort(counts).astype(np.float64)
    n, total = len(ranked), ranked.sum()
    return float((2 * np.arange(1, n + 1) - n - 1) @ ranked / (n * total)) if total > 0 else float("nan")


def top_share(counts: Ints, share: float) -> float:
    """What the `share` of rows (at least one) with the highest of `counts` `[n]` hold of the sum."""
    top = max(1, round(share * len(counts)))
    return float(np.sort(counts)[::-1][:top].sum() / counts.sum()) if counts.sum() > 0 else float("nan")


def plays_per_song(plays: Plays) -> Ints:
    """Plays of each song that has any, in order of song id."""
    return np.unique(plays.song, return_counts=True)[1].astype(np.int64)


def distinct_per_user(plays: Plays, links: pl.DataFrame | None = None) -> Floats:
    """Distinct songs of each listener with plays, or with `links` (`song, value`) distinct values; in order of user id."""
    frame = pl.DataFrame({"user": plays.user, "song": plays.song})
    if links is None:
        counted = frame.group_by("user").agg(n=pl.col("song").n_unique())
    else:
        counted = frame.unique().join(links, on="song", how="left").group_by("user").agg(n=pl.col("value").drop_nulls().n_unique())
    return counted.sort("user")["n"].to_numpy().astype(np.float64)


def new_from_known(plays: Plays, links: pl.DataFrame, last: float = 1.0) -> float:
    """New songs with a value (artist, album) that the listener has heard before in another song, over all new songs.

    A listener's first play is left out: there is nothing that it could be known from. Songs without a value count as unknown.

    Args:
        plays: the log.
        links: `song, value`, one row a fact.
        last: measure only the last share of each listener's plays; earlier ones count as past.
    """
    if links.is_empty():
        return float("nan")
    rows = pl.DataFrame({"row": np.arange(len(plays)), "user": plays.user, "song": plays.song})
    valued = rows.join(links, on="song").with_columns(first=pl.col("row").min().over("user", "value"))
    known = np.zeros(len(plays), dtype=bool)
    known[valued.filter(pl.col("first") < pl.col("row"))["row"].to_numpy()] = True
    return _mean(known[~heard_before(plays) & _late(plays, last) & (plays.place > 0)])


def sessions(plays: Plays, gap: int = SESSION_GAP) -> Ints:
    """Number of the session of each play, `[n]`: a new one where the listener changes or was silent for `gap` seconds.

    Silence runs from the end of the last play (its start plus what was heard, 0 where not logged) to the start of the next.
    """
    end = plays.ts + np.maximum(plays.heard_ms, 0) // 1000
    new = (plays.user[1:] != plays.user[:-1]) | (plays.ts[1:] - end[:-1] > gap)
    return np.concatenate([[0], np.cumsum(new)])[: len(plays)]


def session_lengths(plays: Plays, session: Ints) -> tuple[Ints, Floats]:
    """Plays of each session, and its minutes from the first start to the end of the last play (its start where not logged)."""
    starts = np.flatnonzero(np.append(True, session[1:] != session[:-1])[: len(session)])
    plays_in = np.diff(np.append(starts, len(session)))
    lasts = starts + plays_in - 1
    end = plays.ts[lasts] + np.maximum(plays.heard_ms[lasts], 0) / 1000
    return plays_in, (end - plays.ts[starts]) / 60


def position_in_session(session: Ints) -> Ints:
    """Plays of the same session before each play, `[n]`."""
    starts = np.flatnonzero(np.append(True, session[1:] != session[:-1])[: len(session)])
    return np.arange(len(session)) - starts[session]


def left_before(plays: Plays, *, seconds: float | None = None, share: float | None = None) -> Mask:
    """Plays left before `seconds`, or before `share` of the song's length, among those where both are known, `[known]`."""
    known = (plays.heard_ms >= 0) & (plays.duration_ms > 0)
    heard, length = plays.heard_ms[known], plays.duration_ms[known]
    return np.asarray(heard < (1000 * seconds if seconds is not None else (share or 0.0) * length))


def left_by_position(plays: Plays, session: Ints, share: float, n: int = 15) -> Floats:
    """Share of plays left before `share` of the song, by place in the session, `[n]`; nan where fewer than 50 plays have it."""
    known = (plays.heard_ms >= 0) & (plays.duration_ms > 0)
    place = position_in_session(session)[known]
    return mean_by(place, left_before(plays, share=share).astype(np.float64), n, 50)


def mean_by(group: Ints, values: Floats, n: int, least: int = 1) -> Floats:
    """Mean of `values` by `group` from 0, `[n]`; nan for groups of fewer than `least`."""
    inside = group < n
    counts = np.bincount(group[inside], minlength=n)
    sums = np.bincount(group[inside], weights=values[inside], minlength=n)
    return np.asarray(np.where(counts >= least, sums / np.maximum(counts, 1), np.nan))


def by_hour(plays: Plays) -> Floats:
    """Share of plays that start in each hour of the day, UTC, `[24]`."""
    return _shares(plays.ts // 3_600 % 24, 24)


def by_weekday(plays: Plays) -> Floats:
    """Mean plays of each day of the week, UTC, Monday first, as shares of their sum, `[7]`; nan for a weekday that the log lacks.

    Days with less than half the median day's plays are left out: they are the torn ends of what was collected.
    """
    days, counts = np.unique(plays.ts // DAY, return_counts=True)
    whole = counts >= np.median(counts) / 2 if len(counts) else counts > 0
    means = mean_by((days[whole] + 3) % 7, counts[whole].astype(np.float64), 7)
    return np.asarray(means / np.nansum(means))


def weekend_ratio(plays: Plays) -> float:
    """Mean of Saturday's and Sunday's plays over the mean of the other days', by `by_weekday`."""
    shares = by_weekday(plays)
    return float(shares[5:].mean() / shares[:5].mean())


def covered_days(plays: Plays) -> float:
    """Days with plays over all days from the first to the last."""
    days = np.unique(plays.ts // DAY)
    return float(len(days) / (days[-1] - days[0] + 1)) if len(days) else float("nan")


def new_release_share(plays: Plays, days: int = 30) -> float:
    """Plays of songs out for at most `days`, over the plays whose song's release is known."""
    known = plays.release_ts != UNKNOWN_RELEASE
    age = plays.ts[known] - plays.release_ts[known]
    return _mean((age >= 0) & (age < days * DAY))


def organic_share(plays: Plays) -> float:
    """Plays by the listener's own choice, over those known to be one or the other."""
    return _mean(plays.organic[plays.organic >= 0] == 1)


def per_play(events: Events, behaviour: Behaviour) -> float:
    """Events of `behaviour` over events `play`; nan where the log has none of it."""
    n, played = int((events.behaviour == behaviour).sum()), int((events.behaviour == Behaviour.PLAY).sum())
    return n / played if n and played else float("nan")


def click_rate(events: Events) -> float:
    """Clicks on what was recommended over exposures, in the scenes that have such clicks."""
    clicks = (events.behaviour == Behaviour.CLICK) & (events.is_organic == 0)
    shown = (events.behaviour == Behaviour.EXPOSURE) & np.isin(events.scene, np.unique(events.scene[clicks]))
    return float(clicks.sum() / shown.sum()) if clicks.any() and shown.any() else float("nan")


def _late(plays: Plays, last: float) -> Mask:
    """Rows within the last share of their listener's plays, at least one each."""
    counts = np.repeat(plays.counts, plays.counts)
    return np.asarray(plays.place >= np.minimum(np.floor((1 - last) * counts), counts - 1))


def _shares(codes: Ints, n: int) -> Floats:
    counts = np.bincount(codes, minlength=n)
    return np.asarray(counts / counts.sum() if counts.sum() else np.full(n, np.nan))


def _mean(values: npt.NDArray[np.generic]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
