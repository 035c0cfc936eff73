"""Names → small integers, in the order in which the names are met: what staged rows hold in place of text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl


class Codebook:
    """A growing list of distinct names; a name's code is its place. Codes never change, so rows staged earlier stay right."""

    def __init__(self, names: pl.Series | None = None) -> None:
        """Begin with `names`, distinct, whose codes are their places."""
        given = pl.Series([], dtype=pl.String) if names is None else names
        self._table = pl.DataFrame({"name": given, "code": np.arange(len(given), dtype=np.int32)})

    def __len__(self) -> int:
        return self._table.height

    @property
    def names(self) -> pl.Series:
        """All names by code."""
        return self._table["name"]

    def encode(self, values: pl.Series) -> pl.Series:
        """Codes of `values` `[n]`, Int32; null stays null. Names met for the first time are added in their order in `values`."""
        distinct = values.drop_nulls().unique(maintain_order=True).to_frame("name")
        new = distinct.join(self._table, on="name", how="anti", maintain_order="left")
        if new.height:
            codes = np.arange(len(self), len(self) + new.height, dtype=np.int32)
            self._table = pl.concat([self._table, new.with_columns(code=pl.Series(codes))])
        known = distinct.join(self._table, on="name", how="left", maintain_order="left")
        return values.to_frame("name").join(known, on="name", how="left", maintain_order="left")["code"]

    def decode(self, codes: pl.Series) -> pl.Series:
        """Names of `codes` `[n]`; null stays null."""
        return self.names.gather(codes.cast(pl.UInt32)) if len(self) else pl.Series([None], dtype=pl.String).new_from_index(0, len(codes))

    def write(self, path: Path) -> None:
        """Write all names to a Parquet file."""
        self._table.select("name").write_parquet(path)

    @classmethod
    def read(cls, path: Path) -> Codebook:
        """The codebook in a file that `write` made."""
        return cls(pl.read_parquet(path)["name"])
