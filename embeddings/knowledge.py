"""Knowledge-graph embeddings: PyKEEN's ComplEx or RotatE on the projection's facts.

ComplEx (Trouillon et al., ICML 2016) scores a fact by Re<h, r, conj(t)>, RotatE (Sun et al., ICLR 2019) by -||h * r - t|| with
|r| = 1. Model, representations and interaction are PyKEEN's. Its stock training loop draws negatives per triple and so scores
each pair by itself; here a batch shares its negatives, which makes scoring one matrix product (for ComplEx):

    loss = CE(score(h, r, t | N)) + CE(score(h | N, r, t))      N: uniform negatives of the batch
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from embeddings.training import ProgressCallback, TrainingSettings, deterministic, generator, train
from graph.projection import Projection

if TYPE_CHECKING:
    from pykeen.models import ERModel

ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "ComplEx": {"regularizer": None, "entity_initializer": partial(torch.nn.init.normal_, std=0.1)},
    "RotatE": {},
}
"""What departs from PyKEEN's defaults. ComplEx's Lp penalty runs over whole tables: the N3 penalty of a batch's rows takes its
place; and entities start small, since products of unit normals begin with scores far apart for no reason."""


@dataclass(frozen=True)
class KnowledgeSettings:
    """Model and training of the embeddings."""

    model: Literal["ComplEx", "RotatE"] = "ComplEx"
    dim: int = 32
    """Complex dimensions; a node's exported vector has twice as many real ones."""
    epochs: int = 10
    batch_size: int = 4096
    """Facts of a batch at most; a small graph has smaller ones, see `min_batches`."""
    min_batches: int = 32
    """Batches of an epoch at least, so that a small graph too gets enough steps."""
    n_negatives: int = 512
    """Uniform negatives that a batch shares."""
    learning_rate: float = 3e-2
    n3: float = 1e-3
    """Weight of the nuclear 3-norm of the batch's rows (Lacroix et al., ICML 2018)."""
    threads: int | None = None


