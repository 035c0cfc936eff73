"""Examples as a linear model over hashed terms reads them: listener, song, its facets, profile, context and numbers, as columns."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from ranking.facets import FACET_RELATIONS
from ranking.features import CONTEXT, Features, FeatureSchema
from ranking.hashing import HashedTerms
from ranking.key_hashes import key_hashes
from ranking.ranker import Examples
from ranking.song_inputs import user_keys
from ranking.song_rows import FacetRows
from recall.snapshot import Snapshot

FACET_COLUMNS: Final = {"artist": 2, "album": 1, "style": 3, "language": 1, "era": 1, "tag": 4}
"""Facets of a song and how many of each are told, the lowest ids first."""
ABSENT: Final = -1
STEPS: Final = 17
"""Steps of a number: half a standard deviation each, around the mean."""

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def crossed_terms(schema: FeatureSchema, bits: int, *, crosses: bool = True) -> HashedTerms:
    """The terms of a schema: every column of `CrossedColumns`, and the schema's crosses."""
    facets = [name for name, n in FACET_COLUMNS.items() for _ in range(n)]
    numbers = [*schema.numeric_names, *(f"{name} step" for name in schema.numeric_names)]
    profile = [f"profile {name}" for name in schema.categories]
    return HashedTerms(("user", "song", *facets, *profile, *CONTEXT, *numbers), schema.crosses if crosses else (), bits)


class CrossedColumns:
    """The columns of examples on one snapshot, in the order of `crossed_terms`.

    Users, songs and facets are hashes of their keys, so a model goes on meaning the same things when ids change, and can learn of new ones.
    A number is told twice: as it is, and by the step that it is on, which lets a linear model bend.
    """

    def __init__(self, features: Features, snapshot: Snapshot) -> None:
        self.features = features
        self._users = key_hashes(user_keys(snapshot.catalogue.users["user_id"]))
        nodes = key_hashes(pl.Series(snapshot.projection.keys.tolist(), dtype=pl.String))
        n_songs = snapshot.catalogue.n_songs
        facets = [_facet(FacetRows.of(snapshot.projection, FACET_RELATIONS[name]), nodes, n_songs, n) for name, n in FACET_COLUMNS.items()]
        self._songs = np.concatenate([nodes[:n_songs, None], *(codes for codes, _ in facets)], axis=1)
        self._shares = np.concatenate([np.ones((n_songs, 1), np.float32), *(share for _, share in facets)], axis=1)

    def of(self, examples: Examples, numeric: Floats | None = None, coded: npt.NDArray[np.int32] | None = None) -> tuple[Codes, Floats]:
        """Codes and values of the examples `[n]`, both `[n, n_columns]`.

        Args:
            examples: whom, what and when.
            numeric: their `Features.numeric`, where the caller has them.
            coded: their `Features.codes`, likewise.
        """
        numeric = self.features.numeric(examples) if numeric is None else numeric
        coded = self.features.codes(examples) if coded is None else coded
        n = len(examples)
        step = np.clip(np.floor(2.0 * numeric) + STEPS // 2, 0, STEPS - 1)
        parts = (self._users[examples.user][:, None], self._songs[examples.item], coded, np.zeros(numeric.shape), step)
        ones = np.ones((n, 1), np.float32)
        values = (ones, self._shares[examples.item], np.ones(coded.shape, np.float32), numeric, np.ones(numeric.shape, np.float32))
        return np.concatenate([part.astype(np.int64) for part in parts], axis=1), np.concatenate(values, axis=1)


def _facet(rows: FacetRows, nodes: Codes, n_songs: int, n: int) -> tuple[Codes, Floats]:
    """Hashes `[n_songs, n]` of the first `n` facets of each song, `ABSENT` where there are fewer; and one over their number."""
    n_of_song = np.diff(rows.offsets)
    place = rows.offsets[:-1, None] + np.arange(n)
    there = np.arange(n) < n_of_song[:, None]
    if not len(rows.targets):
        return np.full((n_songs, n), ABSENT, dtype=np.int64), np.zeros((n_songs, n), np.float32)
    codes = np.where(there, nodes[rows.targets[np.minimum(place, len(rows.targets) - 1)]], ABSENT)
    share = there / np.maximum(np.minimum(n_of_song, n), 1)[:, None]
    return codes, share.astype(np.float32)
