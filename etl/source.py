"""Extraction: the tables of the source contract out of any database that SQLAlchemy speaks to, as columns."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from etl.arrow_stream import ArrowStream, MixedColumnError
from etl.connection import database_state, make_engine, open_snapshot, plain_errors, sqlite_path
from etl.contract import TABLES, Table
from etl.errors import UserError
from etl.raw_columns import concat_chunks, frame_of_rows
from etl.watermark import seconds_in_sql

CHUNK_ROWS: Final = 100_000
EVERYTHING: Final = {"sqlite": -1, "mysql": 2**64 - 1, "mariadb": 2**64 - 1}
"""What LIMIT says where a dialect has no OFFSET without it."""
QUERY: Final = re.compile(r"\s*(select|with|values)\b|\s*\(", re.IGNORECASE)
Progress = Callable[[str, int, int], None]
"""Called with the stage, how much is done, and the total."""


@dataclass(frozen=True)
class Since:
    """Rows of a table from a moment on. A row without a moment always belongs to them."""

    column: str
    """Contract column that holds the moment."""
    value: Any
    """As the source writes it: a number, a text, a date or a time."""
    strays: bool = False
    """The column is text: what does not begin with a digit belongs to them too."""


class Source:
    """A user's database: where the tables of the contract are found and how they are read. It is only ever read."""

    def __init__(self, url: str, tables: Mapping[str, str] | None = None) -> None:
        """Name the database and where its tables are; nothing is opened yet.

        Args:
            url: SQLAlchemy URL with its secrets filled in.
            tables: contract table → table, view (`schema.name` allowed) or SELECT; a table without an entry keeps
                its own name, one with an empty entry is left out.

        Raises:
            UserError: the URL cannot be read, has no driver, or `tables` names a table that the contract does not have.
        """
        self.tables = dict(tables or {})
        for name in self.tables:
            if name not in TABLES:
                raise UserError(f"[source.tables] names {name!r}, which is no table of the source contract{_nearest(name, TABLES)}")
        self._engine = make_engine(url)

    @property
    def url(self) -> sa.URL:
        """The parsed URL, password included: never print it."""
        return self._engine.url

    @property
    def safe_url(self) -> str:
        """The URL with its password hidden."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """One read-only transaction on the database, its tables and columns checked against the contract.

        Raises:
            UserError: the database is missing, is none, refuses, or lacks a required table or column; each in one line.
        """
        database = sqlite_path(self.url)
        if database is not None and not database.is_file():
            raise UserError(f"no database file at {database}: check [source] url")
        with open_snapshot(self._engine) as (connection, stream):
            yield Reader(self, connection, stream)

    def state(self) -> str | None:
        """What changes with every commit to the source; None where nothing cheap does."""
        database = sqlite_path(self.url)
        return "\n".join(database_state(database)) if database is not None and database.is_file() else None

    def fingerprint(self) -> str:
        """Cheap identity of the present content.

        SQLite: size and time of change of its file and write-ahead log, wherever it lies. Servers: the number of rows of every
        table and the last `ts` of events.
        """
        state = self.state()
        if state is None:
            with self.open() as reader:
                state = "\n".join([*(f"{name} {reader.count(name)}" for name in reader.layout), f"last {reader.last_event()}"])
        return hashlib.sha256(state.encode()).hexdigest()


class Reader:
    """The tables of one open source."""

    def __init__(self, source: Source, connection: sa.Connection, stream: ArrowStream | None) -> None:
        self._source = source
        self._connection = connection
        self._stream = stream
        self._quote = connection.dialect.identifier_preparer.quote
        self._from: dict[str, str] = {}
        self.layout: dict[str, dict[str, str]] = {}
        """Present tables in the contract's order → contract column (extras too) → the source's own name of it."""
        for table in TABLES.values():
            self._find(table)
        self._require()

    def read(self, name: str, progress: Progress | None = None) -> pl.DataFrame:
        """All rows of a present table in source order, as they are: contract columns in their order, then the extras."""
        return concat_chunks(list(self.batches(name, progress=progress)), list(self.layout[name]))

    def batches(self, name: str, *, since: Since | None = None, skip: int = 0, progress: Progress | None = None) -> Iterator[pl.DataFrame]:
        """Rows of a present table in source order, as they are, a batch at a time; a column's type may differ from batch to batch.

        Args:
            name: table of the contract.
            since: only these rows.
            skip: rows at the beginning that are left out.
            progress: called after each batch.

        Raises:
            UserError: the database refuses.
        """
        total = self.count(name) if progress and since is None and not self._is_query(name) else 0
        done = skip
        for batch in self._streamed(name, skip) if since is None else self._rows(name, since, skip):
            done += batch.height
            if progress:
                progress(f"read {name}", done, max(total, done))
            yield batch

    def count(self, name: str) -> int:
        """Number of rows of a present table."""
        return int(self._scalar(name, f"SELECT COUNT(*) FROM {self._from[name]}"))

    def older(self, name: str, since: Since, form: str) -> tuple[int, int | None]:
        """Number of rows of a present table that do not belong to `since`, and the sum of their Unix seconds.

        Args:
            name: table of the contract.
            since: the other rows.
            form: how the source writes times (`etl.watermark`).

        Returns:
            The sum is None where this database cannot tell it of all those rows.
        """
        seconds = seconds_in_sql(self._connection.dialect.name, form, self._quote(self.layout[name][since.column]))
        asked = ["COUNT(*)", *((f"COUNT({seconds})", f"SUM({seconds})") if seconds else ())]
        statement = f"SELECT {', '.join(asked)} FROM {self._from[name]} WHERE NOT {self._condition(name, since)}"
        with plain_errors(f"cannot read `{name}` from", self._source.url):
            row: tuple[Any, ...] = tuple(self._execute(statement, since).one())
        return row[0], int(row[2]) if seconds and row[0] and row[1] == row[0] else None

    def last_event(self) -> str:
        """Largest `ts` of events as the source writes it."""
        return str(self._scalar("events", f"SELECT MAX({self._quote(self.layout['events']['ts'])}) FROM {self._from['events']}"))

    def statement(self, name: str, *, skip: int = 0) -> str:
        """The SELECT that reads a present table: what its rows are is known by it."""
        chosen = ", ".join(self._quote(own) for own in self.layout[name].values())
        whole = f"SELECT {chosen} FROM {self._from[name]}"
        limit = EVERYTHING.get(self._connection.dialect.name)
        return whole if not skip else f"{whole}{'' if limit is None else f' LIMIT {limit}'} OFFSET {skip}"

    def _streamed(self, name: str, skip: int) -> Iterator[pl.DataFrame]:
        """Batches of the driver's Arrow stream; where a column changes its type, a new stream begins there, or rows are read."""
        done, begun = skip, -1
        while self._stream is not None and done > begun:
            begun = done
            try:
                for batch in self._stream.batches(self.statement(name, skip=done)):
                    done += batch.height
                    yield batch.rename(dict(zip(batch.columns, self.layout[name], strict=True)))
                return
            except MixedColumnError:
                continue
        yield from self._rows(name, None, done)

    def _rows(self, name: str, since: Since | None, skip: int) -> Iterator[pl.DataFrame]:
        """Batches of rows as SQLAlchemy's cursor gives them: of any dialect, and with values of several types in one column."""
        with plain_errors(f"cannot read `{name}` from", self._source.url):
            if since is None:
                result = self._execute(self.statement(name, skip=skip), stream=True)
            else:
                result = self._execute(f"{self.statement(name)} WHERE {self._condition(name, since)}", since, stream=True)
            for rows in result.partitions(CHUNK_ROWS):
                yield frame_of_rows(rows, list(self.layout[name]))

    def _condition(self, name: str, since: Since) -> str:
        column = self._quote(self.layout[name][since.column])
        strays = f" OR {column} < '0' OR {column} >= ':'" if since.strays else ""
        return f"({column} >= :since OR {column} IS NULL{strays})"

    def _find(self, table: Table) -> None:
        """Where the table is and which of its columns are there."""
        given = self._source.tables.get(table.name)
        if given == "" or (given is None and not self._exists(table.name)):
            return
        self._from[table.name] = self._from_clause(table.name, given or table.name)
        with plain_errors(f"`{table.name}` of [source.tables] cannot be read from", self._source.url):
            own = list(self._execute(f"SELECT * FROM {self._from[table.name]} WHERE 1 = 0").keys())
        by_name = {column.lower(): column for column in reversed(own)}
        found = {column: by_name[column] for column in table.names if column in by_name}
        if table.extras:
            found |= {column: column for column in own if column.lower() not in table.names}
        self.layout[table.name] = found

    def _from_clause(self, name: str, given: str) -> str:
        if self._is_query(name):
            return f"(\n{given.strip().rstrip(';')}\n) source_rows"
        if self._exists(given):
            return self._quote(given)
        schema, _, table = given.rpartition(".")
        if schema and self._exists(table, schema):
            return f"{self._quote(schema)}.{self._quote(table)}"
        near = _nearest(given, self._names())
        raise UserError(f"no table or view {given!r} in {self._source.safe_url}: correct `{name}` under [source.tables]{near}")

    def _is_query(self, name: str) -> bool:
        return QUERY.match(self._source.tables.get(name, "")) is not None

    def _exists(self, table: str, schema: str | None = None) -> bool:
        return bool(sa.inspect(self._connection).has_table(table, schema=schema))

    def _names(self) -> list[str]:
        inspector = sa.inspect(self._connection)
        return sorted({*inspector.get_table_names(), *inspector.get_view_names()})

    def _require(self) -> None:
        """Every required table and column is there, or one line names what is not."""
        where = self._source.safe_url
        tables = [table.name for table in TABLES.values() if table.required and table.name not in self.layout]
        if tables:
            raise UserError(f"{where} has no table {_listed(tables)}: [source.tables] can name the table, view or SELECT that holds it")
        gaps = {
            name: [column.name for column in TABLES[name].columns if column.required and column.name not in self.layout[name]]
            for name in self.layout
        }
        gaps = {name: missing for name, missing in gaps.items() if missing}
        if gaps:
            said = "; ".join(f"`{name}` has no column {_listed(missing)}" for name, missing in gaps.items())
            name, missing = next(iter(gaps.items()))
            example = f'{name} = "SELECT *, your_column AS {missing[0]} FROM your_table"'
            raise UserError(f"{where}: {said}; [source.tables] can map it, like {example}")

    def _scalar(self, name: str, statement: str) -> Any:
        with plain_errors(f"cannot read `{name}` from", self._source.url):
            return self._execute(statement).scalar()

    def _execute(self, statement: str, since: Since | None = None, *, stream: bool = False) -> sa.CursorResult[Any]:
        if since is None:
            # no_parameters: a driver then takes a % or : of the user's SELECT as it stands.
            options = {"no_parameters": True, "stream_results": stream}
            return self._connection.exec_driver_sql(statement, execution_options=options)
        text = sa.text(statement.replace(":", "\\:").replace("\\:since", ":since"))
        return self._connection.execute(text, {"since": since.value}, execution_options={"stream_results": stream})


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
