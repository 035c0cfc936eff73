"""Lists for many users as one Parquet file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from etl.catalogue import Catalogue
from etl.errors import UserError
from kg_recall.errors import disk_full, is_disk_full
from kg_recall.near_ids import nearest

SCHEMA: Final = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_kind", pa.string()),
        ("item_id", pa.string()),
        ("score", pa.float32()),
        ("routes", pa.list_(pa.string())),
        ("reason", pa.string()),
        ("path", pa.list_(pa.string())),
    ]
)
"""Columns of a batch, in order."""
FIELDS: Final = SCHEMA.names
Repeats = Literal["include", "exclude"]


class Recommends(Protocol):
    """What a batch asks for lists."""

    def recommend(self, users: npt.NDArray[np.int32], k: int, scenario: str, repeats: Repeats) -> pl.DataFrame:
        """Lists of `users` `[n]` (rows of the catalogue) in the columns of `SCHEMA` and more, by user as given, then by rank."""
        ...


def chosen_users(catalogue: Catalogue, file: Path | None) -> npt.NDArray[np.int32]:
    """Rows of the users whose ids `file` lists, one a line, in the catalogue's order; of all users where it is None.

    Raises:
        UserError: the file cannot be read, lists nobody, or somebody whom the source does not know.
    """
    if file is None:
        return np.arange(catalogue.n_users, dtype=np.int32)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read --users {file} ({error}): name a text file with one user_id a line") from None
    ids = pl.Series("user_id", [line.strip() for line in lines], dtype=pl.String)
    ids = ids.filter(ids != "").unique(maintain_order=True)
    if ids.is_empty():
        raise UserError(f"--users {file} lists nobody: write one user_id a line")
    known = catalogue.users.select("user_id").with_row_index("row")
    rows = ids.to_frame().join(known, on="user_id", how="left", maintain_order="left")
    unknown = rows.filter(pl.col("row").is_null())["user_id"]
    if len(unknown):
        raise UserError(
            f"--users {file} lists {len(unknown):,} unknown user{'s' if len(unknown) > 1 else ''}, the first {unknown[0]!r}: "
            f"only ids of the source's users and events get a list; {nearest(known['user_id'], unknown[0])}"
        )
    return rows["row"].sort().to_numpy().astype(np.int32)


def as_table(frame: pl.DataFrame) -> pa.Table:
    """The columns of `SCHEMA` of a frame of lists."""
    return frame.select(FIELDS).to_arrow().cast(SCHEMA)


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """A partial file beside `out` that takes its place when the block ends, and goes where it fails.

    Raises:
        UserError: the place cannot be written, or the disk is full.
    """
    check_place(out)
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        with refusing_full_disk(out):
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def check_place(out: Path) -> None:
    """Raises:
    UserError: `out` is a folder or lies in none.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise UserError(f"cannot write {out}: " + ("it is a folder; name a file" if out.is_dir() else f"there is no folder {out.parent}"))


@contextmanager
def refusing_full_disk(out: Path) -> Iterator[None]:
    """What the disk refuses while `out` is made is one line.

    Raises:
        UserError: the disk is full, or the place may not be written.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise disk_full(out) from error
        if isinstance(error, PermissionError):
            raise UserError(f"cannot write {out}: permission denied; name a place you may write to") from None
        raise
