"""How the chance that a song returns falls with the time since it was last heard: the power law of memory.

Anderson and Schooler (1991, "Reflections of the environment in memory", Psychological Science 2(6)) measure the odds that something
is needed today, given how many days ago it was needed last: odds fall as a power of the lag. Here the hazard of a return is measured
that way, with the lag in plays (any log has it) and in days (a clock is needed); listeners whose log ends first are censored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from marginals.plays import Ints, Plays

Floats = npt.NDArray[np.float64]


def return_hazard(lag: Ints, returned: npt.NDArray[np.bool_], n: int) -> tuple[Floats, Ints]:
    """Chance to return at each lag from 1 to `n` for what has not returned before, and how many were at risk, `[n]` each.

    Args:
        lag: lag of the return, or where nothing returned the last lag that was watched, `[m]`.
        returned: whether there was a return, `[m]`.
        n: longest lag.
    """
    seen = np.minimum(lag, n + 1)
    ended = np.bincount(seen, minlength=n + 2)
    at_risk = np.cumsum(ended[::-1])[::-1][1 : n + 1]
    returns = np.bincount(seen[returned & (lag <= n)], minlength=n + 2)[1 : n + 1]
    return np.asarray(np.where(at_risk > 0, returns / np.maximum(at_risk, 1), np.nan)), at_risk.astype(np.int64)


def lags_in_plays(plays: Plays) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """For each play, plays of the listener until the song's next play; without one, plays left in the log; and which it is."""
    place = plays.place
    left = np.repeat(plays.counts, plays.counts) - 1 - place
    frame = pl.DataFrame({"user": plays.user, "song": plays.song, "place": place})
    following = frame.select((pl.col("place").shift(-1) - pl.col("place")).over("user", "song")).to_series()
    return following.fill_null(pl.Series(left)).to_numpy(), following.is_not_null().to_numpy()


def lags_in_days(plays: Plays) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """For each day on which a listener plays a song, days until the next such day; without one, days left in the listener's log."""
    frame = pl.DataFrame({"user": plays.user, "song": plays.song, "day": plays.ts // 86_400})
    days = frame.with_columns(end=pl.col("day").max().over("user")).unique().sort("user", "song", "day")
    following = days.select((pl.col("day").shift(-1) - pl.col("day")).over("user", "song")).to_series()
    left = days["end"] - days["day"]
    return following.fill_null(left).to_numpy(), following.is_not_null().to_numpy()


def binned(hazard: Floats, at_risk: Ints, low: int, high: int) -> tuple[Floats, Floats]:
    """Mean lag (of what was at risk, in logarithms) and chance of bins that widen by half each, `[n_bins]`.

    A bin's chance is its returns over its exposure; nan where nothing was at risk.
    """
    edges = np.append(_edges(low, high), high + 1)
    lags = np.arange(1, len(hazard) + 1)
    inside = (lags >= low) & (lags <= high) & (at_risk > 0)
    group, n_bins = np.digitize(lags, edges)[inside] - 1, len(edges) - 1
    weight = at_risk[inside].astype(np.float64)
    risk = np.bincount(group, weights=weight, minlength=n_bins)
    returns = np.bincount(group, weights=weight * hazard[inside], minlength=n_bins)
    middle = np.bincount(group, weights=weight * np.log(lags[inside]), minlength=n_bins)
    known = np.where(risk > 0, risk, np.nan)
    return np.exp(middle / known), returns / known


def power_slope(hazard: Floats, at_risk: Ints, low: int, high: int) -> float:
    """The d of hazard = c · lag^-d between two lags: a line through the logarithms of `binned`, every bin alike.

    Bins without a return are left out; nan where fewer than three are left.
    """
    lag, chance = binned(hazard, at_risk, low, high)
    good = chance > 0
    return float(-np.polyfit(np.log(lag[good]), np.log(chance[good]), 1)[0]) if good.sum() >= 3 else float("nan")


def _edges(low: int, high: int) -> Ints:
    """Where bins begin: from `low`, half again as far each, up to `high`."""
    steps = np.unique(np.round(low * 1.5 ** np.arange(64)).clip(max=high + 1).astype(np.int64))
    return np.asarray(steps[steps <= high])
