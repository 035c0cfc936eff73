"""The vector index: items by largest inner product, exact below a size, by inverted lists above it.

Items have ids of their own, come and go, and may be filtered, without anything being clustered anew. Scores are always those of the
whole vectors, summed in one order: what approximation can cost is an item that lies in a list which was not scanned.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from recall.block_scan import Vectors, inner_products
from recall.deep_search import DEEPER, FEW, DeepSearch
from recall.exact_index import ExactIndex
from recall.id_rows import IdRows
from recall.index_parts import Exclude, Found, Pairs, Part, Target, find_best
from recall.inverted_lists import NOTHING, InvertedLists, ListSettings, nearest

__all__ = ["Allowed", "Exclude", "Found", "Ids", "IndexSettings", "VectorIndex", "Vectors"]

Ids = npt.NDArray[np.int32]
Allowed = npt.NDArray[np.bool_] | npt.NDArray[np.integer]
"""Items that may be found: a mask by id, or ids in any order."""


@dataclass(frozen=True)
class IndexSettings:
    """Where the index changes its ways."""

    exact_below: int = 200_000
    """Up to so many items everything is multiplied; above, lists are scanned."""
    exact_share: float = 0.15
    """A filter that leaves less than this share of the items is answered by multiplying all that it leaves, not by lists."""
    tail_share: float = 1 / 16
    """Inserted items stand apart, and are all multiplied, until they are this share; then each goes to its list."""
    dead_share: float = 1 / 4
    """Deleted items keep their place until they are this share."""
    lists: ListSettings = field(default_factory=ListSettings)


class VectorIndex:
    """Vectors of items under stable ids."""

    def __init__(self, vectors: Vectors, ids: Ids | None = None, settings: IndexSettings = IndexSettings(), seed: int = 0) -> None:
        """The index of `vectors` `[n_items, dim]` under `ids` `[n_items]` (default 0, 1, …), which are small integers: memory grows
        with the largest. `seed` draws the sample that the lists are learned from.
        """
        self.settings, self.seed = settings, seed
        self.vectors: Vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        """`[n_rows, dim]`, by id as long as ids are the default and nothing was deleted."""
        self._ids = IdRows(np.arange(len(self.vectors), dtype=np.int32) if ids is None else np.asarray(ids, np.int32))
        if len(self._ids.id) != len(self.vectors):
            raise ValueError(f"{len(self.vectors)} vectors have {len(self._ids.id)} ids")
        self._lists: InvertedLists | None = None
        self._latest: DeepSearch | None = None
        self._settle()

    def __len__(self) -> int:
        return self._ids.n_alive

    @property
    def ids(self) -> Ids:
        """Ids that the index holds, ascending."""
        return np.sort(self._ids.id[self._ids.alive])

    @property
    def exact(self) -> bool:
        """True where a search without a filter multiplies every vector."""
        return self._lists is None

    def search(
        self,
        queries: Vectors,
        k: int,
        exclude: Exclude = None,
        allowed: Allowed | None = None,
    ) -> Found:
        """The `k` items of largest inner product with each of `queries` `[n_queries, dim]`.

        Args:
            queries: their number and order change no score and no rank.
            k: at most; fewer come back only where fewer are left.
            exclude: pairs (position of a query, item) that are left out, each an array, in any order.
            allowed: the items that any query may find; None for all.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if allowed is None and self.exact and 0 < len(queries) <= FEW and 0 < k < len(self):
            # Of one request come a list of all items and then one without those known.
            found = self._deep(queries, k).best(k, exclude)
            if found is not None:
                return found
        return self._search(queries, k, exclude, allowed)

    def _deep(self, queries: Vectors, k: int) -> DeepSearch:
        """The latest search where it was of the same queries, else a new one."""
        latest = self._latest
        if latest is None or not latest.answers(queries, k):
            depth = min(DEEPER * k, len(self))
            latest = DeepSearch(queries.copy(), depth, self._search(queries, depth, None, None), whole=depth == len(self))
            self._latest = latest
        return latest

    def _search(self, queries: Vectors, k: int, exclude: Exclude, allowed: Allowed | None) -> Found:
        open_ = self._ids.alive if allowed is None else self._ids.alive & self._ids.mask(allowed)
        n_open = len(self) if allowed is None else int(np.count_nonzero(open_))
        target = Target(self.vectors, self._ids.id, open_ if n_open < len(open_) else NOTHING)
        pairs = Pairs.of(exclude, self._ids, len(queries))
        return find_best(target, queries, self._parts(open_, n_open), pairs, min(k, n_open))

    def score(self, queries: Vectors, row: npt.NDArray[np.integer], item: npt.NDArray[np.integer]) -> Vectors:
        """Inner product `[n]` of query `row[i]` and item `item[i]`, the number that `search` gives."""
        rows = self._ids.rows(item)
        if len(rows) and rows.min() < 0:
            raise ValueError(f"item {item[rows < 0][0]} is not in the index")
        return inner_products(np.ascontiguousarray(queries, dtype=np.float32), row, self.vectors, rows)  # type: ignore[no-any-return]

    def insert(self, ids: Ids, vectors: Vectors) -> None:
        """Add items; one that is there gets the new vector. No id twice in one call."""
        ids, vectors = self.checked(ids, vectors)
        self._ids.add(ids)
        self.vectors = np.concatenate([self.vectors, vectors])
        self._settle()

    def checked(self, ids: Ids, vectors: Vectors) -> tuple[Ids, Vectors]:
        """What `insert` takes, in the types that it keeps.

        Raises:
            ValueError: lengths or dimensions do not fit, or an id is negative or stands twice.
        """
        ids, vectors = np.asarray(ids, np.int32), np.asarray(vectors, np.float32)
        if vectors.shape != (len(ids), self.vectors.shape[1]) or len(np.unique(ids)) != len(ids):
            raise ValueError(f"{len(ids)} ids, each once, need vectors [{len(ids)}, {self.vectors.shape[1]}], not {list(vectors.shape)}")
        if len(ids) and ids.min() < 0:
            raise ValueError(f"id {ids.min()} is negative: ids of items are 0, 1, …")
        return ids, vectors

    def delete(self, ids: Ids) -> None:
        """Remove items; those that are not there are none."""
        self._ids.remove(np.asarray(ids, np.int32))
        self._settle()

    def save(self, folder: Path) -> None:
        """Write settings, vectors and lists into `folder` (exists, empty). `DurableIndex` keeps a folder whole through kills."""
        arrays = {"vectors": self.vectors, "ids": self._ids.id, "alive": self._ids.alive}
        if self._lists is not None:
            arrays |= {"centroids": self._lists.centroids, "list_of": self._lists.list_of()}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        head = {"settings": asdict(self.settings), "seed": self.seed, "lists": self._lists is not None}
        (folder / "index.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The index saved in `folder`; nothing is clustered anew."""
        head = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        index = cls.__new__(cls)
        lists = ListSettings(**head["settings"].pop("lists"))
        index.settings, index.seed = IndexSettings(**head["settings"], lists=lists), head["seed"]
        index.vectors = np.load(folder / "vectors.npy")
        index._ids = IdRows.of(np.load(folder / "ids.npy"), np.load(folder / "alive.npy"))
        index._lists = None
        if head["lists"]:
            list_of = np.load(folder / "list_of.npy")
            listed = index.vectors[: len(list_of)]
            index._lists = InvertedLists.of(listed, np.load(folder / "centroids.npy"), list_of, lists)
        index._set_rest()
        return index

    def _parts(self, open_: npt.NDArray[np.bool_], n_open: int) -> list[Part]:
        """What is scanned for the rows that are `open_`: everything, lists and the tail, or just what a narrow filter leaves."""
        if self._lists is None:
            return self._rest
        if n_open < self.settings.exact_share * len(open_):
            return [self._only(open_)]
        return [Part.listed(self._lists, n_open / max(len(open_), 1)), *self._rest]

    def _only(self, open_: npt.NDArray[np.bool_]) -> Part:
        rows = np.flatnonzero(open_).astype(np.int32)
        return Part.exact(ExactIndex.of(self.vectors[rows], rows))

    def _settle(self) -> None:
        """Bring rows and lists back into shape where inserts and deletes have taken them beyond the settings' shares."""
        n = len(self.vectors)
        if n - len(self) > self.settings.dead_share * n:
            self._drop_dead()
        if len(self) <= self.settings.exact_below:
            self._lists = None
        elif self._lists is None:
            self._drop_dead()
            self._lists = InvertedLists.build(self.vectors, self.settings.lists, self.seed)
        elif len(self.vectors) - len(self._lists) > self.settings.tail_share * len(self.vectors):
            late = nearest(self._lists.centroids, self.vectors[len(self._lists) :])
            self._lists = self._lists.moved(self.vectors, np.concatenate([self._lists.list_of(), late]))
        self._set_rest()

    def _set_rest(self) -> None:
        """The rows that are in no list: all where there are none, else the tail. Whatever was found before no longer counts."""
        self._latest = None
        first = 0 if self._lists is None else len(self._lists)
        tail = np.arange(first, len(self.vectors), dtype=np.int32)
        self._rest = [Part.exact(ExactIndex.of(self.vectors[first:], tail))] if len(tail) else []

    def _drop_dead(self) -> None:
        alive = self._ids.alive
        if alive.all():
            return
        if self._lists is not None:
            late = nearest(self._lists.centroids, self.vectors[len(self._lists) :])
            list_of = np.concatenate([self._lists.list_of(), late])[alive]
            self._lists = self._lists.moved(self.vectors[alive], list_of)
        self.vectors = self.vectors[alive]
        self._ids = IdRows(self._ids.id[alive])
