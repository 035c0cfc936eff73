"""What every import of a public data set returns, and how it reads files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from etl.config_out import EvaluateDefaults
from etl.errors import UserError

SECONDS_BETWEEN_PLAYS = 240
"""A data set without a clock gets its plays spaced so far apart; only their order means something."""
END_TS = 1_735_689_600
"""The end date of such plays: 2025-01-01T00:00:00Z."""


@dataclass(frozen=True)
class ImportedSource:
    """Tables of the source contract with the split that fits them."""

    tables: dict[str, pl.DataFrame]
    evaluate: EvaluateDefaults = field(default_factory=EvaluateDefaults)
    note: str = ""
    """What a person should know of this data set, for the closing message."""


def existing(folder: Path, name: str) -> Path:
    """Path of the file `name` in `folder`; raises `UserError` where there is none."""
    path = folder / name
    if not path.is_file():
        raise UserError(f"no {name} in {folder}: give the folder that holds the data set's files")
    return path


def read_separated(path: Path, columns: Sequence[str], *, separator: str = "\t", header: bool = True) -> pl.DataFrame:
    """Text columns of a file without quoting; surrounding spaces and the CR of CRLF lines are stripped.

    Raises:
        UserError: the file has other columns than `columns`, or is not UTF-8.
    """
    try:
        frame = pl.read_csv(path, separator=separator, has_header=header, quote_char=None, infer_schema=False)
    except (pl.exceptions.ComputeError, pl.exceptions.NoDataError) as error:
        raise UserError(f"cannot read {path}: {str(error).splitlines()[0]}; expected columns {', '.join(columns)}") from None
    names = [name.strip() for name in frame.columns]
    if (header and names != list(columns)) or len(names) != len(columns):
        raise UserError(f"{path} has columns {', '.join(names)}, expected {', '.join(columns)}: is it the right file?")
    return frame.rename(dict(zip(frame.columns, columns, strict=True))).select(pl.all().str.strip_chars())


def integers(frame: pl.DataFrame, path: Path, *columns: str) -> pl.DataFrame:
    """`frame` with `columns` as integers; raises `UserError` with the first value that is none."""
    cast = frame.with_columns(pl.col(columns).cast(pl.Int64, strict=False))
    for column in columns:
        bad = frame.filter(cast[column].is_null())
        if bad.height:
            raise UserError(f"{path}: column {column} holds {bad[column][0]!r}, which is no integer: mend or remove the line")
    return cast


def spaced_ts(user: str) -> pl.Expr:
    """Unix seconds of plays in order without a clock: `SECONDS_BETWEEN_PLAYS` apart, each user's last at `END_TS`."""
    after = pl.len().over(user) - 1 - pl.int_range(pl.len(), dtype=pl.Int64).over(user)
    return (END_TS - SECONDS_BETWEEN_PLAYS * after.cast(pl.Int64)).alias("ts")


def plays(user_id: pl.Series, item_id: pl.Series, ts: pl.Series) -> pl.DataFrame:
    """Rows of `events`, all of behaviour `play`, from text ids and Unix seconds."""
    columns = {"user_id": user_id, "item_id": item_id, "ts": ts}
    return pl.DataFrame(columns).select("user_id", "item_id", pl.lit("play").alias("behaviour"), "ts")


def users_of(events: pl.DataFrame) -> pl.DataFrame:
    """`users` of a data set without profiles: those of its events, by first appearance."""
    return events.select("user_id").unique(maintain_order=True)
