"""Does the gate of SDM hear the long side? Three answers, of which the first alone would mislead.

The mean of G says little where the sides differ in length: a gate of a half over a short vector that is three times as long leaves the
long one a quarter. So the share of either contribution is measured too, and then what the user would have been shown without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recall.sdm import SdmRoute
from recall.vector_index import Found

Floats = npt.NDArray[np.float64]
VARIANTS: Final = ("served", "without_long", "without_short", "mean_long", "mean_short")
"""Vectors whose recall is compared: the gated one; with `p` or `s` put to 0; and with the contribution's mean over users in its place,
which leaves the length and takes only what is the user's own."""


@dataclass(frozen=True)
class SoleHits:
    """Hits of a served list, and how many of them the long side alone finds: among its own top k, and not among the short side's."""

    hits: npt.NDArray[np.int64]
    """`[n_users]`"""
    only_long: npt.NDArray[np.int64]
    """`[n_users]`"""

    @property
    def share(self) -> float:
        """Of all hits those of the long side alone; NaN without hits."""
        return float(self.only_long.sum() / self.hits.sum()) if self.hits.sum() else float("nan")


@dataclass(frozen=True)
class GateDiagnosis:
    """What the gate does for users who have both sides. Per-user arrays `[n_users]`."""

    users: npt.NDArray[np.int32]
    """Ascending."""
    gate: Floats
    """Mean of `G` over its components: 1 is short alone."""
    long_share: Floats
    """`‖(1 - G) p‖ / (‖(1 - G) p‖ + ‖G s‖)`"""
    recall: dict[str, Floats]
    """Recall@k of each of `VARIANTS`."""
    sole: SoleHits
    """Of the served list, against lists of `(1 - G) p` alone and of `G s` alone."""

    def summary(self) -> dict[str, float]:
        """Means over users, and the fall of recall when a side is taken away."""
        mean = {name: float(value.mean()) for name, value in self.recall.items()}
        fall = {f"fall_{name}": mean["served"] - mean[name] for name in VARIANTS[1:]}
        return {
            "users": len(self.users),
            "gate": float(self.gate.mean()),
            "long_share": float(self.long_share.mean()),
            "recall": mean["served"],
            **fall,
            "only_long": self.sole.share,
        }


def diagnose_gate(route: SdmRoute, user: npt.NDArray[np.int32], item: npt.NDArray[np.int32], k: int) -> GateDiagnosis:
    """Diagnose a fitted route by what users heard afterwards.

    Args:
        route: observed where the requests stand.
        user: `[n]` users of distinct relevant pairs.
        item: `[n]` their songs.
        k: length of the lists.
    """
    users = np.unique(user)
    users = users[route.has_both(users)]
    gate, p, s = route.sides(users)
    long, short = (1 - gate) * p, gate * s
    mean_long, mean_short = (np.broadcast_to(side.mean(0), side.shape) if len(side) else side for side in (long, short))
    zero = np.zeros_like(long)
    pairs = ((long, short), (zero, short), (long, zero), (mean_long, short), (long, mean_short))
    found = {name: route.search(route.mixed(*sides), k) for name, sides in zip(VARIANTS, pairs, strict=True)}
    relevant = relevant_pairs(users, user, item)
    length = [np.linalg.norm(side.astype(np.float64), axis=1) for side in (long, short)]
    return GateDiagnosis(
        users,
        gate.astype(np.float64).mean(1),
        length[0] / np.maximum(length[0] + length[1], 1e-12),
        {name: recall_per_user(lists, relevant, len(users), k) for name, lists in found.items()},
        sole_hits(found["served"], found["without_long"], found["without_short"], relevant, len(users)),
    )


def relevant_pairs(users: npt.NDArray[np.integer], user: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Distinct pairs (place in the ascending `users`) · 2^32 + song of those of the pairs `[n]` whose user is among `users`."""
    place = np.searchsorted(users, user)
    mine = np.append(users, -1)[place] == user
    return np.unique(place[mine].astype(np.int64) << 32 | item[mine].astype(np.int64))


def recall_per_user(found: Found, relevant: npt.NDArray[np.int64], n_users: int, k: int) -> Floats:
    """Hits over min(k, relevant) of each user `[n_users]`; 0 where nothing is relevant."""
    wanted = np.bincount(relevant >> 32, minlength=n_users)
    hits = np.bincount(found.row[_hit(found, relevant)], minlength=n_users)
    return np.asarray(hits / np.maximum(np.minimum(k, wanted), 1), np.float64)


def sole_hits(served: Found, short: Found, long: Found, relevant: npt.NDArray[np.int64], n_users: int) -> SoleHits:
    """How many hits of `served` are in `long` and not in `short`."""
    hit = _hit(served, relevant)
    pair = _pairs(served)
    only = hit & np.isin(pair, _pairs(long)) & ~np.isin(pair, _pairs(short))
    return SoleHits(np.bincount(served.row[hit], minlength=n_users), np.bincount(served.row[only], minlength=n_users))


def _pairs(found: Found) -> npt.NDArray[np.int64]:
    return found.row.astype(np.int64) << 32 | found.item.astype(np.int64)


def _hit(found: Found, relevant: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    return np.isin(_pairs(found), relevant)