@dataclass(frozen=True)
class KnowledgeEmbeddings:
    """Vectors of nodes and relations, with the map from key to row."""

    keys: npt.NDArray[np.object_]
    """`[n_nodes]`"""
    vectors: npt.NDArray[np.float32]
    """`[n_nodes, 2 * dim]`: real and imaginary parts in turn; zero for a node without facts, of which nothing is known."""
    relations: tuple[str, ...]
    relation_vectors: npt.NDArray[np.float32]
    """`[n_relations, 2 * dim]`"""
    model: str
    """Name of the PyKEEN model."""
    loss: float
    """Mean loss of the last epoch; NaN where there was nothing to learn."""

    def aligned(self, projection: Projection) -> npt.NDArray[np.float32]:
        """`[projection.n_nodes, 2 * dim]` by key; zero for nodes that are new since training."""
        row_of = {key: row for row, key in enumerate(self.keys)}
        row = np.array([row_of.get(key, -1) for key in projection.keys], np.int64)
        out = np.zeros((projection.n_nodes, self.vectors.shape[1]), np.float32)
        out[row >= 0] = self.vectors[row[row >= 0]]
        return out

    def save(self, folder: Path) -> None:
        """Write `entities.parquet` (key, row order), `vectors.npy`, `relation_vectors.npy` and `knowledge.json` into `folder`."""
        pl.DataFrame({"key": self.keys}, schema={"key": pl.String}).write_parquet(folder / "entities.parquet")
        np.save(folder / "vectors.npy", self.vectors)
        np.save(folder / "relation_vectors.npy", self.relation_vectors)
        head = {"model": self.model, "relations": list(self.relations), "loss": None if np.isnan(self.loss) else self.loss}
        (folder / "knowledge.json").write_text(json.dumps(head, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The embeddings saved in `folder`."""
        head = json.loads((folder / "knowledge.json").read_text(encoding="utf-8"))
        return cls(
            keys=pl.read_parquet(folder / "entities.parquet")["key"].to_numpy().astype(object),
            vectors=np.load(folder / "vectors.npy"),
            relations=tuple(head["relations"]),
            relation_vectors=np.load(folder / "relation_vectors.npy"),
            model=head["model"],
            loss=float("nan") if head["loss"] is None else head["loss"],
        )


def train_knowledge(
    projection: Projection,
    settings: KnowledgeSettings | None = None,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> KnowledgeEmbeddings:
    """Embed the nodes and relations of a projection; what is not yet valid must already be out of it (`Projection.as_of`)."""
    settings = settings or KnowledgeSettings()
    triples = triples_of(projection)
    if not len(triples):
        width = 2 * settings.dim
        empty = np.zeros((len(projection.relations), width), np.float32)
        vectors = np.zeros((projection.n_nodes, width), np.float32)
        return KnowledgeEmbeddings(projection.keys, vectors, projection.relations, empty, settings.model, float("nan"))
    model = _model(projection, triples, settings, seed)
    result = train(
        model,
        lambda epoch: _Batches(triples, projection.n_nodes, settings, seed, epoch),
        lambda batch: _loss(model, *batch, n3=settings.n3),
        seed=seed,
        settings=TrainingSettings(learning_rate=settings.learning_rate, clip_norm=0.0, threads=settings.threads),
        epochs=settings.epochs,
        progress=progress,
    )
    vectors = _real(model.entity_representations[0])
    vectors[np.diff(projection.indptr) == 0] = 0
    return KnowledgeEmbeddings(
        projection.keys,
        vectors,
        projection.relations,
        _real(model.relation_representations[0]),
        settings.model,
        result.losses[-1] if result.losses else float("nan"),
    )


def triples_of(projection: Projection) -> Tensor:
    """Facts as PyKEEN takes them: `[n_facts, 3]` head, relation, tail."""
    facts = projection.facts
    return torch.from_numpy(np.stack([facts.head, facts.relation, facts.tail], axis=1).astype(np.int64))


def _model(projection: Projection, triples: Tensor, settings: KnowledgeSettings, seed: int) -> ERModel:
    # PyKEEN takes seconds to import, which those who only read vectors need not spend.
    from pykeen.models import model_resolver
    from pykeen.triples import CoreTriplesFactory

    factory = CoreTriplesFactory(triples, num_entities=projection.n_nodes, num_relations=len(projection.relations))
    with deterministic(seed, settings.threads):
        model: ERModel = model_resolver.make(
            settings.model,
            triples_factory=factory,
            embedding_dim=settings.dim,
            random_seed=seed,
            **ARGUMENTS[settings.model],
        )
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding):
            module.sparse = True
    return model


@dataclass(frozen=True)
class _Batches:
    """Batches of one epoch: triples `[b, 3]` and negatives `[n_negatives]`."""

    triples: Tensor
    n_nodes: int
    settings: KnowledgeSettings
    seed: int
    epoch: int

    @property
    def size(self) -> int:
        return min(self.settings.batch_size, -(-len(self.triples) // self.settings.min_batches))

    def __len__(self) -> int:
        return -(-len(self.triples) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rng = generator(self.seed, self.epoch)
        order = torch.from_numpy(rng.permutation(len(self.triples)))
        for rows in torch.split(order, self.size):
            yield self.triples[rows], torch.from_numpy(rng.integers(0, self.n_nodes, self.settings.n_negatives))


def _loss(model: Any, triples: Tensor, negatives: Tensor, n3: float) -> Tensor:
    """Mean cross-entropy of tails and of heads against the negatives, plus the N3 penalty; a scalar."""
    head, tail = model.entity_representations[0](triples[:, 0]), model.entity_representations[0](triples[:, 2])
    r = model.relation_representations[0](triples[:, 1])
    # Both models know the inverse of a relation: its conjugate. So heads are scored as tails of (t, conj(r), ?), one product of
    # [b, dim] and [n, dim], where (?, r, t) would need [b, n, dim] in memory.
    loss = _cross_entropy(model, head, r, triples[:, 2], negatives) + _cross_entropy(model, tail, r.conj(), triples[:, 0], negatives)
    if n3 > 0:
        loss = loss + n3 * (head.abs() ** 3 + r.abs() ** 3 + tail.abs() ** 3).sum(-1).mean()
    return loss


def _cross_entropy(model: Any, head: Tensor, relation: Tensor, tail: Tensor, negatives: Tensor) -> Tensor:
    """Mean cross-entropy of `tail` `[b]` against the shared negatives, given vectors of head and relation `[b, dim]`."""
    entity = model.entity_representations[0]
    positive = model.interaction(head, relation, entity(tail))
    scores = model.interaction(head[:, None], relation[:, None], entity(negatives)[None])
    scores = scores.masked_fill(tail[:, None] == negatives, -torch.inf)
    return torch.nn.functional.cross_entropy(torch.cat([positive[:, None], scores], 1), torch.zeros_like(tail))


def _real(representation: Any) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        rows: Tensor = representation()
        real = torch.view_as_real(rows) if rows.is_complex() else rows
        return real.reshape(len(rows), -1).float().numpy().copy()
