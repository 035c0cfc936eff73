"""A look at every table of a database: keys, types, how many rows, and its first rows. Cheap whatever a table's size."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa

from etl.connection import make_engine, open_snapshot, plain_errors, sqlite_path
from etl.errors import UserError
from etl.inspection.found_tables import FoundColumn, FoundTable, Quantity
from etl.inspection.shapes import Shape
from etl.raw_columns import concat_chunks, frame_of_rows

SAMPLE_ROWS: Final = 300
COUNTED_ROWS: Final = 1_000_000
"""Tables are counted up to here; of a larger one the server's own estimate is told."""
ESTIMATES: Final = {
    "postgresql": "SELECT reltuples FROM pg_class JOIN pg_namespace space ON space.oid = relnamespace "
    "WHERE relname = :name AND nspname = COALESCE(:schema, current_schema())",
    **dict.fromkeys(
        ("mysql", "mariadb"),
        "SELECT table_rows FROM information_schema.tables WHERE table_name = :name AND table_schema = COALESCE(:schema, DATABASE())",
    ),
}
"""Dialect → the query of its statistics."""
SYSTEM_SCHEMAS: Final = ("information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys")
Progress = Callable[[str, int, int], None]


class Survey:
    """The tables of one open database."""

    def __init__(self, connection: sa.Connection, url: sa.URL, progress: Progress | None = None) -> None:
        self._connection = connection
        self._url = url
        self.refused: dict[str, str] = {}
        """Label of a table that the database would not show → why."""
        self.tables = self._look(progress)

    @property
    def dialect(self) -> sa.Dialect:
        """Dialect of the open connection."""
        return self._connection.dialect

    def contained(self, values: Sequence[Any], table: FoundTable, column: str) -> float:
        """Share of the different `values` that `column` of `table` holds; 0 where the database cannot compare them."""
        wanted = list(dict.fromkeys(values))
        own = table.clause.c[column]
        query = sa.select(sa.func.count(own.distinct())).where(own.in_(wanted))
        try:
            # A refusal ends the savepoint, not the snapshot.
            with self._connection.begin_nested():
                return int(self._connection.execute(query).scalar_one()) / len(wanted)
        except sa.exc.DBAPIError:
            return 0.0

    def first_rows(self, statement: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and first rows of a SELECT; `UserError` where the database refuses it."""
        text = f"SELECT * FROM (\n{statement}\n) proposed LIMIT {int(limit)}"
        with plain_errors("the proposed SELECT was refused by", self._url), self._connection.begin_nested():
            result = self._connection.exec_driver_sql(text, execution_options={"no_parameters": True})
            return list(result.keys()), [tuple(row) for row in result]

    def _look(self, progress: Progress | None) -> list[FoundTable]:
        inspector = sa.inspect(self._connection)
        with plain_errors("cannot inspect", self._url):
            names = [(schema, name, view) for schema in self._schemas(inspector) for name, view in _names(inspector, schema)]
            found = []
            for place, (schema, name, view) in enumerate(names):
                table = self._try(inspector, schema, name, view)
                found += [table] if table is not None else []
                if progress:
                    progress(f"look at {name}", place + 1, len(names))
        return found

    def _try(self, inspector: sa.Inspector, schema: str | None, name: str, view: bool) -> FoundTable | None:
        """The table; None, and a note, where it may not be read or is a view on something that has gone."""
        try:
            with self._connection.begin_nested():
                return self._look_at(inspector, schema, name, view)
        except sa.exc.DBAPIError as error:
            lines = str(error.orig).strip().splitlines()
            self.refused[f"{schema}.{name}" if schema else name] = lines[0] if lines else "no reason given"
            return None

    def _schemas(self, inspector: sa.Inspector) -> list[str | None]:
        """The default schema as None, then on PostgreSQL the others."""
        if self.dialect.name != "postgresql":
            return [None]
        default = inspector.default_schema_name
        others = (name for name in inspector.get_schema_names() if name != default and not name.startswith(("pg_", *SYSTEM_SCHEMAS)))
        return [None, *sorted(others)]

    def _look_at(self, inspector: sa.Inspector, schema: str | None, name: str, view: bool) -> FoundTable:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SAWarning)  # types that SQLAlchemy does not know: their values speak
            types = {str(column["name"]): column["type"] for column in inspector.get_columns(name, schema)}
        clause = sa.table(name, *(sa.column(column) for column in types), schema=schema)
        sample = [tuple(row) for row in self._connection.execute(sa.select(*clause.c).limit(SAMPLE_ROWS))] if types else []
        rows, quantity = self._count(clause)
        return FoundTable(
            schema,
            name,
            _columns(types, sample),
            tuple(inspector.get_pk_constraint(name, schema)["constrained_columns"] or ()),
            _unique(inspector, name, schema),
            _foreign(inspector, name, schema),
            rows,
            quantity,
            view,
            tuple(sample[:3]),
        )

    def _count(self, table: sa.TableClause) -> tuple[int, Quantity]:
        first = sa.select(sa.literal(1)).select_from(table).limit(COUNTED_ROWS + 1).subquery()
        counted = int(self._connection.execute(sa.select(sa.func.count()).select_from(first)).scalar_one())
        if counted <= COUNTED_ROWS:
            return counted, ""
        estimate = self._estimate(table)
        return (estimate, "about ") if estimate > counted else (counted - 1, "more than ")

    def _estimate(self, table: sa.TableClause) -> int:
        """What the server's own statistics say of the size of a large table; 0 where there are none."""
        if self.dialect.name == "sqlite":
            query: sa.Executable = sa.select(sa.func.max(sa.literal_column("rowid"))).select_from(table)
        elif self.dialect.name in ESTIMATES:
            query = sa.text(ESTIMATES[self.dialect.name]).bindparams(name=table.name, schema=table.schema)
        else:
            return 0
        try:
            with self._connection.begin_nested():
                return int(self._connection.execute(query).scalar() or 0)
        except sa.exc.DBAPIError:  # a view has no rowid
            return 0


@contextmanager
def open_survey(url: str, progress: Progress | None = None) -> Iterator[Survey]:
    """The survey of the database at `url` (secrets filled in), in one read-only snapshot.

    Raises:
        UserError: the database is missing, is none, or refuses; in one line.
    """
    engine = make_engine(url)
    database = sqlite_path(engine.url)
    if database is not None and not database.is_file():
        raise UserError(f"no database file at {database}: check --source")
    with open_snapshot(engine) as (connection, _):
        yield Survey(connection, engine.url, progress)


def _names(inspector: sa.Inspector, schema: str | None) -> list[tuple[str, bool]]:
    tables = [(name, False) for name in sorted(inspector.get_table_names(schema))]
    return tables + [(name, True) for name in sorted(inspector.get_view_names(schema))]


def _columns(types: dict[str, Any], sample: Sequence[tuple[Any, ...]]) -> dict[str, FoundColumn]:
    names = list(types)
    frame = concat_chunks([frame_of_rows(sample, names)] if sample else [], names)
    by_column = dict(zip(names, zip(*sample, strict=True), strict=True)) if sample else dict.fromkeys(names, ())
    return {
        name: FoundColumn(name, types[name], tuple(v for v in by_column[name] if v is not None), Shape.of(frame[name], types[name]))
        for name in names
    }


def _unique(inspector: sa.Inspector, name: str, schema: str | None) -> frozenset[str]:
    indexes = [index["column_names"] for index in inspector.get_indexes(name, schema) if index["unique"]]
    alone = {columns[0] for columns in indexes if len(columns) == 1}
    for constraint in inspector.get_unique_constraints(name, schema):
        alone |= set(constraint["column_names"]) if len(constraint["column_names"]) == 1 else set()
    return frozenset(str(column) for column in alone if column is not None)


def _foreign(inspector: sa.Inspector, name: str, schema: str | None) -> dict[str, tuple[str | None, str, str]]:
    return {
        key["constrained_columns"][0]: (key["referred_schema"], key["referred_table"], key["referred_columns"][0])
        for key in inspector.get_foreign_keys(name, schema)
        if len(key["constrained_columns"]) == 1 and key["referred_columns"]
    }
