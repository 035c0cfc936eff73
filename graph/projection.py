"""The in-memory projection: the store's facts as one typed adjacency, both directions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.facets import ALWAYS


class _Csr(TypedDict):
    indptr: npt.NDArray[np.int64]
    step: npt.NDArray[np.int16]
    target: npt.NDArray[np.int32]
    valid_from: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]


class Facts(NamedTuple):
    """Facts as columns `[n_facts]`, each once and along its direction, ordered by head, relation, tail."""

    head: npt.NDArray[np.int32]
    relation: npt.NDArray[np.int16]
    """Index into `Projection.relations`."""
    tail: npt.NDArray[np.int32]
    valid_from: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]

    def take(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> Facts:
        """Facts at `rows` (mask or indices)."""
        return Facts(self.head[rows], self.relation[rows], self.tail[rows], self.valid_from[rows], self.confidence[rows])


@dataclass(frozen=True)
class Projection:
    """Typed CSR of the graph. Node ids are the lake's entity ids, then nodes that exist only in the store, by key.

    Edges of a node are `indptr[node]:indptr[node + 1]`, sorted by step, then target. Step `r` follows relation `r` along its
    direction, step `n_relations + r` against it.
    """

    keys: npt.NDArray[np.object_]
    """`[n_nodes]` key of each node."""
    names: npt.NDArray[np.object_]
    """`[n_nodes]` name of each node."""
    n_songs: int
    """Nodes `[0, n_songs)` are the songs of the lake, in its order: only they are recommended as songs."""
    relations: tuple[str, ...]
    """Relation names, sorted."""
    indptr: npt.NDArray[np.int64]
    """`[n_nodes + 1]`"""
    step: npt.NDArray[np.int16]
    """`[n_edges]`, n_edges = twice the number of facts"""
    target: npt.NDArray[np.int32]
    """`[n_edges]`"""
    valid_from: npt.NDArray[np.int64]
    """`[n_edges]` Unix seconds, or `ALWAYS`."""
    confidence: npt.NDArray[np.float32]
    """`[n_edges]` in (0, 1]"""

    @classmethod
    def build(
        cls,
        keys: Sequence[str] | npt.NDArray[np.object_],
        names: Sequence[str] | npt.NDArray[np.object_],
        n_songs: int,
        head: npt.ArrayLike,
        relation: Sequence[str] | npt.NDArray[np.object_] | npt.NDArray[np.integer],
        tail: npt.ArrayLike,
        valid_from: npt.ArrayLike | None = None,
        confidence: npt.ArrayLike | None = None,
        *,
        relations: Sequence[str] | None = None,
    ) -> Self:
        """The projection of the facts `[n]` head -relation-> tail, in whatever order they come.

        `relation` holds names, or, where `relations` is given, codes into it. A fact stated more than once counts once, as it was
        stated first: the earliest `valid_from`, then the highest confidence.
        """
        relations, codes = _encoded(relation, relations)
        n = len(codes)
        facts = Facts(
            np.asarray(head, dtype=np.int32),
            codes,
            np.asarray(tail, dtype=np.int32),
            np.full(n, ALWAYS) if valid_from is None else np.asarray(valid_from, dtype=np.int64),
            np.ones(n, dtype=np.float32) if confidence is None else np.asarray(confidence, dtype=np.float32),
        )
        key_array, name_array = np.array(keys, dtype=object), np.array(names, dtype=object)
        return cls(key_array, name_array, n_songs, tuple(relations), **_csr(_distinct(facts), len(key_array), len(relations)))

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.keys)

    @property
    def step_names(self) -> tuple[str, ...]:
        """Name of each step: `RELATION` along an edge, `<RELATION` against it."""
        return self.relations + tuple(f"<{relation}" for relation in self.relations)

    @property
    def facts(self) -> Facts:
        """Every fact once."""
        node = np.repeat(np.arange(self.n_nodes, dtype=np.int32), np.diff(self.indptr))
        along = self.step < len(self.relations)
        return Facts(node, self.step, self.target, self.valid_from, self.confidence).take(along)

    def as_of(self, t: int) -> Projection:
        """Only the facts known at `t` (Unix seconds): `valid_from` at most `t`. Nodes and step codes stay."""
        facts = self.facts
        return self._of(facts.take(facts.valid_from <= t))

    def without(self, relations: Collection[str]) -> Projection:
        """The projection without the facts of `relations`. Nodes and step codes stay."""
        facts = self.facts
        dropped = [code for code, name in enumerate(self.relations) if name in relations]
        return self._of(facts.take(~np.isin(facts.relation, dropped)))

    def randomised(self, seed: int) -> Projection:
        """The ablation's null graph: tails shuffled within each relation.

        Every head keeps its number of facts of each relation, every tail too; what is lost is who belongs to whom. Facts may come
        to coincide, and then both stay.
        """
        facts = self.facts
        rng = np.random.default_rng(seed)
        tail = facts.tail.copy()
        for code in range(len(self.relations)):
            rows = np.flatnonzero(facts.relation == code)
            tail[rows] = facts.tail[rng.permutation(rows)]
        return self._of(facts._replace(tail=tail))

    def facet(self, relation: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Ragged tails of the songs' own facts of one relation: offsets `[n_songs + 1]`, targets `[offsets[-1]]`.

        A relation without facts gives empty rows.
        """
        code = self.relations.index(relation) if relation in self.relations else -1
        of_songs = slice(0, self.indptr[self.n_songs])
        here = self.step[of_songs] == code
        before = np.concatenate(([0], np.cumsum(here, dtype=np.int64)))
        return before[self.indptr[: self.n_songs + 1]], self.target[of_songs][here]

    def save(self, folder: Path) -> None:
        """Write into `folder`: `nodes.parquet`, `projection.json` and one `.npy` per array."""
        pl.DataFrame({"key": self.keys, "name": self.names}, schema={"key": pl.String, "name": pl.String}).write_parquet(
            folder / "nodes.parquet"
        )
        (folder / "projection.json").write_text(
            json.dumps({"n_songs": self.n_songs, "relations": self.relations}, ensure_ascii=False), encoding="utf-8"
        )
        for name in _Csr.__annotations__:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The projection saved in `folder`."""
        nodes = pl.read_parquet(folder / "nodes.parquet")
        head = json.loads((folder / "projection.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(folder / f"{name}.npy") for name in _Csr.__annotations__}
        keys, names = (nodes[column].to_numpy().astype(object) for column in ("key", "name"))
        return cls(keys=keys, names=names, n_songs=head["n_songs"], relations=tuple(head["relations"]), **arrays)

    def _of(self, facts: Facts) -> Projection:
        return replace(self, **_csr(facts, self.n_nodes, len(self.relations)))


def _encoded(
    relation: Sequence[str] | npt.NDArray[np.object_] | npt.NDArray[np.integer], relations: Sequence[str] | None
) -> tuple[Sequence[str], npt.NDArray[np.int16]]:
    """Sorted relation names, and the code of each fact's relation."""
    if relations is not None:
        order = sorted(relations)
        rank = np.array([order.index(name) for name in relations], dtype=np.int16)
        return order, rank[np.asarray(relation, dtype=np.intp)]
    names, codes = np.unique(np.asarray(relation, dtype=str), return_inverse=True)
    return names.tolist(), codes.astype(np.int16)


def _distinct(facts: Facts) -> Facts:
    """Each fact once, as it was stated first."""
    order = np.lexsort((-facts.confidence, facts.valid_from, facts.tail, facts.relation, facts.head))
    facts = facts.take(order)
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.any([column[1:] != column[:-1] for column in facts[:3]], axis=0)
    return facts.take(first)


def _csr(facts: Facts, n_nodes: int, n_relations: int) -> _Csr:
    """`indptr, step, target, valid_from, confidence` of the facts in both directions."""
    node = np.concatenate((facts.head, facts.tail))
    step = np.concatenate((facts.relation, facts.relation + np.int16(n_relations)))
    target = np.concatenate((facts.tail, facts.head))
    order = np.lexsort((target, step, node))
    indptr = np.zeros(n_nodes + 1, dtype=np.int64)
    np.cumsum(np.bincount(node, minlength=n_nodes), out=indptr[1:])
    return _Csr(
        indptr=indptr,
        step=step[order],
        target=target[order],
        valid_from=np.concatenate((facts.valid_from, facts.valid_from))[order],
        confidence=np.concatenate((facts.confidence, facts.confidence))[order],
    )
