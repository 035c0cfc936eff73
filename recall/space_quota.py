"""How much of a list each of two spaces is to fill, learned from what listeners went on to hear in a slice that neither has seen.

The quota is that of the largest recall on the slice, unless one nearer to a half is as good within one standard error (the rule of Breiman
et al., *Classification and Regression Trees*, 1984): a slice of few listeners leaves the half where it is, and spaces that say the
same stay equals.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from recall.held_out import VALIDATION_K, HeldOut
from recall.space_union import Offers, Side, taken
from recall.vector_index import Exclude

EVEN: Final = 0.5
TRIED: Final = (0.0, 0.125, 0.25, 0.375, EVEN, 0.625, 0.75, 0.875, 1.0)
"""Shares of the second space that are tried."""
OF_CATALOGUE: Final = 10
"""A list holds at most one in so many songs: one of nearly all songs has every recall, whoever fills it."""


def learned_quota(sides: tuple[Side, Side], held: HeldOut, both: npt.NDArray[np.bool_], k: int | None = None) -> float:
    """Share of the list that the second space is to have; a half where nothing tells.

    Args:
        sides: the users of `held` in the two spaces, as they stood before the slice. Their quotas do not matter.
        held: what the users did in the slice.
        both: `[n_users]` users of whom both spaces have something to say: of the others the quota decides nothing.
        k: length of the lists that are judged; by default that of validation, or a tenth of a small catalogue.
    """
    length = max(1, min(VALIDATION_K, held.n_songs // OF_CATALOGUE)) if k is None else k
    recall = _recall_of_each(sides, held, length)[:, both]
    return _nearest_to_even(recall) if recall.shape[1] else EVEN


def _recall_of_each(sides: tuple[Side, Side], held: HeldOut, k: int) -> npt.NDArray[np.float64]:
    """`[n_tried, n_users]` recall of all songs and of new ones, half and half; of all alone where a user met no new one."""
    of_all = _recall_in(sides, held, held.relevant, k, None)
    of_new = _recall_in(sides, held, held.new, k, held.known_pairs)
    return np.where(np.isnan(of_new), of_all, (of_all + of_new) / 2)


def _recall_in(
    sides: tuple[Side, Side],
    held: HeldOut,
    relevant: npt.NDArray[np.int64],
    k: int,
    exclude: Exclude,
) -> npt.NDArray[np.float64]:
    offers = Offers.of(sides[0], k, exclude), Offers.of(sides[1], k, exclude)
    n = len(held.users)
    lists = (taken(offers, (np.full(n, 1 - quota), np.full(n, quota)), k, held.n_songs) for quota in TRIED)
    return np.stack([held.hit_rate(row, item, relevant, k) for row, item in lists])


def _nearest_to_even(recall: npt.NDArray[np.float64]) -> float:
    """Of `TRIED` the quota nearest to a half that loses no more than a standard error against the best; the better of two as near."""
    mean = recall.mean(1)
    lost = recall[np.argmax(mean)] - recall
    error = lost.std(1) / np.sqrt(lost.shape[1])
    as_good = lost.mean(1) <= error
    order = np.lexsort((-mean, np.abs(np.array(TRIED) - EVEN), ~as_good))
    return TRIED[int(order[0])]
