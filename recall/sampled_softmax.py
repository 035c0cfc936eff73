"""Sampled softmax with log-Q correction (Bengio and Senécal, 2008; Covington et al., RecSys 2016)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class NegativeSampler:
    """Draws the negatives that a batch shares from Q, a mixture of a power of the item's frequency and the uniform distribution."""

    def __init__(self, counts: npt.NDArray[np.integer], power: float = 0.75, uniform_share: float = 0.1) -> None:
        """Q of items `[n_items]` from how often each was heard.

        Args:
            counts: `[n_items]`, at least one item.
            power: exponent of the frequency, 1 for the unigram distribution.
            uniform_share: mass spread over all items, so that a song nobody has heard is a negative now and then too.
        """
        weight = np.asarray(counts, np.float64) ** power * (np.asarray(counts) > 0)
        total = weight.sum()
        uniform = np.full(len(weight), 1 / len(weight))
        self.q = uniform if total == 0 else (1 - uniform_share) * weight / total + uniform_share * uniform
        self._cumulative = np.cumsum(self.q)
        self.log_q = torch.from_numpy(np.log(np.maximum(self.q, np.finfo(np.float64).tiny)).astype(np.float32))

    def sample(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """`n` items, with replacement."""
        drawn = np.searchsorted(self._cumulative, rng.random(n) * self._cumulative[-1], side="right")
        return np.asarray(np.minimum(drawn, len(self.q) - 1), np.int64)


def sampled_softmax_loss(
    positive: Tensor, negative: Tensor, target: Tensor, negatives: Tensor, log_q: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy of the targets against the shared negatives, a scalar; 0 without targets.

    Each logit is lowered by log Q of its item, so that the sum over the sample estimates the sum over the catalogue: without it
    popular songs, which are drawn often, are pushed down too far. A negative that is the row's own target is masked.

    Args:
        positive: logits `[n]` of the targets.
        negative: logits `[n, n_negatives]`.
        target: items `[n]`.
        negatives: items `[n_negatives]`.
        log_q: `[n_items]` log-probability of drawing each item.
        weight: `[n]` of the rows in the mean; None weighs all the same.
    """
    own = positive - log_q[target]
    # The number of draws turns probabilities into expected counts; it is the same for every item and cancels.
    others = (negative - log_q[negatives]).masked_fill(target[:, None] == negatives, -torch.inf)
    loss = torch.logaddexp(own, torch.logsumexp(others, dim=1)) - own
    if weight is None:
        return loss.sum() / max(len(loss), 1)
    return (loss * weight).sum() / weight.sum().clamp_min(1e-12)
