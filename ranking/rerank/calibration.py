"""Calibration (Steck, RecSys 2018): a list is to hold a listener's styles in the shares in which the listener likes them.

p(g|u) is the listener's share of style g, each liked song parted evenly among its styles and fading with age; q(g|u) is the list's. How far
they are apart is KL(p ‖ q̃) = Σ p log(p / q̃) with q̃ = (1 - α) q + α p, α = 0.01 (his equations 2 to 4), so that a style the list
lacks costs much and not infinitely. The list is made greedily, each place to the best (1 - λ) score - λ KL.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from etl.event_rows import compiled
from ranking.ranges import packed

SMOOTHED: Final = 0.01
"""α: the part of p in the list's shares."""


def style_shares(
    position: npt.NDArray[np.integer],
    item: npt.NDArray[np.integer],
    weight: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    style: npt.NDArray[np.int32],
    n_users: int,
    n_styles: int,
) -> npt.NDArray[np.float64]:
    """Shares p `[n_users, n_styles]` of each user's liked songs; a row of zeros where none of them has a style.

    Args:
        position: `[n]` row of the user of each liked song.
        item: `[n]` the song.
        weight: `[n]` what it counts.
        first: `[n_songs + 1]` start of each song's styles.
        style: codes of the songs' styles.
        n_users: number of users.
        n_styles: number of styles.
    """
    owner, row = packed(first[item], first[item + 1])
    n_of_song = np.diff(first)[item]
    cell = position[owner].astype(np.int64) * n_styles + style[row]
    mass = np.bincount(cell, weights=(weight / np.maximum(n_of_song, 1))[owner], minlength=n_users * n_styles)
    mass = mass.reshape(n_users, n_styles)
    total = mass.sum(axis=1, keepdims=True)
    return np.asarray(mass / np.where(total > 0, total, 1))


def divergence(p: npt.NDArray[np.float64], q: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """KL(p ‖ q̃) `[n]` of rows `[n, n_styles]`, in nats; 0 where p is all zeros."""
    smooth = (1 - SMOOTHED) * q + SMOOTHED * p
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(smooth > 0, smooth, 1)), 0)
    return np.asarray(terms.sum(axis=1))


@compiled
def listed_divergence(p: Any, listed: Any, n_listed: float) -> float:
    """KL of one listener's shares `p [n_styles]` and a list with masses `listed [n_styles]` that sum to `n_listed`."""
    total = 0.0
    for g in range(len(p)):
        if p[g] > 0:
            total += p[g] * np.log(p[g] / _smooth(p[g], listed[g], n_listed))
    return total


@compiled
def divergence_with(p: Any, listed: Any, n_listed: float, base: float, first: Any, style: Any, song: int) -> float:
    """The same after `song` has come to the list; `base` is `listed_divergence` with `n_listed + 1` and the old masses."""
    start, end = first[song], first[song + 1]
    for row in range(start, end):
        g = style[row]
        if p[g] > 0:
            before, after = listed[g], listed[g] + 1.0 / (end - start)
            base += p[g] * np.log(_smooth(p[g], before, n_listed + 1) / _smooth(p[g], after, n_listed + 1))
    return base


@compiled
def add_styles(listed: Any, first: Any, style: Any, song: int) -> float:
    """Put `song` into the masses; 1 where it has a style, else 0."""
    start, end = first[song], first[song + 1]
    for row in range(start, end):
        listed[style[row]] += 1.0 / (end - start)
    return 1.0 if end > start else 0.0


@compiled
def _smooth(p: float, listed: float, n_listed: float) -> float:
    share = listed / n_listed if n_listed > 0 else 0.0
    return (1 - SMOOTHED) * share + SMOOTHED * p
