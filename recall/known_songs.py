"""Songs that a model has learned, found again in the catalogue of another moment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.catalogue import Catalogue


def song_ids(keys: Sequence[str], catalogue: Catalogue) -> npt.NDArray[np.int32]:
    """`[len(keys)]` song id of each key in the catalogue, -1 where it has left."""
    known = pl.DataFrame({"key": catalogue.song_keys.tolist()}, schema={"key": pl.String}).with_row_index("song")
    wanted = pl.DataFrame({"key": list(keys)}, schema={"key": pl.String})
    found = wanted.join(known, on="key", how="left", maintain_order="left")["song"]
    return found.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.int32)
