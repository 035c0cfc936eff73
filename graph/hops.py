"""The edges of every hop of the meta-paths, weighed and laid out for the kernels of `graph.spread`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from graph.metapaths import ANY, MetaPath
from graph.ontology import RELATIONS
from graph.projection import Projection
from graph.spread import Hops

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SpreadSettings:
    """How evidence thins out along a walk."""

    hop_decay: float = 0.8
    """γ: what one hop leaves of the evidence, in [0, 1]."""
    hub_damping: float = 0.75
    """β: a hop from a node with d edges of its kind is divided by d^β."""
    fanout: int = 2000
    """A node passes evidence on to at most so many neighbours by one hop: the most important ones, ties by id."""
    max_hops: int = 6
    """Meta-paths with more hops are left out."""


def lay_out(
    projection: Projection,
    meta_paths: Sequence[MetaPath],
    settings: SpreadSettings,
    now: int | None,
    importance: npt.NDArray[np.floating] | None,
) -> tuple[tuple[MetaPath, ...], Hops]:
    """The meta-paths that the projection has relations for, and the edges of their hops known at `now` (None: all)."""
    known = np.ones(len(projection.target), dtype=bool) if now is None else projection.valid_from <= now
    codes = {hop: _steps_of(projection, hop) for path in meta_paths for hop in path.hops}
    usable = tuple(path for path in walkable(projection, meta_paths, settings.max_hops) if path.weight != 0)
    names = list(dict.fromkeys(hop for path in usable for hop in path.hops))
    rank = np.zeros(projection.n_nodes) if importance is None else importance
    edges = [_hop_edges(projection, codes[hop], known, settings, rank) for hop in names]
    return usable, _joined(edges, usable, names, projection.n_nodes)


def walkable(projection: Projection, meta_paths: Sequence[MetaPath], max_hops: int) -> tuple[MetaPath, ...]:
    """The meta-paths of at most `max_hops` hops that the projection has relations for, whatever their weight."""
    return tuple(path for path in meta_paths if len(path.hops) <= max_hops and all(len(_steps_of(projection, hop)) for hop in path.hops))


class _Edges(NamedTuple):
    """Edges of one hop, by source node."""

    source: Ints
    target: Ints
    weight: npt.NDArray[np.float32]
    step: npt.NDArray[np.int16]


def _steps_of(projection: Projection, hop: str) -> npt.NDArray[np.int16]:
    """Step codes of a hop: one step, alternatives, or `ANY`."""
    wanted = set(hop.split("|"))
    names = projection.step_names
    if hop == ANY:
        wanted = {name for name in names if name.removeprefix("<") not in RELATIONS}
    return np.array([code for code, name in enumerate(names) if name in wanted], dtype=np.int16)


def _hop_edges(
    projection: Projection,
    steps: npt.NDArray[np.int16],
    known: npt.NDArray[np.bool_],
    settings: SpreadSettings,
    importance: npt.NDArray[np.floating],
) -> _Edges:
    """The hop's edges with their weights, each node's at most `fanout` most important ones."""
    is_step = np.zeros(len(projection.step_names), dtype=bool)
    is_step[steps] = True
    rows = np.flatnonzero(is_step[projection.step] & known)
    source = (np.searchsorted(projection.indptr, rows, side="right") - 1).astype(np.int32)
    degree = np.bincount(source, minlength=projection.n_nodes)
    kept = _within_fanout(source, projection.target[rows], degree, importance, settings.fanout)
    rows, source = rows[kept], source[kept]
    weight = settings.hop_decay * projection.confidence[rows] / np.power(degree[source], settings.hub_damping, dtype=np.float64)
    order = np.lexsort((projection.step[rows], projection.target[rows], source))
    return _Edges(source[order], projection.target[rows][order], weight[order].astype(np.float32), projection.step[rows][order])


def _within_fanout(
    source: Ints, target: Ints, degree: npt.NDArray[np.int64], importance: npt.NDArray[np.floating], fanout: int
) -> npt.NDArray[np.bool_]:
    """Mask of the edges among their node's `fanout` most important ones; only hubs are sorted."""
    kept = np.ones(len(source), dtype=bool)
    of_hub = np.flatnonzero(degree[source] > fanout)
    order = of_hub[np.lexsort((target[of_hub], -importance[target[of_hub]], source[of_hub]))]
    place = np.arange(len(order)) - np.searchsorted(source[order], source[order])
    kept[order[place >= fanout]] = False
    return kept


def _joined(edges: list[_Edges], meta_paths: Sequence[MetaPath], names: list[str], n_nodes: int) -> Hops:
    """One block of edges for all hops, and the meta-paths as hop numbers."""
    sizes = np.array([len(hop.source) for hop in edges], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    indptr = np.zeros((len(edges), n_nodes + 1), dtype=np.int64)
    for row, hop in enumerate(edges):
        np.cumsum(np.bincount(hop.source, minlength=n_nodes), out=indptr[row, 1:])
    indptr += starts[:, None]
    longest = max((len(path.hops) for path in meta_paths), default=1)
    path_hop = np.array(
        [[names.index(hop) for hop in path.hops] + [-1] * (longest - len(path.hops)) for path in meta_paths], dtype=np.int64
    )
    return Hops(
        indptr,
        np.concatenate([np.zeros(0, np.int32), *(hop.target for hop in edges)]),
        np.concatenate([np.zeros(0, np.float32), *(hop.weight for hop in edges)]),
        np.concatenate([np.zeros(0, np.int16), *(hop.step for hop in edges)]),
        path_hop.reshape(len(meta_paths), longest),
        np.array([len(path.hops) for path in meta_paths], dtype=np.int64),
        np.array([path.weight for path in meta_paths], dtype=np.float64),
    )
