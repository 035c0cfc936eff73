"""Whether several interests of a user are several: number, likeness of the vectors, likeness of the lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recall.interest_vectors import InterestVectors, Ints
from recall.vector_index import VectorIndex

Floats = npt.NDArray[np.float64]
PAIRS_AT_ONCE = 8_192


@dataclass(frozen=True)
class InterestDiagnostics:
    """Columns `[n_users]`. What compares interests is NaN (`same_lists` false) for a user who has fewer than two."""

    interests: Ints
    """Number of vectors."""
    cosine: Floats
    """Mean cosine over pairs of vectors: 1 where they have collapsed."""
    overlap: Floats
    """Mean over pairs of the share of songs that their lists of `k` have in common."""
    same_lists: npt.NDArray[np.bool_]
    """All lists hold the same songs."""

    def summary(self) -> dict[str, float]:
        """Means by name; those of pairs, and the share of users with the same lists, over the users with two interests or more."""
        several = self.interests > 1
        if not several.any():
            return {"interests": float(self.interests.mean()) if len(self.interests) else 0.0}
        return {
            "interests": float(self.interests.mean()),
            "cosine": float(self.cosine[several].mean()),
            "overlap": float(self.overlap[several].mean()),
            "same_lists": float(self.same_lists[several].mean()),
        }


def diagnose(index: VectorIndex, interests: InterestVectors, k: int = 100) -> InterestDiagnostics:
    """Compare the vectors of each user, and the lists of the `k` songs of each vector."""
    one, two = _pairs(interests)
    owner = interests.owner[one]
    found = index.search(interests.vectors, k).item
    lists = np.sort(found.reshape(len(interests.vectors), min(k, len(index))), axis=1)
    length = np.linalg.norm(interests.vectors, axis=1)
    unit = interests.vectors / np.where(length > 0, length, 1)[:, None]
    chunks = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(one), PAIRS_AT_ONCE)]
    cosine = _joined([np.einsum("nd,nd->n", unit[one[part]], unit[two[part]]) for part in chunks])
    overlap = _joined([_common(lists[one[part]], lists[two[part]]) for part in chunks])
    n, pairs = len(interests), np.bincount(owner, minlength=len(interests))
    with np.errstate(invalid="ignore"):
        mean_cosine, mean_overlap = (np.bincount(owner, weights=values, minlength=n) / pairs for values in (cosine, overlap))
    different = np.bincount(owner[overlap < 1], minlength=n)
    return InterestDiagnostics(interests.sizes, mean_cosine, mean_overlap, (pairs > 0) & (different == 0))


def _pairs(interests: InterestVectors) -> tuple[Ints, Ints]:
    """Every pair of vectors of the same user, the earlier first."""
    last = interests.offsets[1:][interests.owner]
    vector = np.arange(len(interests.vectors))
    later = last - vector - 1
    one = np.repeat(vector, later)
    return one, one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(later) - later, later)


def _common(one: npt.NDArray[np.int32], two: npt.NDArray[np.int32]) -> Floats:
    """Share of the distinct items of each row of `one` that the row of `two` holds."""
    both = np.sort(np.concatenate([one, two], axis=1), axis=1)
    return np.asarray((both[:, 1:] == both[:, :-1]).sum(axis=1) / max(one.shape[1], 1))


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
