"""Rows as Arrow batches straight from the database's own driver (ADBC), beside the connection that inspected the tables.

SQLite's driver infers a column's type from the first batch, stops where a later value has another, and writes numbers among text in
a form of its own. `MixedColumnError` says so before such rows are delivered; the caller goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import polars as pl
import pyarrow as pa
import sqlalchemy as sa

from etl.prefetch import prefetched
from etl.raw_columns import plain_columns

BATCH_ROWS: Final = 250_000
BATCH_BYTES: Final = 32_000_000
TYPE_CHANGE: Final = "Type mismatch"
WRITTEN_NUMBER: Final = r"^-?\d\.\d{6}e[+-]\d+$"
"""How SQLite's driver writes a fraction that stands among text."""


class StreamError(Exception):
    """The driver refuses; the text is its own."""


class MixedColumnError(StreamError):
    """A column holds values of types that one Arrow column cannot; earlier batches were delivered."""


class ArrowStream:
    """One ADBC connection that reads the same snapshot as the SQLAlchemy connection it was opened beside."""

    def __init__(self, connection: Any, options: dict[str, str]) -> None:
        self._connection = connection
        self._options = options

    def batches(self, statement: str) -> Iterator[pl.DataFrame]:
        """Rows of `statement`, in batches.

        Raises:
            MixedColumnError: a value does not fit the type of its column's first values.
            StreamError: the database refuses.
        """
        with _stream_errors(), self._connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**self._options)
            cursor.execute(statement)
            reader = cursor.fetch_record_batch()
            _check_types(reader.schema)
            for batch in prefetched(iter(reader)):
                if batch.num_rows:
                    yield plain_columns(_unmixed(batch))

    def begin(self) -> None:
        """Leave the snapshot, if any, for that of now.

        Raises:
            StreamError: the database refuses.
        """
        with _stream_errors():
            self._connection.rollback()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT COUNT(*) FROM sqlite_master")
                cursor.fetchall()

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


def _check_types(schema: pa.Schema) -> None:
    """Columns of a type that Arrow has no name for (a decimal of any length, JSON) are left to the row by row reader."""
    for field in schema:
        if isinstance(field.type, pa.BaseExtensionType):
            raise MixedColumnError(f"{field.name} is of a type of the database's own")


def _unmixed(batch: pa.RecordBatch) -> pl.DataFrame:
    """The batch as a frame, unless one of its columns of text holds bytes or fractions too."""
    frame = pl.DataFrame(pl.from_arrow(batch))
    for column, stored in zip(frame, batch.columns, strict=True):
        fractions = column.dtype == pl.String and _holds_dot(stored) and column.str.contains(WRITTEN_NUMBER).any()
        if column.dtype == pl.Binary or fractions:
            raise MixedColumnError(f"{column.name} mixes types")
    return frame


def _holds_dot(column: pa.Array) -> bool:
    """Whether a dot may be in the text of a column: most have none, and then no value need be looked at."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return True
    text = column.buffers()[2]
    return text is not None and bool((np.frombuffer(text, dtype=np.uint8) == ord(".")).any())


@contextmanager
def _stream_errors() -> Iterator[None]:
    from adbc_driver_manager.dbapi import Error

    try:
        yield
    except (Error, OSError, pa.ArrowException) as error:
        text = str(error).removeprefix("[SQLite] ")
        raise (MixedColumnError if TYPE_CHANGE in text else StreamError)(text) from None


def open_sqlite(path: Path) -> ArrowStream:
    """A stream on a SQLite file, its snapshot not yet begun.

    Raises:
        StreamError: the database refuses.
    """
    import adbc_driver_sqlite.dbapi as driver

    with _stream_errors():
        connection = driver.connect(f"file:{quote(str(path))}?mode=ro")
    return ArrowStream(connection, {"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})


def open_postgresql(url: sa.URL, snapshot: str) -> ArrowStream:
    """A stream on a PostgreSQL server in the exported `snapshot` of another connection.

    Raises:
        StreamError: the database refuses.
    """
    import adbc_driver_postgresql.dbapi as driver

    with _stream_errors():
        connection = driver.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            cursor.execute("SET LOCAL synchronize_seqscans = off")
    return ArrowStream(connection, {"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
