"""Why the long space names a song: the attribute that speaks most for it, among those that the listener's history shares with it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from recall.attribute_songs import AttributeSongs
from recall.attributes import RELATION_OF, Attributes, Ints
from recall.candidates import Paths
from recall.serving import Vectors, nearest_song, slices
from recall.sittings import Sides, Sittings

STEPS: Final = ("SIMILAR_TO", "PROFILE", *RELATION_OF.values(), *(f"<{relation}" for relation in RELATION_OF.values()))
"""Names of the steps that either space takes; those of an attribute are at 2 and at 2 + the number of attributes beyond it."""


def long_paths(
    songs: AttributeSongs, attributes: Attributes, table: Vectors, users: Vectors, sittings: Sittings, sides: Sides, items: Ints
) -> Paths:
    """The evidence of each pair `[n]`: song of the long side, the value it shares with the item, the item.

    Of the attributes of which the history shares a value, the one that adds most to the score; the latest song that has it. An item that
    stands in the long side is its own evidence; without a shared value the nearest song speaks, and without a long side the profile.
    """
    n = len(items)
    which, evidence, code = (np.full(n, -1, np.int64) for _ in range(3))
    for part in slices(n):
        rows = np.arange(part.start, part.stop)
        which[part], evidence[part], code[part] = _shared(songs, attributes, users[part], sittings, sides.take(rows), items[part])
    length = int((sides.long_end - sides.long_start).max(initial=0))
    nearest = nearest_song(table, sittings.sequences.item, sides.long_start, sides.long_end, items, max(length, 1))
    itself, profile = nearest == items, nearest < 0
    shared = (which >= 0) & ~itself
    nodes = np.full((n, 3), -1, np.int32)
    nodes[:, 0] = np.where(shared, evidence, nearest)
    nodes[:, 1] = np.where(shared, attributes.nodes[code], np.where(itself, -1, items))
    nodes[:, 2] = np.where(shared, items, -1)
    steps = np.full((n, 2), -1, np.int16)
    steps[:, 0] = np.where(itself, -1, np.where(shared, 2 + which, profile))
    steps[:, 1] = np.where(shared, 2 + len(RELATION_OF) + which, -1)
    return Paths(nodes, steps, np.where(itself, 1, np.where(shared, 3, 2)).astype(np.int8), STEPS, profile)


def _shared(
    songs: AttributeSongs, attributes: Attributes, users: Vectors, sittings: Sittings, sides: Sides, items: Ints
) -> tuple[Ints, Ints, Ints]:
    """Of each pair the place of the attribute in `RELATION_OF` (-1: none is shared), the song that shares its value, the value's code."""
    adds = contributions(songs, users, items)
    length = max(1, int((sides.long_end - sides.long_start).max(initial=0)))
    rows = sides.long_end[:, None] - 1 - np.arange(length)
    real = rows >= sides.long_start[:, None]
    heard = sittings.sequences.item[np.where(real, rows, 0)] if len(sittings.sequences) else np.zeros(rows.shape, np.int64)
    best, which = np.full(len(items), -np.inf), np.full(len(items), -1, np.int64)
    evidence, code = np.full(len(items), -1, np.int64), np.zeros(len(items), np.int64)
    for place, name in enumerate(RELATION_OF):
        codes = attributes.codes[attributes.names.index(name)]
        for value in codes[items].T:
            match = (codes[heard] == value[:, None, None]).any(2) & real & (value > 0)[:, None]
            better = match.any(1) & (adds[name] > best)
            latest = heard[np.arange(len(items)), match.argmax(1)]
            best, which = np.where(better, adds[name], best), np.where(better, place, which)
            evidence, code = np.where(better, latest, evidence), np.where(better, value, code)
    return which, evidence, code


@torch.no_grad()
def contributions(songs: AttributeSongs, users: Vectors, items: Ints) -> dict[str, npt.NDArray[np.float32]]:
    """What each attribute adds to the cosine of user `[n, dim]` and item `[n]`: they sum to it."""
    parts = songs.parts(torch.from_numpy(items))
    length = torch.stack(tuple(parts.values())).sum(0).norm(dim=-1).clamp_min(1e-12)
    vectors = torch.from_numpy(users)
    return {name: ((part * vectors).sum(-1) / length).numpy() for name, part in parts.items()}


def either(first: npt.NDArray[np.bool_], near: Paths, far: Paths) -> Paths:
    """Row by row the path of `near` where `first`, else of `far`; the steps of `near` are the first ones of `far`."""
    nodes, steps = np.full_like(far.nodes, -1), np.full_like(far.steps, -1)
    nodes[:, : near.nodes.shape[1]], steps[:, : near.steps.shape[1]] = near.nodes, near.steps
    nodes, steps = np.where(first[:, None], nodes, far.nodes), np.where(first[:, None], steps, far.steps)
    length = np.where(first, near.length, far.length).astype(np.int8)
    assert near.from_profile is not None
    assert far.from_profile is not None
    return Paths(nodes, steps, length, far.step_names, np.where(first, near.from_profile, far.from_profile))
