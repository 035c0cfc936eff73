"""Tables and columns of a database as the survey saw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from etl.inspection.shapes import Shape
from etl.inspection.words import concepts

Quantity = Literal["", "about ", "more than "]


@dataclass(frozen=True)
class FoundColumn:
    """One column of the database."""

    name: str
    sql_type: sa.types.TypeEngine[Any] = field(repr=False)
    values: tuple[Any, ...] = field(repr=False)
    """Sampled values as the driver gives them, without nulls."""
    shape: Shape = field(repr=False)

    @property
    def concepts(self) -> tuple[str, ...]:
        """What its name says."""
        return concepts(self.name)


@dataclass(frozen=True)
class FoundTable:
    """One table or view of the database with its first rows."""

    schema: str | None
    name: str
    columns: dict[str, FoundColumn]
    primary: tuple[str, ...]
    unique: frozenset[str]
    """Columns that are unique alone, by a constraint or an index."""
    foreign: dict[str, tuple[str | None, str, str]]
    """Column → schema, table, column that a declared foreign key of one column names."""
    rows: int
    quantity: Quantity
    """What stands before `rows` that were not counted to the end."""
    view: bool
    sample: tuple[tuple[Any, ...], ...] = field(repr=False)

    @property
    def label(self) -> str:
        """Its name, behind its schema where that is not the default one."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def concepts(self) -> tuple[str, ...]:
        """What its name says."""
        return concepts(self.name)

    @property
    def counted(self) -> str:
        """Number of its rows, in words."""
        return f"{self.quantity}{self.rows:,} row{'' if self.rows == 1 else 's'}"

    @property
    def clause(self) -> sa.TableClause:
        """The table for use in a query."""
        return sa.table(self.name, *(sa.column(column.name, column.sql_type) for column in self.columns.values()), schema=self.schema)

    def text(self, column: FoundColumn) -> sa.ColumnElement[Any]:
        """A column of words for use in a query. An ENUM takes no other words than its own, so it is made text."""
        own = self.clause.c[column.name]
        return sa.cast(own, sa.String) if isinstance(column.sql_type, sa.Enum) else own

    def key(self) -> FoundColumn | None:
        """The one column that names its rows: the primary key, or else one named like an id whose sampled values all differ."""
        if len(self.primary) == 1:
            return self.columns[self.primary[0]]
        if self.primary:
            return None
        own = ({"id"}, set(self.concepts), {"id", *self.concepts})
        named = (column for column in self.columns.values() if column.name not in self.foreign)
        named = (column for column in named if column.name in self.unique or set(column.concepts) in own)
        return next((column for column in named if column.shape.distinct_share == 1 and column.shape.nulls == 0), None)
