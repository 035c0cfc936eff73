"""Training of the sequence network: batches to loss, the mean of the weights, and the metric that stops it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from embeddings.training import ProgressCallback, TrainingResult, TrainingSettings, generator, train
from recall.cooccurrence import neighbour_vectors
from recall.held_out import EXACT, VALIDATION_K, HeldOut
from recall.interest_sequences import Ints, Sequences, last_windows, token_rows
from recall.sampled_softmax import NegativeSampler
from recall.sasrec_batches import Batch, Batches, SequenceExamples, dtype_of, length_cuts
from recall.sasrec_network import SasRec
from recall.sequence_losses import LossName, full_softmax_loss, gbce_loss, shared_softmax_loss
from recall.stopped_training import HeldBack
from recall.vector_index import VectorIndex

NEGATIVES_STREAM = 1_000_033
"""Stream of the seed that draws negatives; epochs have the small numbers."""


class Averaged(nn.Module):
    """A network in training and the running mean of its weights, which is what is validated and kept.

    The mean does what a falling learning rate does, at every moment of the training (Izmailov et al., UAI 2018).
    """

    def __init__(self, network: SasRec, decay: float) -> None:
        super().__init__()
        self.network, self.decay, self.steps = network, decay, 0
        self.mean = copy.deepcopy(network).requires_grad_(False)

    def followed(self) -> SasRec:
        """The network, whose weights so far are in the mean."""
        self._follow()
        return self.network

    def kept(self) -> SasRec:
        """The mean, with the latest weights in it."""
        self._follow()
        return self.mean

    @torch.no_grad()
    def _follow(self) -> None:
        """Take the network's weights into the mean; early on the mean forgets faster."""
        self.steps += 1
        rate = max(1 - self.decay, 9 / (9 + self.steps))
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.network.parameters()), rate)


class Objective:
    """Loss of a batch, by name."""

    def __init__(self, counts: npt.NDArray[np.integer], examples: SequenceExamples, seed: int) -> None:
        """`counts` `[n_items]` is how often each item is a target."""
        self.examples, self.dtype = examples, dtype_of(examples.precision)
        few = len(counts) <= examples.full_softmax_songs
        self.name: LossName = examples.loss if examples.loss != "auto" else "full_softmax" if few else "sampled_softmax"
        uniform = 1.0 if self.name == "gbce" else examples.uniform_share
        self.sampler = NegativeSampler(counts, examples.negative_power, uniform)
        self.rng = generator(seed, NEGATIVES_STREAM)

    def __call__(self, network: SasRec, batch: Batch) -> Tensor:
        """Mean loss of the batch's examples, a scalar."""
        vectors = network(batch.tokens, self.dtype).flatten(0, 1)[batch.place]
        table = network.items.to(self.dtype)
        if self.name == "full_softmax":
            return full_softmax_loss(vectors, table, batch.target)
        negatives = torch.from_numpy(self.sampler.sample(self.examples.n_negatives, self.rng))
        if self.name == "sampled_softmax":
            return shared_softmax_loss(vectors, table, batch.target, negatives, self.sampler.log_q)
        positive = (vectors * functional.embedding(batch.target, table)).sum(-1)
        negative = vectors @ functional.embedding(negatives, table).T
        return gbce_loss(positive, negative, batch.target, negatives, len(table), self.examples.calibration)


def fit_sasrec(
    network: SasRec,
    sequences: Sequences,
    *,
    ordinal: bool,
    examples: SequenceExamples,
    training: TrainingSettings,
    epochs: int | None,
    seed: int,
    progress: ProgressCallback | None = None,
    validate: Callable[[SasRec], float] | None = None,
) -> TrainingResult:
    """Train in place: on everything for `epochs`, or before a time-later slice until recall on the slice stops growing.

    Args:
        network: its items are those of `sequences.item`.
        sequences: histories.
        ordinal: time gives order only.
        examples: loss and batches.
        training: learning rate, patience and the like.
        epochs: train exactly that many, on everything.
        seed: of windows, negatives and dropout.
        progress: told of each step.
        validate: a metric of the caller's own, of the network as it would be kept, on what `sequences` do not hold; then nothing is held
            back from them.
    """
    n_items = len(network.items)
    late = None
    if validate is None:
        late, epochs = HeldBack.of(sequences, ordinal, examples.valid_share, epochs, training.max_epochs)
    seen = sequences if late is None else sequences.take(~late)
    if not seen.positive.any():
        return TrainingResult(epochs_found=0)
    if late is not None:
        validate = _recall_on(HeldOut.of(sequences, late, n_items, examples.valid_users, seed), seen, dtype_of(examples.precision))
    if examples.start_span > 0:
        start = neighbour_vectors(seen, n_items, network.shape.dim, examples.start_span, seed)
        with torch.no_grad():
            network.items.copy_(torch.from_numpy(start))
    objective = Objective(np.bincount(seen.item[seen.positive], minlength=n_items), examples, seed)
    model = Averaged(network, examples.averaging)
    result = train(
        model,
        lambda epoch: Batches(seen, examples, network.shape.length, seed, epoch),
        lambda batch: objective(model.followed(), batch),
        seed=seed,
        settings=training,
        epochs=epochs,
        validate=None if validate is None else lambda: validate(model.kept()),
        progress=progress,
    )
    network.load_state_dict(model.kept().state_dict() if epochs is not None else model.mean.state_dict())
    return result


def _recall_on(held: HeldOut, seen: Sequences, dtype: torch.dtype) -> Callable[[SasRec], float]:
    def metric(network: SasRec) -> float:
        vectors, index = user_vectors(network, seen, held.users, dtype), VectorIndex(network.items.detach().numpy(), settings=EXACT)
        return held.recall(lambda exclude: index.search(vectors, VALIDATION_K, exclude))

    return metric


@torch.no_grad()
def user_vectors(network: SasRec, sequences: Sequences, users: Ints, dtype: torch.dtype = torch.float32) -> npt.NDArray[np.float32]:
    """Vectors `[n, dim]` of users as their sequences stand; of one without tokens that of the start.

    Args:
        network: in evaluation mode.
        sequences: histories.
        users: `[n]`; those of like length are computed together.
        dtype: what is computed in.
    """
    windows = last_windows(sequences, users, network.shape.length)
    tokens = windows.end - windows.start
    order = np.argsort(-tokens, kind="stable")
    out = np.zeros((len(users), network.shape.dim), np.float32)
    for start, end in length_cuts(tokens[order] + 1, 16_384):
        rows = order[start:end]
        part = windows.take(rows)
        at, _ = token_rows(part, int(tokens[rows[0]]))
        songs = torch.from_numpy(sequences.item[at] if len(sequences) else np.zeros(at.shape, np.int64))
        vectors = network(songs, dtype)[torch.arange(len(rows)), torch.from_numpy(tokens[rows])]
        out[rows] = vectors.float().numpy()
    return out
