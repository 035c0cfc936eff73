"""What re-ranking knows of songs at one moment, as columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from graph.projection import Projection
from ranking.rerank.dpp import unit_rows
from ranking.rerank.settings import Constraints
from recall.snapshot import Snapshot

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


class Groups(NamedTuple):
    """Ragged groups of songs: song `s` is of `group[first[s]:first[s + 1]]`, codes from 0."""

    first: Ints
    """`[n_songs + 1]`"""
    group: Codes
    n_groups: int

    @classmethod
    def of(cls, projection: Projection, relation: str) -> Self:
        """The tails of one relation as groups."""
        first, target = projection.facet(relation)
        nodes, code = np.unique(target, return_inverse=True)
        return cls(first.astype(np.int64), code.astype(np.int32), len(nodes))


class Songs(NamedTuple):
    """Columns `[n_songs]` of one snapshot under one set of constraints."""

    artists: Groups
    albums: Groups
    styles: Groups
    is_tail: npt.NDArray[np.bool_]
    is_unsure: npt.NDArray[np.bool_]
    """Little is known of it."""
    units: npt.NDArray[np.float32]
    """`[n_songs, dim]` vectors of length 1 by which songs are alike; of width 0 where nobody asks."""

    @classmethod
    def of(cls, snapshot: Snapshot, constraints: Constraints, vectors: Callable[[], npt.NDArray[np.floating]]) -> Self:
        """The columns at the snapshot's moment.

        Args:
            snapshot: what is known.
            constraints: they say what the tail is, and of which songs little is known.
            vectors: gives vectors of the songs `[n_songs, dim]`; asked only where diversity is on.
        """
        n_songs, projection = snapshot.catalogue.n_songs, snapshot.projection
        units = unit_rows(vectors()) if constraints.diversity > 0 else np.empty((n_songs, 0), dtype=np.float32)
        artists, albums, styles = (Groups.of(projection, relation) for relation in ("SUNG_BY", "IN_ALBUM", "HAS_STYLE"))
        plays = np.bincount(snapshot.plays.item, minlength=n_songs)
        shown = np.bincount(snapshot.events.of(Behaviour.EXPOSURE).of_songs(n_songs).item, minlength=n_songs)
        return cls(artists, albums, styles, tail(plays, constraints), plays + shown < constraints.explore_below, units)


def tail(plays: npt.NDArray[np.integer], constraints: Constraints) -> npt.NDArray[np.bool_]:
    """`[n_songs]` the songs of the long tail: under `tail_plays` plays, or the `tail_quantile` least played, equals by id."""
    if constraints.tail_quantile == 0:
        return np.asarray(plays < constraints.tail_plays)
    least = np.argsort(plays, kind="stable")[: int(np.floor(constraints.tail_quantile * len(plays)))]
    in_tail = np.zeros(len(plays), dtype=bool)
    in_tail[least] = True
    return in_tail
